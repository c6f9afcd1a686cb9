"""Learn a combiner from series with labelled incidents: each incident counts once, and so does each false alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aiops.detection import incident_runs
from aiops.detection.combiner import Combiner, evidence_of, sums_of
from aiops.detection.combiner_record import COMBINED, NAMES, RISING, SAID_A_WEEK, evidence
from aiops.detection.detector import BoolArray, Points
from aiops.detection.fleet import FleetDetector
from aiops.errors import ConfigError, DataError, FitFailedError
from aiops.forecasting.boosted_features import Features
from aiops.forecasting.boosted_trees import Trees, read_trees
from aiops.series import FloatArray, IntArray

FOLDS: Final = 5
FEWEST: Final = 20
"""Incidents, and false alerts, that have to be there: fewer teach nothing that holds elsewhere."""

_WEEK_SECONDS = 604_800.0
_SETTINGS: Final[dict[str, Any]] = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.05,
    "min_data_in_leaf": 20,
    "min_sum_hessian_in_leaf": 3.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 63,
    # What is rarer, or farther beyond what was there before, never looks less like an incident.
    "monotone_constraints": [int(name in RISING) for name in NAMES],
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS: Final = 150
_TURNS: Final = 3
_KNOTS: Final = 40
_TAIL: Final = 20  # false alerts by which the rarest are extrapolated
_BEYOND: Final = 3.0  # decades


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """The observed points of a series, and what is known of them.

    Attributes:
        at: Stamps in seconds since the epoch, increasing, ``[n]``.
        values: Observations, ``[n]``.
        labels: 1 in an incident, 0 elsewhere, NaN where nobody knows: neither right nor wrong; ``[n]``.
        step_seconds: Of its grid.
        probation: Leading points that teach nothing but the detector.
        group: Series of one group are related: what is learnt on one of them is not tried on another.
    """

    at: FloatArray
    values: FloatArray
    labels: FloatArray
    step_seconds: float
    probation: int
    group: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """What one series teaches.

    Attributes:
        group: As of the example.
        table: What a combiner looks at, of the odd points that somebody judged, ``[c, FEATURES]``.
        incident: Number of the incident that each of them belongs to, -1 for none, ``[c]``.
        alert: Number of the false alert that each of the others belongs to, ``[c]``.
        incidents: How many there were, found odd or not.
        weeks: How long it was watched.
    """

    group: str
    table: Features
    incident: IntArray
    alert: IntArray
    incidents: int
    weeks: float


def lesson(example: Example) -> Lesson:
    """Replay a series, and keep what there is to learn."""
    fleet = FleetDetector()
    state = np.zeros(1, COMBINED)
    state["fleet"], state["evidence"] = fleet.start(1), evidence(1)
    labels, probation = example.labels, example.probation
    points = Points.unforecast(np.zeros(len(labels), dtype=np.int64), example.at, example.values)
    found, table = evidence_of(fleet, state, points, learning=True)
    number = np.full(len(labels), -1)
    margin = incident_runs.margin_points(example.step_seconds)
    runs = [run for run in incident_runs.incidents(labels, margin) if run[1] >= probation]
    for which, (first, last) in enumerate(runs):
        number[max(first - margin, 0) : last + margin + 1] = which
    places = np.flatnonzero(found[0] < SAID_A_WEEK)
    kept = (places >= probation) & ((number[places] >= 0) | ~np.isnan(labels[places]))
    places, table = places[kept], table[kept]
    alert = np.full(len(places), -1)
    false = number[places] < 0
    alert[false] = incident_runs.alerts(places[false], incident_runs.apart_points(example.step_seconds))
    return Lesson(
        group=example.group,
        table=table,
        incident=number[places],
        alert=alert,
        incidents=len(runs),
        weeks=float((~np.isnan(labels[probation:])).sum()) * example.step_seconds / _WEEK_SECONDS,
    )


def learn(lessons: Sequence[Lesson]) -> Combiner:
    """Grow trees from all lessons; what their sum means is measured on groups that they have not seen.

    Raises:
        DataError: If there are fewer than 20 incidents or false alerts among the odd points, or one group only.
        FitFailedError: If LightGBM gives up.
        ConfigError: If it is not installed.
    """
    false = sum(len(np.unique(each.alert[each.alert >= 0])) for each in lessons)
    incidents = sum(len(np.unique(each.incident[each.incident >= 0])) for each in lessons)
    groups = sorted({each.group for each in lessons})
    if min(false, incidents) < FEWEST or len(groups) < 2:
        raise DataError(
            f"a combiner needs {FEWEST} incidents and {FEWEST} false alerts among the points that the fleet detector "
            f"finds odd, in 2 groups of series; got {incidents} and {false} in {len(groups)}"
        )
    unseen = crossfitted(lessons)
    knots, decades = _meaning(lessons, unseen)
    about = {
        "series": len(lessons),
        "groups": len(groups),
        "incidents": sum(each.incidents for each in lessons),
        "series_weeks": round(sum(each.weeks for each in lessons), 1),
        "recall_at_1": _recall(lessons, unseen, knots, decades, 1.0),
        "recall_at_0.1": _recall(lessons, unseen, knots, decades, 0.1),
    }
    return Combiner(trees=grow(lessons), knots=knots, decades=decades, about=about)


def crossfitted(lessons: Sequence[Lesson]) -> list[FloatArray]:
    """Return the sum of trees for each point of each lesson; the trees have not seen its group."""
    groups = sorted({each.group for each in lessons})
    order = np.random.default_rng(0).permutation(len(groups))
    fold = [int(order[groups.index(each.group)]) % min(FOLDS, len(groups)) for each in lessons]
    sums = [np.empty(0)] * len(lessons)
    for number in sorted(set(fold)):
        trees = grow([each for each, own in zip(lessons, fold, strict=True) if own != number])
        for place, each in enumerate(lessons):
            if fold[place] == number:
                sums[place] = sums_of(trees, each.table)
    return sums


def grow(lessons: Sequence[Lesson]) -> Trees:
    """Return trees by which points of incidents are told from others.

    An incident, or a false alert, is as odd as its oddest points. So all its points share a weight of one, by how odd
    the trees of the turn before found them (by softmax): multiple-instance learning. Three turns.

    Raises:
        FitFailedError: If LightGBM gives up.
        ConfigError: If it is not installed.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:  # the library of OpenMP is the system's
        raise ConfigError(f"a combiner is trained by LightGBM ({error}): install aiops[train]") from error

    table = np.concatenate([each.table for each in lessons])
    belongs = np.concatenate([each.incident for each in lessons]) >= 0
    events = _events(lessons)
    sums, trees = table[:, 0].astype(np.float64), None
    try:
        for _ in range(_TURNS):
            data = lightgbm.Dataset(table, belongs.astype(np.float64), weight=_weights(events, sums))
            grown = lightgbm.train(_SETTINGS, data, num_boost_round=_ROUNDS)
            trees = read_trees(grown.dump_model()["tree_info"])
            sums = sums_of(trees, table)
    except lightgbm.basic.LightGBMError as error:
        raise FitFailedError(f"LightGBM could not learn from {len(table)} points: {error}") from error
    assert trees is not None  # noqa: S101 - there was a turn
    return trees


def _events(lessons: Sequence[Lesson]) -> IntArray:
    """Return the number of the incident or false alert of each point, over all lessons."""
    found, first = [], 0
    for each in lessons:
        belongs: BoolArray = each.incident >= 0
        own = np.where(belongs, each.incident, each.incidents + each.alert)
        found.append(first + own)
        first += int(own.max(initial=-1)) + 1
    return np.concatenate(found)


def _weights(events: IntArray, sums: FloatArray) -> FloatArray:
    top = np.full(int(events.max()) + 1, -np.inf)
    np.maximum.at(top, events, sums)
    shares = np.exp(sums - top[events])
    weights: FloatArray = shares / np.bincount(events, shares)[events]
    return weights


def _tops(lessons: Sequence[Lesson], sums: Sequence[FloatArray], kind: str) -> FloatArray:
    """Return the largest sum of each incident, or of each false alert, decreasing."""
    found = []
    for each, own in zip(lessons, sums, strict=True):
        number = getattr(each, kind)
        found += [own[number == which].max() for which in np.unique(number[number >= 0])]
    return np.sort(np.array(found))[::-1]


def _meaning(lessons: Sequence[Lesson], sums: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return knots and decades of a combiner."""
    false, weeks = _tops(lessons, sums, "alert"), sum(each.weeks for each in lessons)
    count = np.unique(np.geomspace(1, len(false), _KNOTS).round().astype(int))[::-1]
    knots, decades = false[count - 1], np.log10(count / weeks)
    tail = false[:_TAIL]
    reach = _BEYOND * np.log(10.0) * max(float(np.mean(tail - tail[-1])), 1e-6)
    knots, decades = np.append(knots, knots[-1] + reach), np.append(decades, decades[-1] - _BEYOND)
    later = np.append(np.diff(knots) > 0, True)  # of equal sums the last: it has the fewest false alerts beyond
    return knots[later], decades[later]


def _recall(
    lessons: Sequence[Lesson], sums: Sequence[FloatArray], knots: FloatArray, decades: FloatArray, budget: float
) -> float:
    threshold = np.interp(-np.log10(budget), -decades, knots)
    found = int((_tops(lessons, sums, "incident") > threshold).sum())
    return round(found / sum(each.incidents for each in lessons), 3)
