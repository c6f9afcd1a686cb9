"""A combiner: what labels and feedback taught of odd points, put behind the fleet detector; data, and no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aiops.detection.calibration import RAREST
from aiops.detection.combiner_record import COMBINED, FEATURES, evidence
from aiops.detection.detector import Cells, Points
from aiops.detection.fleet import FleetDetector
from aiops.detection.score import Contribution
from aiops.errors import DataError
from aiops.forecasting.boosted_features import Features
from aiops.forecasting.boosted_trees import Trees, is_sound, predict
from aiops.series import FloatArray

_MOST_DECADES = 6.0  # of rarity, that count beside the trees, one each
_AT_ONCE = 65_536  # points of a replay, so that memory does not grow with it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Combiner:
    """Trees over what the fleet detector says of a point and said of those before, and what their sum means.

    Attributes:
        trees: Their sum, and the rarity itself, are the larger, the more a point looks like an incident.
        knots: Increasing sums, shape ``[k]``, k at least 2.
        decades: log10 of the false alerts a series-week that a threshold at each knot gave on series that the trees
            had not seen, decreasing, shape ``[k]``; straight lines between them, flat beyond.
        about: What it was trained on, for people.

    Raises:
        DataError: If the numbers cannot be those of a combiner.
    """

    trees: Trees
    knots: FloatArray
    decades: FloatArray
    about: Mapping[str, float]

    def __post_init__(self) -> None:
        if not is_sound(self.trees, FEATURES) or not np.isfinite(self.trees.threshold).all():
            raise DataError("a node of the combiner's trees leads nowhere")
        shapes = self.knots.shape == self.decades.shape and self.knots.ndim == 1 and len(self.knots) > 1
        if not shapes or not np.isfinite([*self.knots, *self.decades]).all():
            raise DataError("the combiner's knots and decades must be as many finite numbers, two at least")
        if (np.diff(self.knots) <= 0).any() or (np.diff(self.decades) > 0).any():
            raise DataError("the combiner's knots must increase, and its alerts a week must not")


class CombinedDetector:
    """The fleet detector, with the word of a combiner on the points that it finds odd.

    Points that the fleet detector calls more common than three alerts a week keep its word: 99 % of all or more. Of the
    others a combiner says how many false alerts a series-week a threshold there would give.

    5.6 kB a series.

    Args:
        combiner: What was learnt.
        fleet: The detector below.
    """

    name = "fleet+combiner"

    def __init__(self, combiner: Combiner, fleet: FleetDetector | None = None) -> None:
        self.combiner = combiner
        self.fleet = fleet or FleetDetector()

    @property
    def memory_points(self) -> int:
        """As of the fleet detector."""
        return self.fleet.memory_points

    def start(self, n: int) -> Cells:
        """Return the state of ``n`` series."""
        state = np.zeros(n, COMBINED)
        state["fleet"] = self.fleet.start(n)
        state["evidence"] = evidence(n)
        return state

    def score(self, state: Cells, points: Points) -> FloatArray:
        """Return 1 / (share of normal points), in [1, 1e9], shape ``[m]``; NaN for a gap or while warming up."""
        return self._raw(self._advance(state, points, learning=False))

    def learn(self, state: Cells, points: Points) -> None:
        """Take in one observation for each row; a gap teaches nothing."""
        self._advance(state, points, learning=True)

    def step(self, state: Cells, points: Points) -> FloatArray:
        """Return what ``score`` does, and learn: in one pass."""
        return self._raw(self._advance(state, points, learning=True))

    def replay(self, at: FloatArray, values: FloatArray) -> FloatArray:
        """Learn the points ``[n]`` of one series from nothing known; returns what ``FleetDetector.replay`` does."""
        state, found = self.start(1), np.empty((2, len(values)))
        for begin in range(0, len(values), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            rows = np.zeros(len(values[part]), dtype=np.int64)
            points = Points.unforecast(rows, at[part], values[part])
            found[:, part] = self._advance(state, points, learning=True)[::2]
        return found

    def contributions(self, state: Cells, row: int) -> tuple[Contribution, ...]:
        """Return what each view of the fleet detector says alone: a combiner is asked only where two of them agree."""
        return self.fleet.contributions(state["fleet"], row)

    def skip(self, state: Cells, points: Points) -> None:
        """Do nothing: as the fleet detector."""

    def interval(self, state: Cells, points: Points, raw: FloatArray) -> FloatArray:
        """Return what the fleet detector does: a combiner has no idea of what is normal."""
        return self.fleet.interval(state["fleet"], points, raw)

    def _advance(self, state: Cells, points: Points, *, learning: bool) -> FloatArray:
        from aiops.detection.combiner_evidence import restate

        found, table = evidence_of(self.fleet, state, points, learning=learning)
        sums = sums_of(self.combiner.trees, table)
        restate(state["fleet"], points.rows, sums, self.combiner.knots, self.combiner.decades, found)
        return found

    @staticmethod
    def _raw(found: FloatArray) -> FloatArray:
        raw: FloatArray = 1.0 / np.maximum(found[1], RAREST)
        return raw


def sums_of(trees: Trees, table: Features) -> FloatArray:
    """Return what the trees say of each candidate, and one for each decade of its rarity: odder is never less."""
    found: FloatArray = predict(trees, table) + np.minimum(table[:, 0], _MOST_DECADES)
    return found


def evidence_of(fleet: FleetDetector, state: Cells, points: Points, *, learning: bool) -> tuple[FloatArray, Features]:
    """Return what the fleet detector says, ``[3, m]``, and what a combiner looks at, ``[candidates, FEATURES]``."""
    from aiops.detection.combiner_evidence import watch

    found = np.empty((3, len(points.rows)))
    table = np.empty((len(points.rows), FEATURES), dtype=np.float32)
    count = watch(
        state["fleet"],
        state["evidence"],
        points.rows,
        points.at,
        points.values,
        points.expected,
        fleet.warm_up,
        fleet.floor_ratio,
        learning,
        found,
        table,
    )
    return found, table[:count]
