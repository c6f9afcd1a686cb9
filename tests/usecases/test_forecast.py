"""Forecasts of whatever was read: each kind of bad series is skipped with its reason, and spoils no other."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters.local_mapper import LocalMapper
from aiops.forecasting.catalog import path_forecaster
from aiops.series import Series, SeriesKey
from aiops.usecases.forecast import Ask, Made, Part, forecast_all
from tests.usecases.deadly import Deadly

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(minutes=30)
DAY = timedelta(days=1)
FLEET = path_forecaster("fleet")


def series(name, values, step=STEP, start=START):
    return Series(key=SeriesKey(name), start=start, step=step, values=np.asarray(values, dtype=np.float64))


def load(days=8, seed=0, per_day=48):
    noise = np.random.default_rng(seed).lognormal(0, 0.05, days * per_day)
    return 100 * (1.5 + np.sin(np.arange(days * per_day) * 2 * np.pi / per_day)) * noise


def run(found, metadata=None, cutoffs=None, **ask):
    made, skipped = {}, {}
    part = Part(series=found, metadata=metadata or {}, cutoffs=cutoffs)
    for each in forecast_all([part], Ask(**{"horizon": DAY, **ask}), FLEET, LocalMapper()):
        if isinstance(each, Made):
            for row, (key, cutoff) in enumerate(zip(each.forecast.keys, each.cutoffs, strict=True)):
                made[key.name, cutoff] = each.forecast.values[row]
        else:
            skipped[each[0]] = each[1]
    return made, skipped


def test_series_of_different_grids_and_ends_are_forecast_each_from_its_own_end():
    found = [
        series("a", load()),
        series("b", load(days=7)),
        series("c", load(per_day=24), step=2 * STEP),
        series("d", load(), start=START + timedelta(minutes=7)),
    ]
    made, skipped = run(found)
    assert skipped == {}
    assert set(made) == {(each.key.name, each.end - each.step) for each in found}
    assert made["c", found[2].end - found[2].step].shape == (5, 24)


def test_a_bad_series_is_skipped_with_its_reason_and_the_others_are_as_if_alone():
    good = series("good", load())
    bad = {
        "silent": np.full(384, np.nan),
        "lone": [5.0],
        "late": [*np.full(383, np.nan), 3.0],
    }
    fine = {
        "constant": np.full(384, 5.0),
        "huge": 1e17 * load(),
        "gappy": np.where(np.random.default_rng(1).random(384) < 0.6, np.nan, load()),
        "negative": -load(),
    }
    alone, _ = run([good])
    made, skipped = run([good, *(series(name, values) for name, values in (bad | fine).items())])
    assert set(skipped) == set(bad)
    assert all("too short" in reason for reason in skipped.values())
    assert {name for name, _ in made} == {"good", *fine}
    assert all(np.isfinite(values).all() for values in made.values())
    np.testing.assert_array_equal(made["good", good.end - STEP], alone["good", good.end - STEP])


def test_a_cutoff_is_the_last_observation_that_is_used():
    values = load()
    cutoff = START + 300 * STEP
    corrupted = values.copy()
    corrupted[301:] = 1e9
    clean, dirty = (run([series("a", each)], cutoffs={SeriesKey("a"): [cutoff]})[0] for each in (values, corrupted))
    np.testing.assert_array_equal(clean["a", cutoff], dirty["a", cutoff])
    part = Part(series=[series("a", values)], cutoffs={SeriesKey("a"): [cutoff]})
    (first,) = forecast_all([part], Ask(horizon=DAY), FLEET, LocalMapper())
    assert isinstance(first, Made)
    assert first.forecast.start == cutoff + STEP


def test_only_what_the_cutoffs_name_is_forecast_twice_asked_once_made():
    early, late = START + 250 * STEP, START + 300 * STEP
    between = late + STEP / 3
    made, skipped = run(
        [series("a", load()), series("b", load())], cutoffs={SeriesKey("a"): [early, late, late, between]}
    )
    assert skipped == {}
    assert set(made) == {("a", early), ("a", late), ("a", between)}
    np.testing.assert_array_equal(made["a", late], made["a", between])


def test_a_cutoff_outside_the_series_is_skipped_with_the_reason():
    made, skipped = run([series("a", load())], cutoffs={SeriesKey("a"): [START - DAY]})
    assert made == {}
    assert "before its first row" in skipped["a"]
    _, skipped = run([series("a", load())], cutoffs={SeriesKey("a"): [START + 100 * DAY]})
    assert "after its last row" in skipped["a"]


def test_a_cutoff_within_a_gap_at_the_end_is_forecast_from_what_was_known():
    made, skipped = run([series("a", load())], cutoffs={SeriesKey("a"): [START + 9 * DAY]})
    assert skipped == {}
    assert np.isfinite(made["a", START + 9 * DAY]).all()


def test_history_is_cut_to_what_was_asked_for():
    values = load(days=20)
    forgotten = values.copy()
    forgotten[: 12 * 48] = 1e6
    one, other = (run([series("a", each)], history=8 * DAY)[0] for each in (values, forgotten))
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])


def test_a_counter_is_forecast_as_its_increase():
    grown = load()
    total = np.cumsum(grown)
    total[200:] -= total[199]  # a reset
    made, _ = run([series("a", total)], metadata={SeriesKey("a"): {"kind": "counter"}})
    (values,) = made.values()
    assert values[1].max() < 2 * grown.max()
    assert (values >= 0).all()


def test_a_negative_value_that_cannot_be_is_taken_as_missing():
    values = load()
    values[100] = -5.0
    (as_rate,) = run([series("a", values)], metadata={SeriesKey("a"): {"kind": "rate"}})[0].values()
    values[100] = np.nan
    (as_gap,) = run([series("a", values)])[0].values()
    np.testing.assert_array_equal(as_rate, as_gap)


@pytest.mark.parametrize("horizon", [timedelta(minutes=1), timedelta(days=300)])
def test_a_horizon_that_does_not_fit_the_step_is_refused_for_that_series(horizon):
    made, skipped = run([series("a", load())], horizon=horizon)
    assert made == {}
    assert "steps of 1800 s" in skipped["a"]


def test_a_long_series_costs_what_its_history_costs():
    made, skipped = run([series("a", np.tile(load(days=7), 3000))], history=7 * DAY)
    assert skipped == {}
    assert len(made) == 1


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["a", "killer", "b", "c", "d", "riddle", "e", "f", "g"], id="among others"),
        pytest.param(["a", "b", "c", "d", "killer"], id="alone in the last shard"),
        pytest.param(["a", "killer", "b"], id="in the only shard"),
        pytest.param(["killer"], id="the only series"),
    ],
)
def test_a_series_that_kills_or_fails_each_worker_costs_its_own_forecast_only(monkeypatch, names):
    monkeypatch.setattr("aiops.usecases.forecast.BATCH", 4)
    reasons = {
        "killer": "its worker died twice",
        "riddle": "deadly failed: ZeroDivisionError: no model is defined for it",
    }
    parts: Iterable[Part] = (Part(series=[series(name, load(seed=row))]) for row, name in enumerate(names))
    made: set[str] = set()
    skipped: dict[str, str] = {}
    for each in forecast_all(parts, Ask(horizon=DAY), Deadly(), LocalMapper(2)):
        if isinstance(each, Made):
            made.update(key.name for key in each.forecast.keys)
        else:
            skipped[each[0]] = each[1]
    assert made == set(names) - set(reasons)
    assert set(skipped) == set(names) & set(reasons)
    assert all(reasons[name] in reason for name, reason in skipped.items())
