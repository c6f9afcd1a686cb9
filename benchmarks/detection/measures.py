"""Figures over scores and labels: recall at a budget (cross-fitted), VUS-PR, the NAB score, delays.

VUS-PR: Boniol et al. (2025), "VUS: effective and efficient accuracy measures for time-series anomaly detection", The
VLDB Journal 34. NAB: Lavin and Ahmad (2015), "Evaluating real-time anomaly detection algorithms", ICMLA 14.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.detection.incident_runs import incidents, margin_points
from aiops.series import FloatArray, IntArray
from benchmarks.detection.events import Outcome, judge

FOLDS = 5
REPETITIONS = 5
_NAB_FALSE = 0.11


@dataclass(frozen=True, slots=True, kw_only=True)
class AtBudget:
    """What one threshold for all series does, chosen on other groups than it is used for.

    Attributes:
        recall: Share of incidents found.
        false_alerts: False alerts a series-week that came of it.
        by_origin: Recall of each origin.
        thresholds: Lowest and highest of the folds.
        delays: Median steps from the first labelled point to the first exceedance, of each origin.
    """

    recall: float
    false_alerts: float
    by_origin: dict[str, float]
    thresholds: tuple[float, float]
    delays: dict[str, float]


def folds(groups: Sequence[str], repetition: int) -> IntArray:
    """Return the fold of each series; series of one group share it."""
    names = sorted(set(groups))
    order = np.random.default_rng(repetition).permutation(len(names))
    return np.array([order[names.index(group)] % FOLDS for group in groups])


def at_budget(
    series: Sequence[Any], scores: Sequence[FloatArray], outcomes: Sequence[Outcome], thresholds: FloatArray, fold: Any,
    budget: float,
) -> AtBudget:  # fmt: skip
    """Pool what happens in each fold at the lowest threshold above which the budget is kept in all the others.

    Below some threshold everything is one long excursion, which the event rules count as one false alert: such a
    threshold keeps any budget and is not meant. So all thresholds above the chosen one have to keep it too.
    """
    found, false, delay = np.zeros(len(series)), np.zeros(len(series)), [np.empty(0)] * len(series)
    chosen = []
    for number in np.unique(fold):
        others = [outcome for outcome, own in zip(outcomes, fold, strict=True) if own != number]
        alerts = np.sum([each.false_alerts for each in others], axis=0) / sum(each.weeks for each in others)
        broken = np.flatnonzero(alerts > budget)
        place = min(int(broken[-1]) + 1, len(thresholds) - 1) if len(broken) else 0
        chosen.append(float(thresholds[place]))
        for index in np.flatnonzero(fold == number).tolist():
            found[index], false[index] = outcomes[index].found[place], outcomes[index].false_alerts[place]
            delay[index] = delays(series[index], scores[index], float(thresholds[place]))
    number_of = np.array([each.incidents for each in outcomes])
    origins = np.array([each.origin for each in series])
    names = sorted(set(origins.tolist()))
    return AtBudget(
        recall=float(found.sum() / number_of.sum()),
        false_alerts=float(false.sum() / sum(each.weeks for each in outcomes)),
        by_origin={name: float(found[origins == name].sum() / number_of[origins == name].sum()) for name in names},
        thresholds=(min(chosen), max(chosen)),
        delays={
            name: float(
                np.median(np.concatenate([delay[i] for i in np.flatnonzero(origins == name)] or [np.array([np.nan])]))
            )
            for name in names
        },
    )


def delays(one: Any, scores: FloatArray, threshold: float) -> FloatArray:
    """Return the steps until each incident that is found is found; 0 if that is before its first labelled point."""
    margin = margin_points(one.step_seconds)
    found = []
    for first, last in incidents(one.labels, margin):
        if last < one.probation:
            continue
        over = np.flatnonzero(scores[max(first - margin, one.probation) : last + margin + 1] > threshold)
        if len(over):
            found.append(max(max(first - margin, one.probation) + int(over[0]) - first, 0))
    return np.array(found, dtype=np.float64)


def outcomes(series: Sequence[Any], scores: Sequence[FloatArray], thresholds: FloatArray) -> list[Outcome]:
    """Judge every series at every threshold."""
    return [
        judge(own, each.labels, each.step_seconds, each.probation, thresholds)
        for own, each in zip(scores, series, strict=True)
    ]


def thresholds_of(scores: Sequence[FloatArray], count: int = 200) -> FloatArray:
    """Return thresholds that leave from one point in ten to one in a million, and all points below the highest."""
    spoken = np.sort(np.concatenate([own[own > own.min()] for own in scores if len(own)]))
    places = len(spoken) * (1.0 - np.geomspace(0.1, 1e-6, count))
    reached = spoken[np.minimum(places.astype(int), len(spoken) - 1)]
    return np.unique(np.append(np.nextafter(reached, -np.inf), spoken[-1]))  # what reaches it exceeds it


def vus_pr(scores: FloatArray, labels: FloatArray, window: int) -> float:
    """Return the volume under the precision-recall surface over buffers of 0 to ``window`` points; NaN without labels.

    As TSB-AD computes it, with every distinct score as a threshold instead of 250 of them.
    """
    truth = labels == 1
    if not truth.any() or truth.all():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))  # a threshold takes all points of its score
    predicted = last + 1.0
    inside = np.cumsum(truth[order])[last]
    runs = _runs(truth)
    areas = []
    for buffer in range(window + 1):
        soft = _softened(truth, runs, buffer)
        extended = np.cumsum(np.where(truth, 0.0, soft)[order])[last]
        tops = np.sort([-scores[first : end + 1].max() for first, end in _runs(soft > 0)])
        existing = np.searchsorted(tops, -ordered[last], side="right") / len(tops)
        hits = inside + extended
        recall = np.minimum(hits / (truth.sum() + 0.5 * extended), 1.0) * existing
        areas.append(float(np.sum(np.diff(recall, prepend=0.0) * hits / predicted)))
    return float(np.mean(areas))


def _softened(truth: NDArray[np.bool_], runs: Sequence[tuple[int, int]], buffer: int) -> FloatArray:
    soft = truth.astype(np.float64)
    half = buffer // 2
    if half:
        slope = np.sqrt(1.0 - np.arange(1, half + 1) / buffer)
        for first, end in runs:
            after, before = soft[end + 1 : end + 1 + half], soft[max(first - half, 0) : first]
            after += slope[: len(after)]
            before += slope[: len(before)][::-1]
    return np.minimum(soft, 1.0)


def _runs(truth: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.diff(truth.astype(np.int8), prepend=0, append=0)
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))


def nab(series: Sequence[Any], scores: Sequence[FloatArray], fold: Any) -> float:
    """Return NAB's score, standard profile, 100 for perfect and 0 for silence; one threshold, from the other folds."""
    thresholds = thresholds_of([own[each.probation :] for own, each in zip(scores, series, strict=True)], 100)
    raw = np.array([[_nab_one(each, own, t) for t in thresholds] for own, each in zip(scores, series, strict=True)])
    windows = sum(len(_nab_windows(each)) for each in series)
    total = sum(
        raw[fold == number, int(np.argmax(raw[fold != number].sum(axis=0)))].sum() for number in np.unique(fold)
    )
    return float(100.0 * (total + windows) / (2.0 * windows))


def _nab_windows(one: Any) -> list[tuple[int, int]]:
    return [(first, end) for first, end in _runs(one.labels == 1) if end >= one.probation]


def _nab_one(one: Any, scores: FloatArray, threshold: float) -> float:
    windows = _nab_windows(one)
    over = np.flatnonzero(scores > threshold)
    over = over[over >= one.probation]
    found, total = set(), 0.0
    for place in over.tolist():
        held = next((w for w in windows if w[0] <= place <= w[1]), None)
        if held is not None:
            if held not in found:
                found.add(held)
                position = -(held[1] - place + 1) / (held[1] - held[0] + 1)
                total += _sigmoid(position) / _sigmoid(-1.0)
            continue
        before = [w for w in windows if w[1] < place]
        position = (place - before[-1][1]) / max(before[-1][1] - before[-1][0], 1) if before else 9.0
        total += _NAB_FALSE * (_sigmoid(position) if position <= 3.0 else -1.0)
    return total - (len(windows) - len(found))


def _sigmoid(position: float) -> float:
    return float(2.0 / (1.0 + np.exp(5.0 * position)) - 1.0)
