"""Which incidents a detector found, and how often it cried wolf: by events, without point adjustment.

An incident (``aiops.detection.incident_runs``) is found if any score exceeds the threshold within its margins.
Exceedances elsewhere are false alerts. Points of the probation are not scored.
"""

from dataclasses import dataclass

import numpy as np

from aiops.detection.incident_runs import apart_points, incidents, margin_points
from aiops.series import FloatArray, IntArray

WEEK_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What one detector did on one series.

    Attributes:
        incidents: How many there were.
        found: How many of them it found, at each threshold, shape ``[q]``.
        false_alerts: How often it cried wolf, at each threshold, shape ``[q]``.
        weeks: Scored time.
    """

    incidents: int
    found: IntArray
    false_alerts: IntArray
    weeks: float


def judge(
    scores: FloatArray, labels: FloatArray, step_seconds: float, probation: int, thresholds: FloatArray
) -> Outcome:
    """Judge the scores ``[n]`` of one series at each threshold ``[q]``.

    Args:
        labels: 1 where an incident was, shape ``[n]``; NaN (a gap) is 0.
        probation: Leading points that are not scored.
    """
    margin = margin_points(step_seconds)
    apart = apart_points(step_seconds)
    windows = [
        (max(first - margin, probation), last + margin)
        for first, last in incidents(labels, margin)
        if last >= probation
    ]
    outside = np.ones(len(scores), dtype=np.bool_)
    outside[:probation] = False
    for first, last in windows:
        outside[first : last + 1] = False
    found = np.zeros(len(thresholds), dtype=np.int64)
    for first, last in windows:
        found += scores[first : last + 1].max() > thresholds
    candidates = np.flatnonzero(outside & (scores > thresholds.min()))
    false_alerts = np.array(
        [_groups(candidates[scores[candidates] > threshold], apart) for threshold in thresholds], dtype=np.int64
    )
    weeks = (len(scores) - probation) * step_seconds / WEEK_SECONDS
    return Outcome(incidents=len(windows), found=found, false_alerts=false_alerts, weeks=weeks)


def _groups(places: IntArray, apart: int) -> int:
    return 0 if len(places) == 0 else 1 + int((np.diff(places) > apart).sum())
