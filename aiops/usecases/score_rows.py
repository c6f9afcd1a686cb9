"""Score the rows of one series as they would have come: each from the rows before it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.detection.combiner import CombinedDetector
from aiops.detection.detector import BoolArray
from aiops.detection.fleet import FleetDetector
from aiops.detection.onset import Onsets
from aiops.series import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredRows:
    """What is said of each row.

    Attributes:
        scores: 1 / (1 + alerts a week that a threshold here would give), shape ``[n]``: 0.5 is once a week, 0.91 once
            in ten weeks, for every series of any step; an incident is covered, and what was said lately is held back
            (``detection.cover``). 0 without a value, while warming up, and for a second row of a step.
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
    from aiops.detection.cover import covered

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
