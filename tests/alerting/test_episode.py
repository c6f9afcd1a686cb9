"""What an anomaly looks like, from its values alone, through the fleet detector, the rules and what people are told."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters.folder import FolderSource
from aiops.alerting.episode import Episode, Kind
from aiops.alerting.rules import AlertRule
from aiops.detection.catalog import detector
from aiops.detection.score import AnomalyScore, Contribution, View
from aiops.detection.scorer import Scorer
from aiops.series import FloatArray, Series, SeriesKey
from aiops.usecases.backtest_detection import backtest_detection

STEP, DAY = timedelta(minutes=5), 288
DAYS = 14
LAST = (DAYS - 1) * DAY
START = datetime(2026, 3, 2, tzinfo=UTC)


def office_days() -> FloatArray:
    """Return days that rise at eight from 100 to 500 and fall at eighteen, with a little noise."""
    minute = 5.0 * (np.arange(DAYS * DAY) % DAY)
    day = 100 + 400 / (1 + np.exp(-(minute - 480) / 20)) - 400 / (1 + np.exp(-(minute - 1080) / 20))
    noisy: FloatArray = day + np.random.default_rng(4).normal(0, 2, len(day))
    return noisy


def flat_days() -> FloatArray:
    noisy: FloatArray = np.random.default_rng(5).normal(200, 2, DAYS * DAY)
    return noisy


def told(values: FloatArray) -> list[tuple[int, dict[str, str]]]:
    """Return the step of the last day in which each alert began, and what its first notification says."""
    series = Series(key=SeriesKey.of("load", {"service": "shop"}), start=START, step=STEP, values=values)
    rule = AlertRule(alerts_a_week=100.0)
    found = backtest_detection([series], Scorer([detector("fleet")]), rule, timedelta(days=1))
    return [((each.first.starts_at - START) // STEP - LAST, dict(each.first.annotations)) for each in found.told]


def with_(values: FloatArray, first: int, change: FloatArray) -> FloatArray:
    values[LAST + first : LAST + first + len(change)] += change
    return values


RAMP = np.linspace(0, 200, 200)

SHAPES = {
    "spike": (lambda: with_(flat_days(), 60, np.full(3, 150.0)), 60, Kind.SPIKE),
    "drop": (lambda: with_(flat_days(), 60, np.full(3, -150.0)), 60, Kind.DROP),
    "spike by night": (lambda: with_(office_days(), 60, np.full(3, 300.0)), 60, Kind.SPIKE),
    "creeps up": (lambda: with_(flat_days(), 60, RAMP), 60, Kind.TREND),
    "creeps down": (lambda: with_(flat_days(), 60, -RAMP), 60, Kind.TREND),
    "a day that does not come": (lambda: np.append(office_days()[:LAST], flat_days()[LAST:] - 100), 88, Kind.SEASON),
    "an evening that does not come": (
        lambda: with_(office_days(), 210, 500 - office_days()[210:DAY]),
        210,
        Kind.SEASON,
    ),
}


@pytest.mark.parametrize(("make", "first", "kind"), SHAPES.values(), ids=SHAPES)
def test_the_first_alert_says_what_it_looks_like(make, first, kind):
    begun, said = told(make())[0]
    assert first <= begun <= first + 20
    assert said["kind"] == kind.value, said
    assert said["why"].startswith(kind.value)


def test_what_stays_is_called_a_shift_when_it_has_lasted():
    score = AnomalyScore(
        key=SeriesKey("load"),
        at=START,
        observed=500.0,
        expected=200.0,
        lower=190.0,
        upper=210.0,
        value=0.99999,
        detector="fleet",
        warming_up=False,
        contributions=tuple(Contribution(view=view, alerts_a_week=0.01, above=True) for view in View),
    )
    assert Episode(points=14, first=score, worst=score).kind(15) is Kind.SPIKE
    assert Episode(points=15, first=score, worst=score).kind(15) is Kind.SHIFT


def test_an_alert_says_what_each_view_would_have_said_alone():
    _, said = told(with_(flat_days(), 60, np.full(3, 150.0)))[0]
    assert "(detector fleet: far from " in said["why"]
    views = said["views"].split("; ")
    assert sorted(each.split(": ")[0] for each in views) == sorted(
        f"above {view.value}" for view in View if view is not View.FORECAST
    )
    assert all("once in " in each or "a week" in each for each in views)


@pytest.mark.parametrize("name", ["art_daily_nojump", "art_daily_jumpsdown"])
def test_a_day_that_did_not_rise_on_public_data(name, data_dir):
    source = FolderSource(data_dir / "anomaly")
    (entry,) = [each for each in source.entries() if each.name.endswith(name)]
    (series,) = source.read([entry]).series
    rule = AlertRule(alerts_a_week=100.0)
    found = backtest_detection([series], Scorer([detector("fleet")]), rule, timedelta(days=6))
    assert [each.first.annotations["kind"] for each in found.told][:1] == ["missing season"]
