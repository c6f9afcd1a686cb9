"""What the result file says of one contender."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aiops.series import FloatArray
from benchmarks.detection.measures import AtBudget, folds, nab, vus_pr


def summary(runs: Sequence[AtBudget]) -> dict[str, Any]:
    """Return means over repetitions, and how far the recall was apart."""
    return {
        "recall": round(float(np.mean([run.recall for run in runs])), 3),
        "recall_spread": round(float(np.std([run.recall for run in runs])), 3),
        "false_alerts_a_series_week": round(float(np.mean([run.false_alerts for run in runs])), 3),
        "recall_by_origin": _mean_of([run.by_origin for run in runs]),
        "median_delay_steps_by_origin": _mean_of([run.delays for run in runs]),
    }


def areas(series: Sequence[Any], scores: Sequence[FloatArray]) -> dict[str, Any]:
    """Return VUS-PR over all series, and of each origin."""
    found = np.array(
        [
            vus_pr(own[each.probation :], each.labels[each.probation :], each.vus_window)
            for own, each in zip(scores, series, strict=True)
        ]
    )
    origins = np.array([each.origin for each in series])
    by_origin = {str(origin): round(float(np.nanmean(found[origins == origin])), 3) for origin in np.unique(origins)}
    return {"vus_pr": round(float(np.nanmean(found)), 3), "vus_pr_by_origin": by_origin}


def numenta(series: Sequence[Any], runs: Sequence[Sequence[FloatArray]]) -> dict[str, float]:
    """Return NAB's score over its own series, nothing if there are too few for folds; one run a repetition."""
    mine = [place for place, each in enumerate(series) if each.origin == "nab"]
    if len(mine) <= 2:
        return {}
    own = [series[place] for place in mine]
    groups = [each.group for each in own]
    shares = [nab(own, [run[place] for place in mine], folds(groups, number)) for number, run in enumerate(runs)]
    return {"nab": round(float(np.mean(shares)), 1), "nab_spread": round(float(np.std(shares)), 1)}


def _mean_of(found: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Return the mean of each figure; None where one of the runs has none, which JSON can hold."""
    means = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
    return {name: None if np.isnan(mean) else round(mean, 3) for name, mean in means.items()}
