"""What a path forecaster returns: quantiles of each step of a horizon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.series import FloatArray, SeriesKey
from aiops.series.grid import require_step, require_utc


def require_levels(levels: FloatArray) -> None:
    """Raise DataError unless ``levels`` are quantile levels in (0, 1), increasing, shape ``[q]``."""
    if levels.ndim != 1 or len(levels) == 0 or not (levels[0] > 0 and levels[-1] < 1 and (np.diff(levels) > 0).all()):
        raise DataError(f"levels must increase within (0, 1), got {levels.tolist()}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """Quantiles of every series for each step of a horizon.

    Attributes:
        keys: One key a row.
        cutoff: Stamp of the last observation that was used.
        step: Grid spacing; the first forecast step is ``cutoff + step``.
        mean: Point forecast, shape ``[n, horizon]``; NaN for a series that could not be forecast.
        levels: Quantile levels in (0, 1), increasing, shape ``[q]``.
        values: Quantiles, shape ``[n, q, horizon]``; never decreasing along ``q``.
        units: One unit a row.
        models: Name of the model that made each row; empty for a row that could not be forecast.

    Raises:
        DataError: If a shape disagrees, or quantiles cross.
    """

    keys: tuple[SeriesKey, ...]
    cutoff: datetime
    step: timedelta
    mean: FloatArray
    levels: FloatArray
    values: FloatArray
    units: tuple[str, ...]
    models: tuple[str, ...]

    def __post_init__(self) -> None:
        require_utc(self.cutoff, "cutoff")
        require_step(self.step)
        require_levels(self.levels)
        n, horizon = len(self.keys), self.mean.shape[-1]
        if self.mean.shape != (n, horizon) or self.values.shape != (n, len(self.levels), horizon):
            raise DataError(
                f"mean must be [{n}, horizon] and values [{n}, {len(self.levels)}, horizon], "
                f"got {self.mean.shape} and {self.values.shape}"
            )
        if len(self.units) != n or len(self.models) != n:
            raise DataError(f"units and models must have one entry a series, got {len(self.units)}, {len(self.models)}")
        if (np.diff(self.values, axis=1) < 0).any():
            raise DataError("quantiles cross: sort them along the levels")

    @property
    def start(self) -> datetime:
        """Stamp of the first forecast step."""
        return self.cutoff + self.step

    @property
    def horizon(self) -> int:
        """Number of forecast steps."""
        return int(self.mean.shape[1])
