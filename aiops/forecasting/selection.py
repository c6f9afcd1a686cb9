"""Picks the forecaster of each series by rolling origins inside its own history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiops.errors import ConfigError
from aiops.forecasting.conformal import calibrated, require_request
from aiops.forecasting.forecast import Forecast
from aiops.forecasting.forecaster import PointForecaster
from aiops.forecasting.origins import origins_within, residuals
from aiops.series import FloatArray, Frame, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A PathForecaster that uses, for each series, the candidate with the smallest mean absolute error at the origins.

    Candidates are compared on the steps that all of them forecast; one that forecasts nothing now, or nothing at
    the origins, is out. Of equals, the first named wins. The winner's errors at the same origins calibrate its
    quantiles, which makes them a little narrow: the winner is the one that had luck there. ``forecast.models`` says
    who won.

    Attributes:
        candidates: Point forecasts to choose from, simplest first.
        origins: How many origins.
    """

    candidates: tuple[PointForecaster, ...]
    origins: int = 8
    name: str = "selection"

    def __post_init__(self) -> None:
        if not self.candidates or self.origins < 1:
            raise ConfigError(f"selection needs a candidate and an origin, got {self!r}")

    def forecast(self, history: Frame, horizon: int, levels: FloatArray) -> Forecast:
        """Forecast as ``PathForecaster`` says."""
        require_request(history, horizon, levels)
        origins = origins_within(history.length, horizon, self.origins)
        errors = np.stack([residuals(each, history, horizon, origins) for each in self.candidates])
        points = np.stack([each.point(history, horizon) for each in self.candidates])
        winner = _winners(errors, points)
        rows = np.arange(len(history.keys))
        names = [each.name for each in self.candidates]
        winners_errors = errors[winner, :, rows].swapaxes(0, 1)  # [n_origins, n, horizon]
        return calibrated(history, points[winner, rows], winners_errors, levels, tuple(names[w] for w in winner))


def _winners(errors: FloatArray, points: FloatArray) -> IntArray:
    """Return the index of the best candidate of each series, shape ``[n]``.

    Args:
        errors: Shape ``[candidates, n_origins, n, horizon]``.
        points: Shape ``[candidates, n, horizon]``.
    """
    unable = np.isnan(points).any(axis=2) | np.isnan(errors).all(axis=(1, 3))
    able = np.logical_not(np.asarray(unable))  # [candidates, n]
    compared = ~(np.isnan(errors) & able[:, None, :, None]).any(axis=0)  # steps that every able candidate forecast
    size = np.where(compared, np.abs(errors), 0.0).sum(axis=(1, 3)) / np.maximum(compared.sum(axis=(0, 2)), 1)
    return np.asarray(np.argmin(np.where(able, size, np.inf), axis=0), dtype=np.int64)
