import numpy as np
import pytest

from aiops.errors import DataError
from aiops.forecasting.accuracy import absolute_scale, coverage, crps, mase, pinball_loss

LEVELS = np.array([0.1, 0.5, 0.9])


def test_pinball_by_hand():
    # Truth 10. Forecast 8 at 0.9 is 2 too low: 0.9 * 2. Forecast 14 at 0.9 is 4 too high: 0.1 * 4.
    observed = np.array([10.0, 10.0])
    quantiles = np.array([[8.0, 14.0]])
    assert pinball_loss(observed, quantiles, np.array([0.9])) == pytest.approx([(1.8 + 0.4) / 2])


def test_a_missing_truth_is_skipped_and_nothing_but_missing_is_nan():
    quantiles = np.array([[8.0, 99.0]])
    assert pinball_loss(np.array([10.0, np.nan]), quantiles, np.array([0.9])) == pytest.approx([1.8])
    assert np.isnan(pinball_loss(np.array([np.nan, np.nan]), quantiles, np.array([0.9]))).all()


def test_losses_are_batched():
    random = np.random.default_rng(0)
    observed, quantiles = random.normal(size=(4, 5, 7)), random.normal(size=(4, 5, 3, 7))
    every = pinball_loss(observed, quantiles, LEVELS)
    assert every.shape == (4, 5, 3)
    np.testing.assert_allclose(every[2, 3], pinball_loss(observed[2, 3], quantiles[2, 3], LEVELS))


def test_shapes_that_disagree_are_refused():
    with pytest.raises(DataError, match="do not fit"):
        pinball_loss(np.zeros(3), np.zeros((2, 3)), LEVELS)


def test_crps_of_a_certain_forecast_is_the_absolute_error():
    levels = np.arange(1, 100) / 100
    observed = np.array([3.0, 3.0])
    assert crps(observed, np.full((99, 2), 5.0), levels) == pytest.approx(2.0)


def test_crps_of_the_normal_distribution_is_the_closed_form():
    from scipy.stats import norm

    levels = np.arange(1, 1000) / 1000
    quantiles = norm.ppf(levels)[:, None]
    expected = 0.7 * (2 * norm.cdf(0.7) - 1) + 2 * norm.pdf(0.7) - 1 / np.sqrt(np.pi)
    assert crps(np.array([0.7]), quantiles, levels) == pytest.approx(expected, rel=0.01)


def test_mase_of_seasonal_naive_on_its_own_history_is_one():
    history = np.array([1.0, 5.0, 2.0, 7.0, 4.0, 6.0])
    scale = absolute_scale(history, 2)
    assert scale == pytest.approx((1 + 2 + 2 + 1) / 4)
    assert mase(history[2:], history[:-2], scale) == pytest.approx(1.0)


def test_a_flat_history_has_no_scale():
    assert absolute_scale(np.full(8, 3.0), 2) == 0.0
    assert np.isnan(mase(np.array([4.0]), np.array([3.0]), np.array(0.0)))


def test_coverage_counts_what_lies_within():
    observed = np.array([1.0, 2.0, 3.0, np.nan])
    assert coverage(observed, np.full(4, 1.0), np.full(4, 2.5)) == pytest.approx(2 / 3)
    assert np.isnan(coverage(observed, np.full(4, np.nan), np.full(4, 2.5)))
