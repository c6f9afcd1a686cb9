"""Daylight saving: the day begins an hour earlier or later than it did, everywhere at once, and nobody is told."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aiops.detection.detector import Points
from aiops.detection.fleet import FleetDetector
from aiops.detection.fleet_clock import clocks_may_have_changed
from aiops.detection.onset import Onsets
from aiops.series import FloatArray, epoch_seconds

ZONES = ["Europe/Berlin", "America/New_York", "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland"]
STEP = 300.0


@pytest.mark.parametrize("zone", ZONES)
def test_the_days_after_each_change_of_clocks_are_known(zone):
    hour, at, changes = timedelta(hours=1), datetime(2024, 1, 1, tzinfo=UTC), 0
    while at.year < 2030:
        if at.astimezone(ZoneInfo(zone)).utcoffset() != (at + hour).astimezone(ZoneInfo(zone)).utcoffset():
            changes += 1
            assert all(clocks_may_have_changed(epoch_seconds(at + hours * hour)) for hours in range(1, 48))
        at += hour
    assert changes == 12


def test_they_are_three_weeks_of_the_year():
    hours = [clocks_may_have_changed(3600.0 * hour) for hour in range(365 * 24 * 4 + 24)]
    assert sum(hours) / len(hours) == pytest.approx(21 / 365, rel=0.02)


def office_days(first: datetime, days: int, zone: str, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return stamps and values of days that rise at eight and fall at six by the clocks of a place."""
    at = epoch_seconds(first) + STEP * np.arange(days * 86_400 / STEP)
    local = [datetime.fromtimestamp(each, ZoneInfo(zone)) for each in at.tolist()]
    minute = np.array([60.0 * each.hour + each.minute for each in local])
    day = 100 + 400 / (1 + np.exp(-(minute - 480) / 15)) - 400 / (1 + np.exp(-(minute - 1080) / 15))
    return at, day + np.random.default_rng(seed).normal(0, 8, len(at))


@pytest.mark.parametrize(
    ("zone", "sunday"), [(ZONES[0], "2026-03-29"), (ZONES[0], "2026-10-25"), (ZONES[2], "2026-03-08")]
)
def test_a_fleet_whose_clocks_change_tells_nobody_more_than_in_any_week(zone, sunday):
    changed = datetime.fromisoformat(sunday).replace(tzinfo=UTC)
    told = 0
    for seed in range(6):
        at, values = office_days(changed - timedelta(days=28), 35, zone, seed)
        onsets = Onsets()
        said = FleetDetector().replay(at, values)[0]
        found = onsets.learn(onsets.start(1), np.zeros(len(at), dtype=np.int64), at, said)
        told += int(found[at >= epoch_seconds(changed)].sum())
    assert told <= 6, "the budget of six series; it would be four a series at the four edges of two days"


def test_a_morning_that_does_not_come_is_odd_even_then():
    changed = datetime(2026, 3, 29, tzinfo=UTC)
    at, values = office_days(changed - timedelta(days=28), 30, ZONES[0], 0)
    monday = epoch_seconds(changed + timedelta(days=1, hours=6))  # eight by the new clocks
    gone = (at >= monday) & (at < monday + 5 * 3600)
    values[gone] = 100.0 + np.random.default_rng(1).normal(0, 3, int(gone.sum()))
    said = FleetDetector().replay(at, values)[0]
    assert np.nanmin(said[gone]) < 1.0


@pytest.mark.parametrize("weekend", ["2026-03-08", "2026-03-29"])
def test_where_clocks_stay_as_they_are_the_day_keeps_its_place(weekend):
    changed = datetime.fromisoformat(weekend).replace(tzinfo=UTC)
    for seed in range(10):
        at, values = office_days(changed - timedelta(days=10), 13, "UTC", seed)
        detector = FleetDetector()
        state = detector.start(1)
        row = np.zeros(len(at), dtype=np.int64)
        detector.learn(state, Points.unforecast(row, at, values))
        before = detector.start(1)
        old = at < epoch_seconds(changed - timedelta(days=1))
        detector.learn(before, Points.unforecast(row[old], at[old], values[old]))
        for hour in (7, 9, 17, 19):  # an hour before and after the edges of the day
            slot = 4 * hour
            assert state["slots"][0, slot] == pytest.approx(before["slots"][0, slot], abs=60), "an edge is 400"
