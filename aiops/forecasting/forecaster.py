"""What every forecaster does. A new one is a file here and a line in ``catalog``; contract tests come by themselves."""

from __future__ import annotations

from typing import Protocol

from aiops.forecasting.forecast import Forecast
from aiops.series import FloatArray, Frame, IntArray, Series


class PathForecaster(Protocol):
    """Forecasts every step of a horizon: planning, detection bands, early warning."""

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        ...

    def forecast(self, history: Frame, horizon: int, levels: FloatArray) -> Forecast:
        """Forecast all series of ``history`` from its last column on.

        Args:
            history: What is known; NaN marks gaps. Nothing after its last column is used.
            horizon: Steps to forecast, at least 1.
            levels: Quantile levels in (0, 1), increasing, shape ``[q]``.

        Returns:
            One row a series, in the same order; a row that could not be forecast is NaN.
        """
        ...


class PointForecaster(Protocol):
    """Forecasts one line and no quantiles; ``conformal.Conformal`` makes a PathForecaster of it."""

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        ...

    def point(self, history: Frame, horizon: int) -> FloatArray:
        """Return the point forecast of every series, shape ``[n, horizon]``; NaN for a row that cannot be forecast."""
        ...


class WindowForecaster(Protocol):
    """Forecasts the highest value of the next few steps, again and again: what scaling decisions need."""

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        ...

    def window_maximum(self, series: Series, cutoffs: IntArray, window: int, levels: FloatArray) -> FloatArray:
        """Forecast the maximum of ``window`` steps after each cutoff, walking forward once.

        Row i uses ``series.values[: cutoffs[i] + 1]`` only: what follows may be changed without changing the row.

        Args:
            series: One series; NaN marks gaps.
            cutoffs: Index of the last observation that may be used, increasing, shape ``[m]``.
            window: Steps in the window, at least 1.
            levels: Quantile levels in (0, 1), increasing, shape ``[q]``.

        Returns:
            Quantiles of the maximum, shape ``[m, q]``, not decreasing along q; NaN where history does not suffice.
        """
        ...


class PeakForecaster(Protocol):
    """A point forecast of the peak ahead; ``window.CalibratedPeaks`` makes a WindowForecaster of it."""

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        ...

    def peaks(self, series: Series, first: int, last: int, window: int) -> FloatArray:
        """Forecast the maximum of the ``window`` steps after each cutoff ``first..last``, shape ``[last - first + 1]``.

        The forecast at cutoff t uses ``series.values[: t + 1]`` only, and does not depend on ``first`` and ``last``.
        """
        ...
