"""Whether the mean has changed lately: River's ADWIN, asked by how much its test is passed."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiops.detection.detector import Points
from aiops.detection.own_unit import FIRST, OwnUnit
from aiops.errors import ConfigError
from aiops.series import FloatArray

_LATELY = (5, 10, 20, 40)  # points, the present one included, that are compared with all before them
_FEWEST = 30  # points before them: fewer have no mean worth a comparison


@dataclass(slots=True)
class Window:
    """What was learnt of one series.

    Attributes:
        own: Its unit.
        adwin: River's ``ADWIN`` of placed values; None until there is a unit.
        latest: The end of what it has seen.
        seen: Points since there is a unit.
    """

    own: OwnUnit = field(default_factory=OwnUnit)
    adwin: Any = None
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=max(_LATELY) - 1))
    seen: int = 0


class AdwinDetector:
    """How far the mean of the last points is from that of the window before them, over the bound of ADWIN's test.

    ADWIN keeps a window that grows while its mean stays the same; when it finds a change, what lies before it is
    dropped. Its answer is yes or no, every 32 points. The raw score is its test at each point, for the last 5, 10, 20
    and 40 points: difference of the means over the cut that ADWIN would allow them, of the worst of the four. Above
    one ADWIN would cut there. It falls to zero at points that do not bear the change out: those not even half as far
    from the mean before as the last points are. So it ends with what it reports, although an open incident teaches
    nothing.

    For shifts of a noisy level that no single point shows; of no use where level and season move all day. About five
    microseconds a point.

    Args:
        delta: Chance of a false change that the test allows.
        warm_up: Points before the first opinion.

    Raises:
        ConfigError: If ``delta`` is not between 0 and 1, or ``warm_up`` below 60.

    Reference:
        Bifet and Gavaldà (2007), "Learning from time-changing data with adaptive windowing", SDM.
    """

    name = "adwin"

    def __init__(self, *, delta: float = 0.002, warm_up: int = 100) -> None:
        if not 0 < delta < 1 or warm_up < 2 * FIRST:
            raise ConfigError(
                f"adwin: 0 < delta < 1 and a warm_up of at least {2 * FIRST} are needed, got {delta} and {warm_up}"
            )
        self.delta = delta
        self.warm_up = warm_up

    @property
    def memory_points(self) -> int:
        """A week of minutes: a window that never found a change is longer, and gains little by it."""
        return 10_080

    def start(self, n: int) -> list[Window]:
        """Return the state of ``n`` series: an object each."""
        return [Window() for _ in range(n)]

    def score(self, state: list[Window], points: Points) -> FloatArray:
        """Return the difference of the means over ADWIN's cut, ``[m]``; NaN for a gap or while warming up."""
        found = np.full(len(points.rows), np.nan)
        for index, (row, value) in enumerate(zip(points.rows, points.values.tolist(), strict=True)):
            if state[row].seen >= self.warm_up and not math.isnan(value):
                found[index] = self._ratio(state[row], state[row].own.placed(value))
        return found

    def learn(self, state: list[Window], points: Points) -> None:
        """Let each point into its window, which may drop what was before a change; a gap teaches nothing."""
        for row, value in zip(points.rows, points.values.tolist(), strict=True):
            if math.isnan(value):
                continue
            each = state[row]
            new_unit, placed = each.own.learn(value)
            if new_unit:
                each.adwin, each.seen = self._empty(), 0
                each.latest.clear()
            for one in placed:
                if each.adwin.drift_detected:  # River forgets all of it with the next point
                    each.latest.clear()
                each.adwin.update(one)
                each.latest.append(one)
            each.seen += len(placed)

    def skip(self, state: list[Window], points: Points) -> None:
        """Do nothing: the window is about what is normal."""

    def interval(self, state: list[Window], points: Points, raw: FloatArray) -> FloatArray:
        """Return NaN: a change of the mean is no matter of one value."""
        del state, raw
        return np.full((3, len(points.rows)), np.nan)

    def _ratio(self, each: Window, value: float) -> float:
        """Return the largest ratio; zero where too little has been seen since the last change."""
        if each.adwin.drift_detected:
            return 0.0
        width, total = each.adwin.width, each.adwin.total
        variance = max(each.adwin.variance, 0.0) / width  # what River calls the variance is the sum of squares
        latest, ratio = list(each.latest), 0.0
        confidence = math.log(2.0 * math.log(max(width, 3)) / self.delta)
        for lately in _LATELY:
            before = width - (lately - 1)
            if before < _FEWEST:
                break
            past = sum(latest[len(latest) - (lately - 1) :])
            mean_before = (total - past) / before
            difference = (past + value) / lately - mean_before
            if difference == 0.0:
                continue
            parts = 1.0 / before + 1.0 / lately
            cut = math.sqrt(2.0 * parts * variance * confidence) + 2.0 / 3.0 * parts * confidence
            borne_out = min(max(2.0 * (value - mean_before) / difference, 0.0), 1.0)
            ratio = max(ratio, abs(difference) / cut * borne_out)
        return ratio

    def _empty(self) -> Any:
        from river import drift

        made: Any = drift.ADWIN  # it has no types
        return made(delta=self.delta)
