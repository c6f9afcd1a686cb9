"""Rolling origins over a frame: what was known at each, and what came after.

::

    frame    |-----------------------------------------|
    split 1  |=============================|......      |   = history (its last steps only, if limited)   . truth
    split 2  |===================================|......|
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aiops.errors import DataError
from aiops.series import FloatArray, Frame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """One origin of a backtest.

    Attributes:
        history: What a forecaster may use; its last column is the cutoff.
        truth: What came after, shape ``[n_series, horizon]``.
    """

    history: Frame
    truth: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingOrigins:
    """Where a frame is split. Counted back from its end, so that every series is tested on its latest days.

    Attributes:
        horizon: Steps to forecast.
        count: Number of origins.
        stride: Steps from one origin to the next; None is the horizon, so that truths follow on each other.
        longest_history: Most steps of history that a forecaster is given; None is all there are.
        shortest_history: Fewest; an origin with less is left out.
    """

    horizon: int
    count: int
    stride: int | None = None
    longest_history: int | None = None
    shortest_history: int = 1

    def __post_init__(self) -> None:
        given = (self.horizon, self.count, self.stride, self.longest_history, self.shortest_history)
        if min(length for length in given if length is not None) < 1:
            raise DataError(f"horizon, count, stride and history must be at least 1 step, got {self!r}")

    def split(self, frame: Frame) -> Iterator[Split]:
        """Yield the splits, earliest origin first; fewer than ``count``, or none, where the frame is too short."""
        for back in range(self.count - 1, -1, -1):
            known = frame.length - self.horizon - back * (self.stride or self.horizon)
            if known < self.shortest_history:
                continue
            first = max(known - self.longest_history, 0) if self.longest_history else 0
            yield Split(history=frame.columns(first, known), truth=frame.values[:, known : known + self.horizon])
