"""What a date says of a series: on which days people rest."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from aiops.series.grid import stamps

SECONDS_OF_A_DAY = 86_400
FIRST_WEEKDAY = 3
"""The weekday of 1970-01-01, counted from Monday."""
SATURDAY = 5


def days_off(first: datetime, step: timedelta, count: int) -> NDArray[np.bool_]:
    """Tell which of ``count`` steps lie on a Saturday or a Sunday."""
    weekday = (stamps(first, step, count) // SECONDS_OF_A_DAY + FIRST_WEEKDAY) % 7
    return np.asarray(weekday >= SATURDAY)
