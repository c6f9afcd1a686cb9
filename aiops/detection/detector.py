"""What every detector does. A new one is a file here and a line in ``catalog``; contract tests come by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from aiops.series import FloatArray, IntArray

State = TypeVar("State")


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
    """

    rows: IntArray
    at: FloatArray
    values: FloatArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray


class Detector(Protocol[State]):
    """Scores points of many series; the state is a value beside it, not inside it."""

    @property
    def name(self) -> str:
        """Name in the catalog, scores and alerts."""
        ...

    def start(self, n: int) -> State:
        """Return the state of ``n`` series that have seen nothing."""
        ...

    def score(self, state: State, points: Points) -> FloatArray:
        """Return how odd each point is, shape ``[m]``: larger is odder; 0 for a gap or while warming up.

        Raw scores need not be comparable between series: ``calibration`` makes them so. Never changes ``state``.
        """
        ...

    def learn(self, state: State, points: Points) -> None:
        """Take in one observation for each row. A gap teaches nothing."""
        ...
