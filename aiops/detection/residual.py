"""How far a point is from its forecast, in units of how far points of this series usually are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiops.detection.detector import Cells, Points
from aiops.errors import ConfigError
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

MOST = 1e5
"""The largest raw score: beyond it, more says nothing more."""

_CELL = np.dtype(
    [
        ("size", "f8"),  # mean absolute value, single absurd ones clipped
        ("width", "f8"),  # mean half-width of the forecast's band
        ("width_seen", "f8"),
        # Each for the points with a forecast, and for all points as if there were none.
        ("level", "f8", (2,)),  # by how much the forecast has been off lately; the series' own level
        ("scale", "f8", (2,)),  # mean absolute residual, single surprises clipped
        ("seen", "f8", (2,)),
        ("surprises", "f8", (2,)),  # clipped residuals in a row
    ]
)
_FORECAST, _OWN = 0, 1
_CLIP = 6.0  # residuals beyond so many scales teach as if they were so large
_UNCLIPPED_POINTS = 8  # before that a scale is no measure of anything
_LARGEST = 100.0  # values beyond so many mean ones count towards the mean as if they were so large
_WIDEST = 4.0  # how much the band of one step may stretch or shrink the scale


class ResidualDetector:
    """Distance from what was expected, over the usual distance of that series.

    Expected is the forecast where there is one and its errors are known, moved by what it has been off lately: a day
    that is busier than foreseen is no anomaly minute after minute. Elsewhere it is the series' own level. Both are
    exponential means. The usual distance is the mean absolute residual, learnt online with surprises clipped, so that
    it needs no window, stays positive where the median absolute deviation is zero, and is not moved by one outlier.
    What persists is believed: the n-th clipped residual in a row teaches n times as fast. Where the forecast has a
    band, its width at this step over its mean width stretches the scale, so that a busy hour may err by more.

    Two floors keep the scale from vanishing on a constant series: ``floor_ratio`` of the mean absolute value, and the
    smallest normal number.

    Args:
        warm_up: Points of a series (and of its forecast) to learn before the detector has an opinion.
        level_memory: Points that the own level looks back on, as the mean age of an exponential mean.
        offset_memory: Points that the correction of the forecast looks back on, likewise. A trouble that creeps in
            more slowly is taken for the forecast's error.
        scale_memory: Points that the scale looks back on, likewise.
        floor_ratio: Share of the mean absolute value below which no residual is worth a word.

    Raises:
        ConfigError: If an argument is not positive.
    """

    name = "residual"

    def __init__(
        self,
        *,
        warm_up: int = 60,
        level_memory: int = 30,
        offset_memory: int = 240,
        scale_memory: int = 1440,
        floor_ratio: float = 1e-4,
    ) -> None:
        if min(warm_up, level_memory, offset_memory, scale_memory, floor_ratio) <= 0:
            raise ConfigError(
                "residual: warm_up, the three memories and floor_ratio must be positive, "
                f"got {warm_up}, {level_memory}, {offset_memory}, {scale_memory}, {floor_ratio}"
            )
        self.warm_up = warm_up
        self.level_memory = level_memory
        self.offset_memory = offset_memory
        self.scale_memory = scale_memory
        self.floor_ratio = floor_ratio

    @property
    def memory_points(self) -> int:
        """Enough for the tail of the calibration, which needs more than the scale."""
        return 30 * self.scale_memory

    def start(self, n: int) -> Cells:
        """Return the state of ``n`` series: one record each."""
        return np.zeros(n, _CELL)

    def score(self, state: Cells, points: Points) -> FloatArray:
        """Return the size of the residual over the scale, shape ``[m]``; NaN for a gap or while warming up."""
        found: FloatArray = self._judged(state, points, points.values)[3]
        return found

    def learn(self, state: Cells, points: Points) -> None:
        """Move level and scales towards each point; a gap teaches nothing."""
        compiled(_learn)(
            state,
            points.rows,
            points.values,
            points.expected,
            points.lower,
            points.upper,
            1.0 / self.offset_memory,
            1.0 / self.level_memory,
            1.0 / self.scale_memory,
            self.floor_ratio,
        )

    def skip(self, state: Cells, points: Points) -> None:
        """Do nothing: level and scales are about what is normal."""

    def interval(self, state: Cells, points: Points, raw: FloatArray) -> FloatArray:
        """Return what is expected, and the values on both sides of it whose raw score is ``raw``."""
        return self._judged(state, points, raw)[:3]

    def _judged(self, state: Cells, points: Points, raw: FloatArray) -> FloatArray:
        found = np.empty((4, len(points.rows)))
        compiled(_judge)(
            state,
            points.rows,
            points.values,
            points.expected,
            points.lower,
            points.upper,
            raw,
            self.warm_up,
            self.floor_ratio,
            found,
        )
        return found


def _judge(
    state: Any,
    rows: IntArray,
    values: FloatArray,
    expected: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    raw: FloatArray,
    warm_up: float,
    floor_ratio: float,
    found: FloatArray,
) -> None:
    """Write what is expected, the values below and above it whose raw score is ``raw``, and the point's own raw score.

    To ``found [4, m]``; NaN while warming up, and for the score of a gap.
    """
    for i in range(len(rows)):
        cell = state[rows[i]]
        below, above = 1.0, 1.0
        if math.isfinite(expected[i]) and cell["seen"][_FORECAST] >= warm_up:
            centre, scale = expected[i] + cell["level"][_FORECAST], cell["scale"][_FORECAST]
            if cell["width"] > 0 and math.isfinite(lower[i]) and math.isfinite(upper[i]):
                below = min(max((expected[i] - lower[i]) / cell["width"], 1 / _WIDEST), _WIDEST)
                above = min(max((upper[i] - expected[i]) / cell["width"], 1 / _WIDEST), _WIDEST)
        elif cell["seen"][_OWN] >= warm_up:
            centre, scale = cell["level"][_OWN], cell["scale"][_OWN]
        else:
            found[:, i] = np.nan
            continue
        floor = max(floor_ratio * cell["size"], 1e-300)
        below, above = max(scale * below, floor), max(scale * above, floor)
        found[0, i] = centre
        found[1, i] = centre - raw[i] * below
        found[2, i] = centre + raw[i] * above
        residual = values[i] - centre
        odd = abs(residual) / (above if residual > 0 else below)
        found[3, i] = MOST if odd > MOST else odd  # infinitely far is MOST, and NaN stays


def _learn(
    state: Any,
    rows: IntArray,
    values: FloatArray,
    expected: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    offset_rate: float,
    own_rate: float,
    scale_rate: float,
    floor_ratio: float,
) -> None:
    for i in range(len(rows)):
        value = values[i]
        if not math.isfinite(value):
            continue
        cell = state[rows[i]]
        floor = max(floor_ratio * cell["size"], 1e-300)
        size = abs(value)
        if cell["size"] > 0 and cell["seen"][_OWN] >= _UNCLIPPED_POINTS:
            size = min(size, _LARGEST * cell["size"])
        for source in range(2):
            stretch, baseline = 1.0, 0.0
            seen, scale, level = cell["seen"][source], cell["scale"][source], cell["level"][source]
            if source == _OWN:
                level = level if seen > 0 else value
            else:
                baseline = expected[i]
                if not math.isfinite(baseline):
                    continue
                half = 0.5 * (upper[i] - lower[i])
                if math.isfinite(half) and half >= 0:
                    cell["width"] += max(scale_rate, 1 / (cell["width_seen"] + 1)) * (half - cell["width"])
                    cell["width_seen"] += 1
                    if cell["width"] > 0:
                        side = upper[i] - baseline if value > baseline + level else baseline - lower[i]
                        stretch = min(max(side / cell["width"], 1 / _WIDEST), _WIDEST)
            # The difference of two large numbers may be infinite.
            residual = min(max(value - baseline - level, -1e300), 1e300)
            limit = _CLIP * max(scale, floor) * stretch
            if seen >= _UNCLIPPED_POINTS and abs(residual) > limit:
                cell["surprises"][source] += 1
                residual = limit if residual > 0 else -limit
            else:
                cell["surprises"][source] = 0
            haste = 1 + cell["surprises"][source]
            rate = min(max(scale_rate * haste, 1 / (seen + 1)), 1.0 if seen == 0 else 0.5)
            cell["scale"][source] += rate * (abs(residual) / stretch - scale)
            level_rate = own_rate if source == _OWN else offset_rate
            cell["level"][source] = level + min(max(level_rate * haste, 1 / (seen + 1)), 1.0) * residual
            cell["seen"][source] = seen + 1
        cell["size"] += max(scale_rate, 1 / cell["seen"][_OWN]) * (size - cell["size"])
