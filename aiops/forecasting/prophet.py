"""Prophet: a piecewise trend plus daily and weekly Fourier seasons, for a path and for the peak ahead.

A daily season, and a weekly one from two weeks of history on. Slow (seconds a fit), so the forecast of the peak is
re-trained once a day only.

Reference:
    Taylor, Letham (2018), "Forecasting at Scale", The American Statistician 72(1).
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np

from aiops.errors import FitFailedError
from aiops.forecasting.per_series import PerSeries, block_means
from aiops.series import FloatArray, Frame, Series, epoch_seconds

DAY = timedelta(days=1)
TRAINED_STEP = timedelta(minutes=5)
"""Finer series are averaged to this step before the fit: its seasons are smooth, and a fit costs seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProphetDaily:
    """The peak of Prophet's path, from a model that is re-trained at each UTC midnight on what was known by then.

    Attributes:
        history: Longest history of a fit.
    """

    history: timedelta = timedelta(days=28)

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        return "prophet-daily"

    def peaks(self, series: Series, first: int, last: int, window: int) -> FloatArray:
        """Forecast as ``PeakForecaster`` says; NaN before two days of history, and on a day whose fit failed."""
        day = max(DAY // series.step, 1)
        to_midnight = int(-epoch_seconds(series.start) % DAY.total_seconds() // series.step.total_seconds())
        peaks = np.full(last + 1, np.nan)
        # The model in force at cutoff t was trained at the last midnight that was not after t+1, the first step ahead.
        midnight = to_midnight + (first + 1 - to_midnight) // day * day
        model = replace(PROPHET, history=self.history)
        for trained_at in range(max(midnight, to_midnight), last + 2, day):
            if trained_at == 0:
                continue
            known = Frame(keys=(series.key,), start=series.start, step=series.step, values=series.values[None, :])
            path = model.point(known.columns(0, trained_at), day + window - 1)[0]
            highest = np.lib.stride_tricks.sliding_window_view(path, window).max(axis=1)  # [day]
            until = min(trained_at - 1 + day, last + 1)
            peaks[trained_at - 1 : until] = highest[: until - trained_at + 1]
        return peaks[first:]


def fitted_path(series: Series, horizon: int) -> FloatArray:
    """Fit one series and return its path, shape ``[horizon]``.

    Raises:
        FitFailedError: If Prophet's optimiser gives up.
    """
    stamps, values = block_means(series, max(TRAINED_STEP // series.step, 1))
    seen = ~np.isnan(values)
    ahead = epoch_seconds(series.end) + np.arange(horizon) * series.step.total_seconds()
    pandas, prophet_class, quiet = _libraries()
    model = prophet_class(
        growth="linear",
        daily_seasonality=series.step < DAY,
        weekly_seasonality=len(series) * series.step >= 14 * DAY,
        yearly_seasonality=False,
        uncertainty_samples=0,
    )
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(pandas.DataFrame({"ds": pandas.to_datetime(stamps[seen], unit="s"), "y": values[seen]}), seed=0)
            fitted = model.predict(pandas.DataFrame({"ds": pandas.to_datetime(ahead, unit="s")}))
    except (RuntimeError, ValueError) as error:
        raise FitFailedError(f"{series.key}: Prophet could not be fitted: {error}") from error
    return np.asarray(fitted["yhat"], dtype=np.float64)


PROPHET: Final = PerSeries(name="prophet", fit=fitted_path, least=2 * DAY)


def _libraries() -> tuple[Any, Any, Any]:
    # Prophet reports a missing plotting library on import, cmdstanpy each step of each fit: nobody needs either.
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas
        from cmdstanpy import disable_logging
        from prophet import Prophet as ProphetLibrary
    return pandas, ProphetLibrary, disable_logging
