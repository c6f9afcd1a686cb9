"""A series on a coarser grid."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from aiops.errors import DataError
from aiops.series.grid import floor
from aiops.series.series import Series


def block_maxima(series: Series, step: timedelta) -> Series:
    """Return the highest value of each block of ``step``; NaN where nothing was observed.

    Blocks begin at whole multiples of the step since 1970, or as soon after as the series' own grid allows.
    A block that the series covers in part only, at either end, is left out: its highest value may be outside.

    Args:
        series: Of steps that divide ``step``; one that has this step already, or a longer one, is returned as it is.
        step: Length of a block.

    Raises:
        DataError: If the step is no multiple of the series', or not one block is covered.
    """
    if series.step >= step:
        return series
    if step % series.step:
        raise DataError(f"{series.key}: a step of {step} is no multiple of its {series.step}: give another --step")
    size = step // series.step
    begins = floor(series.start + step - timedelta.resolution, step)
    first = -((series.start - begins) // series.step)
    count = (len(series) - first) // size
    if count < 1:
        raise DataError(f"{series.key}: too short: {len(series)} values do not cover one block of {step}")
    blocks = series.values[first : first + count * size].reshape(count, size)
    seen = ~np.isnan(blocks)
    highest = np.where(seen, blocks, -np.inf).max(axis=1)
    return Series(
        key=series.key,
        start=series.start + first * series.step,
        step=step,
        values=np.where(seen.any(axis=1), highest, np.nan),
        unit=series.unit,
    )
