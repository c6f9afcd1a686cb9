"""What every detector does. A new one is a file here and a line in ``catalog``; contract tests come by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aiops.detection.score import Contribution
from aiops.errors import DataError
from aiops.series import FloatArray, Frame, IntArray

State = TypeVar("State")
BoolArray = NDArray[np.bool_]
Cells = NDArray[Any]
"""One record a series (a structured array): the state of whatever keeps numbers only. ``Cells.copy()`` copies it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """One new point of each of several series, with what was forecast for it.

    Attributes:
        rows: Which series of the state each point belongs to, distinct, shape ``[m]``.
        at: Stamps in seconds since the epoch, shape ``[m]``.
        values: Observations, shape ``[m]``; NaN is a gap.
        expected: Forecast median, shape ``[m]``; NaN where there is no forecast.
        lower: Forecast lower bound, shape ``[m]``; NaN where there is none.
        upper: Forecast upper bound, shape ``[m]``; NaN where there is none.

    Raises:
        DataError: If the shapes disagree.
    """

    rows: IntArray
    at: FloatArray
    values: FloatArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray

    def __post_init__(self) -> None:
        shape = (len(self.rows),)
        for each in (self.at, self.values, self.expected, self.lower, self.upper):
            if each.shape != shape:
                raise DataError(f"every array of Points must have shape {shape}, got {each.shape}")

    @classmethod
    def unforecast(cls, rows: IntArray, at: FloatArray, values: FloatArray) -> Points:
        """Return points that nobody forecast."""
        unknown = np.full(len(rows), np.nan)
        return cls(rows=rows, at=at, values=values, expected=unknown, lower=unknown, upper=unknown)

    def where(self, keep: BoolArray) -> Points:
        """Return the points for which ``keep`` is true."""
        return Points(
            rows=self.rows[keep],
            at=self.at[keep],
            values=self.values[keep],
            expected=self.expected[keep],
            lower=self.lower[keep],
            upper=self.upper[keep],
        )


def columns(frame: Frame) -> Iterator[Points]:
    """Yield the columns of a frame, oldest first, without a forecast; row i of the frame is row i of the state."""
    rows = np.arange(len(frame.keys))
    unknown = np.full(len(rows), np.nan)
    by_column = np.ascontiguousarray(frame.values.T)
    for at, values in zip(frame.stamps(), by_column, strict=True):
        yield Points(
            rows=rows, at=np.full(len(rows), at), values=values, expected=unknown, lower=unknown, upper=unknown
        )


class Detector(Protocol[State]):
    """Scores points of many series; the state is a value beside it, not inside it."""

    @property
    def name(self) -> str:
        """Name in the catalog, scores and alerts."""
        ...

    @property
    def memory_points(self) -> int:
        """Points of history a series that are worth replaying to warm up; older ones would change next to nothing."""
        ...

    def start(self, n: int) -> State:
        """Return the state of ``n`` series that have seen nothing."""
        ...

    def score(self, state: State, points: Points) -> FloatArray:
        """Return how odd each point is, shape ``[m]``, at least 0: larger is odder.

        NaN means that the detector has no opinion: the point is a gap, or the series is still warming up. Raw scores
        need not be comparable between series or detectors: ``calibration`` makes them so. Never changes ``state``.
        """
        ...

    def learn(self, state: State, points: Points) -> None:
        """Take in one observation for each row. A gap teaches nothing."""
        ...

    def skip(self, state: State, points: Points) -> None:
        """Let points of an open incident pass: they teach nothing of what is normal, but they were the last ones.

        A detector that looks at the point before (for the size of a change) has to know it.
        """
        ...

    def interval(self, state: State, points: Points, raw: FloatArray) -> FloatArray:
        """Return the values between which a point's raw score stays below ``raw``.

        Args:
            raw: Raw score at the ends of the interval, shape ``[m]``; NaN where there is none.

        Returns:
            Most likely value, lower end, upper end; shape ``[3, m]``. NaN where the detector has no such idea.
        """
        ...


@runtime_checkable
class Calibrated(Detector[State], Protocol[State]):
    """A detector whose raw score is 1 / (share of normal points at least so odd), in [1, 1e9], without our help.

    It takes care itself that an open incident does not become normal at once: it learns from every point.
    """

    def step(self, state: State, points: Points) -> FloatArray:
        """Return what ``score`` does, and learn: in one pass."""
        ...


@runtime_checkable
class Explained(Detector[State], Protocol[State]):
    """A detector of several views, that says what each of them made of a point."""

    def contributions(self, state: State, row: int) -> tuple[Contribution, ...]:
        """Return what each view says alone of the newest point that was learnt, the oddest first."""
        ...
