"""Score the rows of one series as they would have come: each from the rows before it, and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.detection.combiner import CombinedDetector
from aiops.detection.detector import BoolArray
from aiops.detection.fleet import FleetDetector
from aiops.detection.onset import Onsets
from aiops.series import FloatArray
from aiops.series.compiled import compiled

_LEAST = -2.5  # about what an ordinary minute says
_FADES = 0.04  # how fast the cover of an incident follows its points down; up, it does at once
_RAISED = 1.0
_BENDS = 0.5  # below once a week: from there on the cover rises ever less


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredRows:
    """What is said of each row.

    Attributes:
        scores: 1 / (1 + alerts a week that a threshold here would give), shape ``[n]``: 0.5 is once a week, 0.91 once
            in ten weeks, for every series of any step; an incident is covered (see ``covered``). 0 without a value,
            while warming up, and for a second row of a step.
        alerts: Where a person is told, shape ``[n]``.
    """

    scores: FloatArray
    alerts: BoolArray


def score_rows(
    stamps: FloatArray,
    values: FloatArray,
    step: timedelta | None,
    budget: float,
    detector: FleetDetector | CombinedDetector,
) -> ScoredRows:
    """Score rows in order, by the detector that the service uses.

    Args:
        stamps: Seconds since the epoch, never going back, shape ``[n]``.
        values: Observations, shape ``[n]``; NaN where there is none.
        step: Grid; stamps are moved to the nearest place of it. None: the smallest distance between two stamps so far.
        budget: Alerts a week.
        detector: With or without a combiner.

    Raises:
        ConfigError: If the budget is not positive.
    """
    onsets = Onsets(budget=budget)
    at = stamps
    if step is not None:
        seconds = step.total_seconds()
        at = stamps[0] + np.round((stamps - stamps[0]) / seconds) * seconds
    first_of_step = np.append(True, np.diff(at) > 0)
    said = np.full((2, len(at)), np.nan)
    said[:, first_of_step] = detector.replay(at[first_of_step], values[first_of_step])
    told = onsets.learn(onsets.start(1), np.zeros(len(at), dtype=np.int64), at, said[0])
    return ScoredRows(scores=np.nan_to_num(1.0 / (1.0 + 10.0 ** -covered(said))), alerts=told)


def covered(replayed: FloatArray) -> FloatArray:
    """Return -log10(alerts a week), raised where the points before were odd: the score of an incident is to cover it.

    It is raised to a tenth of the alerts a week that the views said, fading over about 25 points; it comes near "once a
    week" and never gets there: the cover alone tells nobody.

    Args:
        replayed: Of ``FleetDetector.replay``, shape ``[2, n]``.
    """
    found = np.full(replayed.shape[1], np.nan)
    compiled(_covered)(replayed, found)
    return found


def _covered(replayed: FloatArray, found: FloatArray) -> None:
    lately = _LEAST
    for i in range(len(found)):
        if math.isnan(replayed[0, i]):
            continue
        rarity = -math.log10(max(replayed[0, i], 1e-300))
        views = replayed[1, i]
        lately = max(views, lately + _FADES * (views - lately))
        cover = lately + _RAISED
        if cover > -_BENDS:
            cover = -_BENDS * math.exp(-(cover + _BENDS) / _BENDS)
        found[i] = max(rarity, cover)
