"""The fleet detector with a combiner: learnt on four fifths of the groups, judged on the fifth, five times over.

Nothing is chosen on what is judged: the combiner itself says what gives one false alert a week, by folds within its own
four fifths, and that is the threshold.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from aiops.detection.combiner import CombinedDetector
from aiops.detection.combiner_fit import Example, learn, lesson
from aiops.detection.cover import covered
from aiops.series import FloatArray
from benchmarks.detection.figures import areas, numenta, summary
from benchmarks.detection.measures import REPETITIONS, at_budget, folds, outcomes

_NOTHING = -9.0
_BUDGETS = (1.0, 0.1)


def learnt(series: Sequence[Any], console: Console) -> dict[str, Any]:
    """Return every figure."""
    lessons = [
        lesson(
            Example(
                at=each.at,
                values=each.values,
                labels=each.labels,
                step_seconds=each.step_seconds,
                probation=each.probation,
                group=each.group,
            )
        )
        for each in series
    ]
    groups = [each.group for each in series]
    points = sum(len(each.values) for each in series)
    runs, seconds = [], 0.0
    for number in track(range(REPETITIONS), "learning a combiner", console=console, transient=True):
        fold = folds(groups, number)
        scores = [np.empty(0)] * len(series)
        for part in np.unique(fold):
            detector = CombinedDetector(learn([lessons[i] for i in np.flatnonzero(fold != part).tolist()]))
            started = time.process_time()
            for i in np.flatnonzero(fold == part).tolist():
                scores[i] = _scored(detector, series[i])
            seconds += time.process_time() - started
        runs.append(scores)
    at, judged = {}, []
    for budget in _BUDGETS:
        threshold = np.array([-np.log10(budget)])
        found = []
        for number, scores in enumerate(runs):
            judged = outcomes(series, scores, threshold)
            found.append(at_budget(series, scores, judged, threshold, folds(groups, number), budget))
        at[str(budget)] = summary(found)
    row = {
        "detector": "fleet+combiner",
        "on": "all",
        "series": len(series),
        "incidents": sum(each.incidents for each in judged),
        "series_weeks": round(sum(each.weeks for each in judged), 1),
        "microseconds_a_point": round(1e6 * seconds / REPETITIONS / points, 2),
        "at": at,
    }
    return row | areas(series, runs[0]) | numenta(series, runs)


def _scored(detector: CombinedDetector, one: Any) -> FloatArray:
    found: FloatArray = np.nan_to_num(covered(detector.replay(one.at, one.values)), nan=_NOTHING)
    return found
