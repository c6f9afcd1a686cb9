"""Why demand was left unmet: each cause is made to happen, and has to be found."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.backtest.explorer import explore
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.misses import Cause, causes, misses
from aiops.backtest.replay import Case, replay_peaks
from aiops.backtest.study import Contender, Setting
from aiops.backtest.whatif import what_if
from aiops.forecasting.catalog import window_forecaster
from aiops.scaling.policy import ScalingPolicy
from aiops.series import Series, SeriesKey

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
JUMP = 4 * 1440 + 60
"""Minute of the history at which demand goes from 10 replicas to 40, for an hour: four days and an hour in."""
POLICY = {
    "bounds": {"maxReplicas": 100},
    "load": {"capacityPerReplica": 1},
    "forecast": {"historyCap": 1000},
    "behavior": {"scaleUp": {"maxStepRatio": 1000}},
}


def case(jump=True) -> Case:
    values = np.full(JUMP + 120, 9.5)
    values[JUMP : JUMP + 60] = 39.5 if jump else 9.5
    history = Series(key=SeriesKey("shop"), start=START, step=MINUTE, values=values)
    begin, lead = START + (JUMP - 60) * MINUTE, timedelta(days=2)  # disbelief needs a day to begin
    return Case(name="shop", history=history, capacity_per_replica=1.0, start=begin, end=history.end, lead=lead)


def peaks(shop: Case, seen_before: int) -> np.ndarray:
    """A forecast that knows of the jump so many minutes before."""
    stamps = shop.cutoffs + 1
    return np.where((stamps >= JUMP - seen_before) & (stamps < JUMP + 60), 39.5, 9.5)


def policy(**changes) -> ScalingPolicy:
    return ScalingPolicy.model_validate(POLICY | changes)


@pytest.mark.parametrize(
    ("asked", "seen_before", "change", "cause"),
    [
        (policy(), 0, "growth=1", Cause.FORECAST_LOW),
        (policy(), 1, "growth=1", Cause.LATE),
        (policy(bounds={"maxReplicas": 20}), 5, "growth=1", Cause.MAXIMUM),
        (policy(behavior={"scaleUp": {"maxStepReplicas": 1, "maxStepRatio": 0}}), 5, "growth=1", Cause.PACE),
        (policy(forecast={"historyCap": 1}), 5, "growth=1", Cause.NOT_BELIEVED),
        (policy(), 5, "zone-loss", Cause.PODS_LOST),
        (policy(), None, "growth=1", Cause.NO_FORECAST),
    ],
    ids=lambda value: str(value) if isinstance(value, Cause) else "",
)
def test_the_cause_of_a_miss_is_found(asked, seen_before, change, cause):
    shop = what_if(change).of(case())
    forecast = np.full(len(shop.cutoffs), np.nan) if seen_before is None else peaks(shop, seen_before)
    hpa = Hpa(target=1.0, max_replicas=asked.bounds.max_replicas)
    outcome = replay_peaks(shop, asked, forecast, hpa)

    found = misses(outcome, asked, shop.startup_delay)

    assert found[0].cause is cause, found[0].text
    assert sum(miss.replica_minutes for miss in found) == pytest.approx(
        np.maximum(outcome.needed - outcome.track.ready, 0).sum() / 4
    )
    assert next(iter(causes(found))) is cause
    for miss in found:
        step = (miss.worst - outcome.start) // SYNC
        assert (miss.needed, miss.ready) == (outcome.needed[step], outcome.track.ready[step])


@pytest.mark.parametrize(("waits", "cause"), [("0s", Cause.TAKEN_AWAY), ("5m", None)])
def test_replicas_that_were_there_and_taken_away_a_minute_too_early_are_the_policys_doing(waits, cause):
    shop = case()
    once = {"stabilizationWindow": waits, "maxStepRatio": 1}
    hasty = policy(behavior={"scaleUp": {"maxStepRatio": 1000}, "scaleDown": once})
    forecast = peaks(shop, 5)
    forecast[shop.cutoffs + 1 == JUMP - 1] = 9.5

    found = misses(replay_peaks(shop, hasty, forecast, Hpa(target=1.0)), hasty, shop.startup_delay)

    assert [miss.cause for miss in found[:1]] == ([] if cause is None else [cause])
    assert all("at 00:59:00 a decision said: 40 -> 10" in miss.text for miss in found)


def test_a_forecast_in_time_misses_nothing():
    shop = case()
    outcome = replay_peaks(shop, policy(), peaks(shop, 3), Hpa(target=1.0))
    assert misses(outcome, policy(), shop.startup_delay) == []


def test_a_walk_tells_every_decision_around_a_miss():
    ours = Contender(name="ours", policy=policy(), forecaster=window_forecaster("holt-winters"))
    explored = explore(case(), ours, Setting(text="", hpa=Hpa(target=1.0), level=0.9))
    (walk,) = explored.walks
    (miss,) = explored.misses
    chart = walk.chart
    begin, end = chart.start, chart.start + walk.length * SYNC
    assert begin < miss.begin < miss.end < end
    shown = [turn for turn in explored.outcome.turns if begin <= turn.at < end]
    assert [chart.start + step * SYNC for step, _ in walk.steps] == [turn.at for turn in shown]
    for (_, text), turn in zip(walk.steps, shown, strict=True):
        assert turn.decision.message in text
    assert chart.start + walk.first_shown * SYNC == miss.worst
    forecast = next(line for line in chart.lines if line.name.startswith("Forecast"))
    first = next(turn for turn in shown if turn.decision.peak_demand is not None)
    assert forecast.values[(first.at - chart.start) // SYNC] == first.decision.peak_demand


def test_nothing_missing_needs_no_walk():
    calm = case(jump=False)
    ours = Contender(name="ours", policy=policy(), forecaster=window_forecaster("holt-winters"))
    explored = explore(calm, ours, Setting(text="", hpa=Hpa(target=0.5), level=0.9))
    assert (explored.misses, explored.walks) == ((), ())
