"""What is particular to the models that a library fits: ETS, MSTL, Prophet, structural models."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.forecasting import ets
from aiops.forecasting.ets import ETS
from aiops.forecasting.mstl import MSTL
from aiops.forecasting.per_series import block_means, filled, point_of_each
from aiops.forecasting.prophet import PROPHET, ProphetDaily
from aiops.forecasting.structural import STRUCTURAL
from aiops.series import Frame, SeriesKey

START = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)


def frame(values, step):
    values = np.atleast_2d(values)
    keys = tuple(SeriesKey(f"s{number}") for number in range(len(values)))
    return Frame(keys=keys, start=START, step=step, values=values)


def daily(n, step):
    noise = 0.3 * np.random.default_rng(1).normal(size=n)
    return 30 + 10 * np.sin(2 * np.pi * np.arange(n) * (step / timedelta(days=1))) + noise


@pytest.mark.parametrize("model", [ETS, MSTL, PROPHET, STRUCTURAL], ids=lambda model: model.name)
@pytest.mark.parametrize("minutes", [10, 60])
def test_carries_a_daily_season_on(model, minutes, capfd):
    step = timedelta(minutes=minutes)
    n = timedelta(days=10) // step
    values = daily(n, step)
    ahead = timedelta(days=1) // step
    found = model.point(frame(values[:-ahead], step), ahead)
    assert np.abs(found[0] - values[-ahead:]).mean() < 1.0
    assert capfd.readouterr() == ("", "")


def test_a_fit_that_fails_spoils_its_own_row_only(monkeypatch):
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    whole = ETSModel.fit

    def fails_on_the_first(self, *args, **kwargs):
        if self.endog[0] > 1.5:
            raise np.linalg.LinAlgError("Singular matrix")
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(ETSModel, "fit", fails_on_the_first)
    step = timedelta(hours=1)
    falling = np.concatenate([np.full(50, 100.0), np.arange(50.0)])
    found = point_of_each(frame(np.array([falling, daily(100, step)]), step), 5, ets.fitted_path)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_prophets_peak_comes_from_the_model_of_the_last_midnight():
    step = timedelta(minutes=15)
    values = daily(96 * 5, step)
    whole = frame(values, step)
    found = ProphetDaily().peaks(whole.row(0), 300, 479, 4)
    # The grid starts at 22:00, so that midnights are at 8 + 96 k. At cutoff 295 the step ahead, 296, is a midnight.
    for midnight, cutoffs in ((296, (300, 390)), (392, (391, 392, 479))):
        path = PROPHET.point(whole.columns(0, midnight), 96 + 3)[0]
        for cutoff in cutoffs:
            ahead = cutoff + 1 - midnight
            assert found[cutoff - 300] == pytest.approx(path[ahead : ahead + 4].max(), rel=1e-12)


def test_prophet_waits_for_two_days():
    step = timedelta(minutes=15)
    found = ProphetDaily().peaks(frame(daily(96 * 3, step), step).row(0), 0, 96 * 3 - 1, 4)
    assert np.isnan(found[: 96 * 2 + 7]).all()
    assert np.isfinite(found[96 * 2 + 7 :]).all()


def test_a_row_meets_its_model_scaled_and_without_its_leading_gap():
    met = []

    def remember(series, horizon):
        met.append(series)
        return np.full(horizon, series.values[-1])

    values = np.concatenate([[np.nan, np.nan], np.arange(1.0, 20.0) * 1e17])
    found = point_of_each(frame(values, timedelta(hours=1)), 2, remember)
    assert met[0].start == START + timedelta(hours=2)
    assert met[0].values.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(found, 19e17)


def test_gaps_are_filled_along_lines():
    assert filled(np.array([np.nan, 1.0, np.nan, 3.0, np.nan])).tolist() == [1.0, 1.0, 2.0, 3.0, 3.0]


def test_blocks_end_where_the_series_ends():
    series = frame(np.array([9.0, 1.0, 3.0, np.nan, np.nan, np.nan, 5.0]), timedelta(minutes=1)).row(0)
    stamps, means = block_means(series, 2)
    assert (stamps - series.stamps()[0]).tolist() == [90.0, 210.0, 330.0]
    np.testing.assert_array_equal(means, [2.0, np.nan, 5.0])
