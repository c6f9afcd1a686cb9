from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.backtest.forecasts import ForecastComparison, evaluate
from aiops.backtest.splits import RollingOrigins
from aiops.errors import ConfigError, FitFailedError
from aiops.forecasting.catalog import path_forecaster
from aiops.forecasting.conformal import Conformal
from aiops.forecasting.forecaster import PathForecaster
from aiops.forecasting.naive import SeasonalNaive
from aiops.series import Frame, SeriesKey

LEVELS = np.arange(1, 10) / 10
ORIGINS = RollingOrigins(horizon=24, count=3)
START = datetime(2026, 1, 5, tzinfo=UTC)


class Broken:
    name = "broken"

    def forecast(self, history, horizon, levels):
        raise FitFailedError("it never works")


def frame(*rows, name="s"):
    keys = tuple(SeriesKey(f"{name}{number}") for number in range(len(rows)))
    return Frame(keys=keys, start=START, step=timedelta(hours=1), values=np.array(rows))


def weekly(seed, n=24 * 35):
    hour = np.arange(n)
    pattern = np.where((hour // 24) % 7 < 5, 10.0, 3.0) * (2 + np.sin(2 * np.pi * hour / 24))
    return pattern + np.random.default_rng(seed).normal(size=n)


def compared(frames, *names, **options):
    return evaluate(frames, {name: path_forecaster(name) for name in names}, ORIGINS, LEVELS, **options)


def test_the_better_forecaster_is_first_and_the_baseline_is_one():
    found = compared([frame(*map(weekly, range(5)))], "seasonal-naive", "weekly-naive")
    best, base = found.summaries()
    assert best.model == "weekly-naive"
    assert best.relative_mase < 0.9
    assert best.relative_mase_low <= best.relative_mase <= best.relative_mase_high
    assert base.relative_mase == base.relative_crps == 1.0
    assert base.worse_ratio == 0.0
    assert base.series == 5
    assert [row["model"] for row in found.rows()] == ["weekly-naive", "seasonal-naive"]


def test_losses_are_those_of_the_definitions():
    values = weekly(1)
    (found,) = compared([frame(values)], "seasonal-naive").accuracies
    expected = []
    for end in (len(values) - 24 * back for back in (3, 2, 1)):
        history, truth = values[:end], values[end : end + 24]
        expected.append(np.abs(truth - history[-24:]).mean() / np.abs(history[24:] - history[:-24]).mean())
    assert found.mase == pytest.approx(np.mean(expected))
    assert found.origins == 3
    assert found.crps == pytest.approx(2 * np.mean(found.pinball))
    assert 0.0 <= found.coverage <= 1.0
    assert found.seconds > 0.0


def test_what_cannot_be_scored_is_named_with_its_reason():
    silent, flat, ended = np.full(840, np.nan), np.full(840, 4.0), weekly(2)
    ended[-100:] = np.nan
    found = compared([frame(weekly(1), silent, flat, ended), frame(weekly(3, 20), name="short")], "seasonal-naive")
    assert [each.series_id for each in found.accuracies] == ["s0"]
    reasons = {each.series_id: each.reason for each in found.skipped}
    assert "nothing was observed" in reasons["s1"]
    assert "flat" in reasons["s2"]
    assert "nothing was observed" in reasons["s3"]
    assert "too short: 20 points" in reasons["short0"]


def test_a_forecaster_that_fails_is_skipped_and_the_others_are_compared():
    forecasters: dict[str, PathForecaster] = {"seasonal-naive": Conformal(model=SeasonalNaive()), "broken": Broken()}
    found = evaluate([frame(weekly(1))], forecasters, ORIGINS, LEVELS)
    assert [each.model for each in found.accuracies] == ["seasonal-naive"]
    assert [(each.model, each.reason) for each in found.skipped] == [
        ("broken", "the forecaster failed: FitFailedError: it never works")
    ]


def test_many_workers_find_what_one_finds():
    def threads(work, items):
        with ThreadPoolExecutor(3) as pool:
            futures = {pool.submit(work, item): index for index, item in enumerate(items)}
            for done in as_completed(futures):
                yield futures[done], done.result()

    frames = [frame(*(weekly(seed) for seed in range(5)), name=name) for name in ("a", "b", "c")]
    seen: list[tuple[int, int]] = []
    alone = compared(frames, "seasonal-naive", "weekly-naive")
    shared = compared(
        frames, "seasonal-naive", "weekly-naive", map_work=threads, progress=lambda *done: seen.append(done)
    )
    assert without_seconds(alone) == without_seconds(shared)
    assert seen == [(done, 6) for done in range(1, 7)]


def without_seconds(found: ForecastComparison):
    return [replace(each, seconds=0.0) for each in found.accuracies]


def test_the_baseline_must_be_compared_too():
    with pytest.raises(ConfigError, match="baseline 'seasonal-naive' is not among"):
        compared([frame(weekly(1))], "weekly-naive")
