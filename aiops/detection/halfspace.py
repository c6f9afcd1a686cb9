"""Half-space trees: how empty the part of space is in which a point lies. River's, wrapped for many series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiops.detection.detector import Points
from aiops.errors import ConfigError
from aiops.series import FloatArray

_CLIP = 6.0
_GENTLE = 2.0


@dataclass(slots=True)
class Tree:
    """What was learnt of one series: the trees, and the running scales that bring its features into [0, 1].

    Attributes:
        forest: River's ``HalfSpaceTrees``, which has no types. It is never copied or stored: a new process replays
            history instead.
        seen: Points learnt.
        previous: The last value.
        level: Running mean.
        scale: Running mean distance from it.
        change_scale: Running mean size of a change.
    """

    forest: Any
    seen: int = 0
    previous: float = math.nan
    level: float = 0.0
    scale: float = 0.0
    change_scale: float = 0.0


class HalfSpaceDetector:
    """How rarely the value and its change together fall where they fell now.

    Two features a point: its distance from the series' running mean, and its change since the point before, each over
    its own running mean size and squashed by the logistic function, so that both lie in (0, 1) whatever comes, as the
    trees require. The raw score is max / mass: 1 in the densest place, and larger the emptier it is.

    About 50 microseconds a point: keep to few series, or warm up on little history (``memory_points``).

    Args:
        trees: Number of trees.
        height: Their height: 2**height leaves each.
        window: Points after which the masses just counted become those that score; before that there is no opinion.
        memory: Points that the running scales look back on, as the mean age of an exponential mean.
        seed: Of the random cuts.

    Raises:
        ConfigError: If a number is not positive.

    Reference:
        Tan, Ting and Liu (2011), "Fast anomaly detection for streaming data", IJCAI 22.
    """

    name = "halfspace"

    def __init__(
        self, *, trees: int = 10, height: int = 8, window: int = 250, memory: int = 1440, seed: int = 0
    ) -> None:
        if min(trees, height, window, memory) <= 0:
            raise ConfigError(
                "halfspace: trees, height, window and memory must be positive, "
                f"got {trees}, {height}, {window}, {memory}"
            )
        self.trees = trees
        self.height = height
        self.window = window
        self.memory = memory
        self.seed = seed

    @property
    def memory_points(self) -> int:
        """Two spans of the running scales: two days of minutes by default."""
        return 2 * self.memory

    def start(self, n: int) -> list[Tree]:
        """Return the state of ``n`` series: an object each."""
        from river.anomaly import HalfSpaceTrees

        return [
            Tree(
                HalfSpaceTrees(
                    n_trees=self.trees,
                    height=self.height,
                    window_size=self.window,
                    limits={"value": (0.0, 1.0), "change": (0.0, 1.0)},
                    seed=self.seed,
                )
            )
            for _ in range(n)
        ]

    def score(self, state: list[Tree], points: Points) -> FloatArray:
        """Return max / mass, shape ``[m]``, at least 1; NaN for a gap or while warming up."""
        return np.array(
            [self._score_one(state[row], value) for row, value in zip(points.rows, points.values.tolist(), strict=True)]
        )

    def learn(self, state: list[Tree], points: Points) -> None:
        """Count each point in its trees and move its scales; a gap teaches nothing."""
        for row, value in zip(points.rows, points.values.tolist(), strict=True):
            if not math.isnan(value):
                self._learn_one(state[row], value)

    def skip(self, state: list[Tree], points: Points) -> None:
        """Remember each point as the one before the next."""
        for row, value in zip(points.rows, points.values.tolist(), strict=True):
            if not math.isnan(value):
                state[row].previous = value

    def interval(self, state: list[Tree], points: Points, raw: FloatArray) -> FloatArray:
        """Return NaN: trees have no idea of what is normal, only of what is rare."""
        del state, raw
        return np.full((3, len(points.rows)), np.nan)

    def _score_one(self, tree: Tree, value: float) -> float:
        if math.isnan(value) or tree.seen < self.window:
            return math.nan
        # River returns 1 - mass / max; the mass is at least that of the roots, so never zero.
        return 1.0 / (1.0 - float(tree.forest.score_one(_features(tree, value))))

    def _learn_one(self, tree: Tree, value: float) -> None:
        if tree.seen == 0:
            tree.level = tree.previous = value
        tree.forest.learn_one(_features(tree, value))
        tree.seen += 1
        rate = max(1.0 / self.memory, 1.0 / tree.seen)
        distance, change = value - tree.level, value - tree.previous
        tree.scale += rate * (_clipped(abs(distance), tree.scale, tree.seen) - tree.scale)
        tree.change_scale += rate * (_clipped(abs(change), tree.change_scale, tree.seen) - tree.change_scale)
        tree.level += rate * math.copysign(_clipped(abs(distance), tree.scale, tree.seen), distance)
        tree.previous = value


def _features(tree: Tree, value: float) -> dict[str, float]:
    floor = 1e-3 * abs(tree.level) + 1e-300
    return {
        "value": _squashed((value - tree.level) / max(tree.scale, floor)),
        "change": _squashed((value - tree.previous) / max(tree.change_scale, floor)),
    }


def _squashed(multiple: float) -> float:
    """Map any number of mean sizes to (0, 1), so gently that six of them are still told from the end of the range."""
    return 1.0 / (1.0 + math.exp(-min(max(multiple / _GENTLE, -30.0), 30.0)))


def _clipped(size: float, scale: float, seen: int) -> float:
    """Limit a single surprise, once the scale means something; a scale of zero limits nothing."""
    return min(size, _CLIP * scale) if seen > 8 and scale > 0 else size
