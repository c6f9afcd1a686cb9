"""Telemetry on a regular grid.

A stamp marks the start of its step; the value is known at stamp + step. Times are timezone-aware UTC, lengths of time
are ``timedelta``, values are float64 and NaN marks a missing point.
"""

from aiops.series.frame import Frame
from aiops.series.grid import FloatArray, IntArray, epoch_seconds, from_epoch
from aiops.series.key import SeriesKey
from aiops.series.series import Series

__all__ = ["FloatArray", "Frame", "IntArray", "Series", "SeriesKey", "epoch_seconds", "from_epoch"]
