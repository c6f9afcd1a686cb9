"""Detectors, their calibration and the gate put together: points in, comparable scores out, learning after scoring."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from aiops.detection.calibration import RAREST, Calibration
from aiops.detection.detector import BoolArray, Calibrated, Cells, Detector, Points
from aiops.detection.gate import Gate
from aiops.errors import ConfigError
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

_NORMAL_SHARE = 1e-3  # the interval shown to people holds all but this share of normal points


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Scores of a column of points, as arrays of shape ``[m]``.

    Attributes:
        values: In [0, 1]; 0.999 means that one normal point in a thousand of that series looks so odd. 0 for a gap or
            while warming up.
        detectors: Which of the scorer's detectors found it oddest; -1 where none had an opinion.
        expected: Most likely value; NaN where unknown.
        lower: Lower end of the interval that holds 999 of 1000 normal points; NaN where unknown.
        upper: Upper end of it.
        warming_up: Whether there was a value and no detector could judge it yet.
    """

    values: FloatArray
    detectors: IntArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray
    warming_up: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScorerState:
    """What a scorer has learnt of ``n`` series: one entry a detector, and one gate."""

    detectors: tuple[Any, ...]
    calibrations: tuple[Cells, ...]
    gate: Cells


class Scorer:
    """Scores points by several detectors, each calibrated to each series, and then learns from them.

    A detector that calibrates itself (``Calibrated``) is taken at its word, and no gate is between it and the points.

    The joint score of k detectors is 1 - k * (the smallest share of normal points at least so odd), never below 0
    (Bonferroni): it means the same as the score of one detector, whatever they have in common. Gaps and detectors that
    are warming up do not count.

    A series gets the same bits alone, in any batch, and in any interleaving with others.

    Args:
        detectors: At least one, of distinct names.
        calibration: How raw scores are made comparable.
        gate: Which points may teach.

    Raises:
        ConfigError: If there is no detector, or two share a name.
    """

    def __init__(
        self,
        detectors: Sequence[Detector[Any]],
        *,
        calibration: Calibration | None = None,
        gate: Gate | None = None,
    ) -> None:
        names = [each.name for each in detectors]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"a scorer needs at least one detector, of distinct names; got {names}")
        self.detectors = tuple(detectors)
        # Those that calibrate themselves; asked once, because a protocol takes long to answer.
        self._calibrated = tuple(each if isinstance(each, Calibrated) else None for each in detectors)
        self.calibration = calibration or Calibration()
        self.gate = gate or Gate()

    def start(self, n: int) -> ScorerState:
        """Return the state of ``n`` series that have seen nothing."""
        return ScorerState(
            detectors=tuple(each.start(n) for each in self.detectors),
            calibrations=tuple(
                self.calibration.start(n) if each is None else np.zeros(n, np.uint8) for each in self._calibrated
            ),
            gate=self.gate.start(n),
        )

    def grown(self, state: ScorerState, more: int) -> ScorerState:
        """Return ``state`` followed by ``more`` series that have seen nothing."""
        new = self.start(more)
        return ScorerState(
            detectors=tuple(_joined(own, rest) for own, rest in zip(state.detectors, new.detectors, strict=True)),
            calibrations=tuple(np.concatenate(pair) for pair in zip(state.calibrations, new.calibrations, strict=True)),
            gate=np.concatenate([state.gate, new.gate]),
        )

    def put(self, state: ScorerState, rows: IntArray, other: ScorerState) -> None:
        """Overwrite the given rows of ``state`` with the series of ``other``, in their order."""
        for own, new in zip(state.detectors, other.detectors, strict=True):
            for place, row in enumerate(rows.tolist()):
                own[row] = new[place]
        for own, new in zip(state.calibrations, other.calibrations, strict=True):
            own[rows] = new
        state.gate[rows] = other.gate

    def step(self, state: ScorerState, points: Points) -> Scores:
        """Score a column of points, then learn from it."""
        expected, lower, upper = self.interval(state, points)
        raw, survivals = self._judge(state, points, range(len(self.detectors)))
        joint = _joint(survivals)
        m = len(points.rows)
        values, oddest, warming_up = np.empty(m), np.empty(m, dtype=np.int64), np.empty(m, dtype=np.bool_)
        compiled(_say)(points.values, survivals, joint, values, oddest, warming_up)
        scores = Scores(
            values=values, detectors=oddest, expected=expected, lower=lower, upper=upper, warming_up=warming_up
        )
        self._learn(state, points, range(len(self.detectors)), raw, joint)
        return scores

    def warm_up(self, state: ScorerState, points: Iterable[Points], n: int) -> Iterator[int]:
        """Learn from ``n`` columns of history; scores are made, as learning needs them, and thrown away.

        A slow detector replays its own ``memory_points`` only, counted from the end.

        Yields:
            How many columns are done, after each of them: for a progress bar, or to do something else in between.
        """
        first = [max(0, n - each.memory_points) for each in self.detectors]
        for index, column in enumerate(points):
            active = [which for which, start in enumerate(first) if index >= start]
            if not active:  # all of them forget what is so old
                yield index + 1
                continue
            raw, survivals = self._judge(state, column, active)
            self._learn(state, column, active, raw, _joint(survivals))
            yield index + 1

    def _judge(self, state: ScorerState, points: Points, active: Sequence[int]) -> tuple[list[FloatArray], FloatArray]:
        """Return raw scores, one entry an active detector, and their survivals ``[active, m]``.

        Detectors that calibrate themselves learn at once.
        """
        survivals = np.empty((len(active), len(points.rows)))
        raw = []
        for place, which in enumerate(active):
            calibrated = self._calibrated[which]
            if calibrated is not None:
                raw.append(calibrated.step(state.detectors[which], points))
                survivals[place] = 1.0 / raw[-1]
                continue
            raw.append(self.detectors[which].score(state.detectors[which], points))
            survivals[place] = self.calibration.survival(state.calibrations[which], points.rows, raw[-1])
        return raw, survivals

    def _learn(
        self, state: ScorerState, points: Points, active: Sequence[int], raw: list[FloatArray], joint: FloatArray
    ) -> None:
        teaches = self.gate.learn(state.gate, points.rows, joint)
        everything = bool(teaches.all())
        lesson = points if everything else points.where(teaches)
        for which, own in zip(active, raw, strict=True):
            detector, own_state = self.detectors[which], state.detectors[which]
            if self._calibrated[which] is not None:
                continue  # it has learnt when it was asked
            detector.learn(own_state, lesson)
            self.calibration.learn(state.calibrations[which], lesson.rows, own if everything else own[teaches])
            if not everything:
                detector.skip(own_state, points.where(~teaches))

    def interval(self, state: ScorerState, points: Points) -> FloatArray:
        """Return expected, lower, upper ``[3, m]`` of the first detector that has an idea of each point."""
        share = _NORMAL_SHARE / len(self.detectors)
        raw = self._usual_raw(state, 0, points, share)
        found = self.detectors[0].interval(state.detectors[0], points, raw)
        for which, detector in enumerate(self.detectors[1:], start=1):
            unknown = np.isnan(found[0])
            if not unknown.any():
                break
            raw = self._usual_raw(state, which, points, share)
            found = np.where(unknown, detector.interval(state.detectors[which], points, raw), found)
        return found

    def _usual_raw(self, state: ScorerState, which: int, points: Points, share: float) -> FloatArray:
        """Return the raw score ``[m]`` that one detector exceeds for this share of normal points."""
        if self._calibrated[which] is not None:
            return np.full(len(points.rows), 1.0 / share)
        return self.calibration.raw_at(state.calibrations[which], points.rows, share)


def _say(
    observed: FloatArray,
    survivals: FloatArray,
    joint: FloatArray,
    values: FloatArray,
    oddest: IntArray,
    warming_up: BoolArray,
) -> None:
    """Write score, index of the detector that was most surprised, and whether none could judge a value."""
    for i in range(len(joint)):
        values[i], oddest[i], warming_up[i] = 0.0, -1, False
        if math.isnan(joint[i]):
            warming_up[i] = not math.isnan(observed[i])
            continue
        values[i] = 1.0 - joint[i]
        least = math.inf
        for which in range(len(survivals)):
            if survivals[which, i] < least:
                least, oddest[i] = survivals[which, i], which


def _joined(own: Any, rest: Any) -> Any:
    """Return two states of a detector as one; each is an array or a list of one entry a series."""
    return np.concatenate([own, rest]) if isinstance(own, np.ndarray) else [*own, *rest]


def _joint(survivals: FloatArray) -> FloatArray:
    """Return the share of normal points for which any detector is so surprised, ``[m]``; NaN where none speaks."""
    if len(survivals) == 1:
        return cast(FloatArray, survivals[0])
    speaking = (~np.isnan(survivals)).sum(axis=0)
    found: FloatArray = np.clip(np.fmin.reduce(survivals, axis=0) * speaking, RAREST, 1.0)
    return found
