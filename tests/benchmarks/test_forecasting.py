"""What the forecasting benchmarks say of chance, and which series they keep together when constants are chosen."""

import numpy as np
import pytest

from benchmarks.forecasting.chance import by_chance, interval
from benchmarks.forecasting.folds import FOLDS, fold_of


def windows(series, each, seed=0, spread=0.1):
    """Rates of windows that are alike within a series, and the series of each."""
    random = np.random.default_rng(seed)
    rates = np.repeat(0.8 + random.normal(0, spread, series), each)
    return rates, [f"s{number}" for number in range(series) for _ in range(each)]


def test_windows_of_one_series_that_are_alike_count_as_one():
    few, many = interval(*windows(30, 1)), interval(*windows(30, 8))
    assert many == pytest.approx(few, abs=0.005)
    low, high = few
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(30), rel=0.3)


def test_what_was_not_scored_does_not_count():
    rates, ids = windows(30, 4)
    rates[::4] = np.nan
    assert interval(rates, ids) == pytest.approx(interval(*windows(30, 3)), abs=0.005)


def test_a_small_group_is_further_off_by_chance_and_around_the_promise():
    rates, ids = windows(100, 4)
    rates -= 0.1  # all of them miss it: that is no property of a group
    bounds = [by_chance(rates, ids, [f"g{number}" for number in range(size)], 0.8) for size in (1, 4, 25)]
    for low, high in bounds:
        assert low < 0.8 < high
    widths = [high - low for low, high in bounds]
    assert widths == sorted(widths, reverse=True)


def test_series_of_one_machine_or_generator_are_in_one_fold():
    names = [f"bitbrains/vm{machine}_{metric}" for machine in range(20) for metric in ("cpu_pct", "mem_kb")]
    folds = fold_of([*names, "synthetic/rate_0", "synthetic/rate_1", "ms_cloud/ingress-02 7"])
    assert (folds[:40:2] == folds[1:40:2]).all()
    assert folds[40] == folds[41]
    assert len(set(folds.tolist())) == FOLDS
