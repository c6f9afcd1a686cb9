"""Counters: what only ever grows is of interest by how much it grows."""

from __future__ import annotations

import numpy as np

from aiops.series.grid import FloatArray
from aiops.series.series import Series


def increase(series: Series) -> Series:
    """Return by how much a counter grew in each step, on the same grid.

    A fall is a reset: what was counted since is the new value. After a gap, growth is unknown until two neighbours are
    known again: a jump over the gap belongs to no single step.
    """
    before = series.values[:-1]
    after = series.values[1:]
    grown: FloatArray = np.where(after >= before, after - before, after)
    grown[np.isnan(before)] = np.nan
    values = np.concatenate([np.full(min(len(series), 1), np.nan), grown])
    return Series(key=series.key, start=series.start, step=series.step, values=values, unit=series.unit)
