"""What if: the change that was asked for, and no other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.backtest.cluster import ZoneLoss
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.ledger import Record, ledger, unmet
from aiops.backtest.replay import Case, replay_hpa
from aiops.backtest.whatif import ZONE, WhatIf, busiest_hour, fared, what_if
from aiops.errors import ConfigError
from aiops.series import Series, SeriesKey

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUSIEST = START + 30 * HOUR


@pytest.fixture(scope="module")
def shop() -> Case:
    hours = np.arange(48 * 60) / 60
    values = 50 + 30 * np.sin((hours - 24.5) / 24 * 2 * np.pi)
    history = Series(key=SeriesKey("shop"), start=START, step=HOUR / 60, values=values)
    return Case(name="shop", history=history, capacity_per_replica=1.0, start=START + 24 * HOUR, end=history.end)


def test_each_change_does_what_it_says(shop):
    assert busiest_hour(shop) == BUSIEST
    before = shop.history.values
    np.testing.assert_array_equal(what_if("growth=1.5").of(shop).history.values, 1.5 * before)
    launched = what_if("launch=3").of(shop).history.values / before
    assert np.flatnonzero(launched != 1).tolist() == list(range(30 * 60, 36 * 60))
    assert launched[30 * 60] == pytest.approx(3)
    assert what_if("startup=5m").of(shop).startup_delay == timedelta(minutes=5)
    both = what_if("growth=2,zone-loss=0.5").of(shop)
    assert both.history.values[0] == 2 * before[0]
    assert both.zone_loss == ZoneLoss(at=BUSIEST, share=0.5)
    assert fared(replay_hpa(WhatIf().of(shop), Hpa(target=0.7))) == fared(replay_hpa(shop, Hpa(target=0.7)))


def test_a_lost_zone_is_missing_for_as_long_as_pods_take_to_start(shop):
    plain = replay_hpa(shop, Hpa(target=0.9)).track
    lost = replay_hpa(what_if("zone-loss").of(shop), Hpa(target=0.9)).track
    np.testing.assert_array_equal(lost.replicas, plain.replicas)
    gone = np.flatnonzero(lost.ready != plain.ready)
    first = (BUSIEST - shop.start) // SYNC
    assert gone.tolist() == list(range(first, first + shop.startup_delay // SYNC - 1))
    # A scale-down within this time would take starting pods first; here demand rises.
    assert plain.ready[first] - lost.ready[first] == np.ceil(ZONE * plain.ready[first - 1])


@pytest.mark.parametrize(
    "text", ["growth", "growth=-1", "growth=inf", "launch=x", "startup=soon", "startup=7s", "zone-loss=2", "rain", ""]
)
def test_what_cannot_be_read_is_refused_with_what_to_write(text):
    with pytest.raises(ConfigError, match=r"--what-if.*write"):
        what_if(text)


@settings(max_examples=50)
@given(
    st.lists(st.one_of(st.floats(0, 100), st.just(float("nan"))), min_size=1, max_size=200),
    st.integers(0, 86_399),
    st.sampled_from([15, 60, 3600]),
)
def test_the_days_of_a_ledger_add_up_to_the_whole(demand, second, step):
    values = np.array(demand)
    ready = np.mod(np.arange(len(values), dtype=np.float64), 7.0, dtype=np.float64)
    record = Record(
        start=START + timedelta(seconds=second),
        step=timedelta(seconds=step),
        demand=values,
        replicas=ready + 1,
        ready=ready,
        capacity_per_replica=10.0,
    )
    entries = ledger(record)
    hours, known = step / 3600, ~np.isnan(values)
    assert sum(entry.demand for entry in entries) == pytest.approx(np.nansum(values) * hours)
    assert sum(entry.unmet for entry in entries) == pytest.approx(unmet(record).sum() * hours)
    assert sum(entry.replica_hours for entry in entries) == pytest.approx((ready + 1)[known].sum() * hours)
    last = record.start + (len(values) - 1) * record.step
    assert (entries[0].day.date(), entries[-1].day.date()) == (record.start.date(), last.date())
    assert all(entry.day == entry.day.replace(hour=0, minute=0, second=0) for entry in entries)


def test_more_ready_replicas_never_leave_more_unmet(shop):
    outcome = replay_hpa(shop, Hpa(target=1.0))
    record = outcome.record
    more = replace(record, ready=record.ready + 1)
    assert (unmet(more) <= unmet(record)).all()
    assert sum(entry.unmet for entry in ledger(record)) == pytest.approx(outcome.unmet_total)
    assert sum(entry.replica_hours for entry in ledger(record)) == pytest.approx(outcome.replica_hours)
