"""Raw scores made comparable: how often does this series look so odd in normal times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiops.detection.detector import Cells
from aiops.errors import ConfigError
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

RAREST = 1e-9
"""No point is called rarer than one in a billion: nobody has seen so many."""

_BINS = 384
_BINS_PER_UNIT = 32  # in asinh(raw): linear below 1, logarithmic above
_TAIL_SHARE = 0.01
_TAIL_POINTS = 20.0
_SMALLEST_SPREAD = 0.1
_FARTHEST = 2.0  # in asinh(raw): seven times the raw score at which the tail starts

_CELL = np.dtype(
    [
        ("mass", "f8", (_BINS,)),  # decayed histogram of asinh(raw)
        ("total", "f8"),
        ("weight", "f8"),  # of the newest point; grows instead of letting the old ones shrink
        ("seen", "f8"),
        ("cut", "f8"),  # where the tail starts
        ("share", "f8"),  # how much lies beyond
        ("spread", "f8"),  # mean excess over the cut
    ]
)


class Calibration:
    """Per series, the share of normal points that look at least so odd: the survival function of raw scores.

    It is read from a histogram of the series' own past, in which older points count less. Beyond its top hundredth
    (or its top 20 points, if that is more) an exponential tail in log(raw) continues it, fitted to these points by
    Hill's estimator: a power law, which is right for heavy tails and errs towards "less odd" for light ones. Where 20
    points or more were seen in the bin of a point or beyond, their share is the least that is said, so that values
    which keep coming back (zeros, counts) are never called rarer than they are.

    One outlier moves little: in the fit of the tail, a point beyond seven times the raw score at the cut counts as if
    it were there. Whether an open incident may teach is not decided here but by ``Gate``.

    Args:
        warm_up: Raw scores of a series to learn before any of them is judged. What is said of one point in a thousand
            is extrapolated until the series has seen a few thousand.
        memory: Points after which a raw score counts 1/e.

    Raises:
        ConfigError: If ``warm_up`` is below 50, or ``memory`` below ten times ``warm_up``.

    Reference:
        Hill (1975), "A simple general approach to inference about the tail of a distribution", Annals of Statistics 3.
    """

    def __init__(self, *, warm_up: int = 200, memory: int = 20_000) -> None:
        if warm_up < 50 or memory < 10 * warm_up:
            raise ConfigError(
                "calibration: warm_up must be at least 50 and memory at least ten times as much, "
                f"got {warm_up} and {memory}"
            )
        self.warm_up = warm_up
        self.memory = memory

    def start(self, n: int) -> Cells:
        """Return the state of ``n`` series: one record of about 3 kB each."""
        cells = np.zeros(n, _CELL)
        cells["weight"] = 1.0
        return cells

    def survival(self, state: Cells, rows: IntArray, raw: FloatArray) -> FloatArray:
        """Return the share of normal points at least so odd, in [1e-9, 1], shape ``[m]``.

        NaN where ``raw`` is NaN or the series is warming up. Never changes ``state``.
        """
        found = np.empty(len(rows))
        compiled(_survival)(state, rows, raw, self.warm_up, found)
        return found

    def learn(self, state: Cells, rows: IntArray, raw: FloatArray) -> None:
        """Take in one raw score for each row; NaN teaches nothing."""
        compiled(_learn)(state, rows, raw, 1.0 - 1.0 / self.memory)

    def raw_at(self, state: Cells, rows: IntArray, survival: float) -> FloatArray:
        """Return the raw score beyond which this share of normal points lies, shape ``[m]``; NaN while warming up.

        Args:
            survival: At most 0.01: it is the tail that is asked.
        """
        found = np.empty(len(rows))
        compiled(_raw_at)(state, rows, survival, self.warm_up, found)
        return found


def _raw_at(state: Any, rows: IntArray, survival: float, warm_up: float, found: FloatArray) -> None:
    for i in range(len(rows)):
        cell = state[rows[i]]
        if cell["seen"] < warm_up:
            found[i] = np.nan
            continue
        share = cell["share"] / survival
        excess = cell["spread"] * math.log(share) if share > 1.0 else 0.0
        found[i] = math.sinh(cell["cut"] + excess)


def _survival(state: Any, rows: IntArray, raw: FloatArray, warm_up: float, found: FloatArray) -> None:
    for i in range(len(rows)):
        cell = state[rows[i]]
        if math.isnan(raw[i]) or cell["seen"] < warm_up:
            found[i] = np.nan
            continue
        place = math.asinh(raw[i])
        share = 0.0
        if place > cell["cut"]:
            share = cell["share"] * math.exp(-(place - cell["cut"]) / cell["spread"])
        mass = 0.0
        for b in range(_BINS - 1, min(int(place * _BINS_PER_UNIT), _BINS - 1) - 1, -1):
            mass += cell["mass"][b]
        if mass >= _TAIL_POINTS * cell["weight"]:
            share = max(share, mass / cell["total"])
        found[i] = min(max(share, RAREST), 1.0)


def _learn(state: Any, rows: IntArray, raw: FloatArray, decay: float) -> None:
    for i in range(len(rows)):
        if math.isnan(raw[i]):
            continue
        cell = state[rows[i]]
        place = math.asinh(raw[i])
        cell["weight"] /= decay
        cell["mass"][min(int(place * _BINS_PER_UNIT), _BINS - 1)] += cell["weight"]
        cell["total"] += cell["weight"]
        cell["seen"] += 1
        if cell["weight"] > 1e100:
            for b in range(_BINS):
                cell["mass"][b] /= cell["weight"]
            cell["total"] /= cell["weight"]
            cell["weight"] = 1.0
        enough = max(_TAIL_SHARE * cell["total"], _TAIL_POINTS * cell["weight"])
        mass, cut = 0.0, _BINS
        while mass < enough and cut > 0:
            cut -= 1
            mass += cell["mass"][cut]
        excess = 0.0
        for b in range(cut, _BINS):
            excess += cell["mass"][b] * min((b + 0.5 - cut) / _BINS_PER_UNIT, _FARTHEST)
        cell["cut"] = cut / _BINS_PER_UNIT
        cell["share"] = mass / cell["total"]
        cell["spread"] = max(excess / mass, _SMALLEST_SPREAD)
