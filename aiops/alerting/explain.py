"""What a person reads at three in the morning: what is seen, what was expected, how odd that is, since when."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from aiops.alerting import evidence
from aiops.alerting.episode import Episode, Kind
from aiops.alerting.quantity import how_often, instant, odds, quantity, span
from aiops.detection.score import AnomalyScore, Contribution
from aiops.series import FloatArray, SeriesKey
from aiops.series.duration import duration_text

DATA_UNTIL: Final = "data_until"
"""Annotation: when the newest point was known; whoever tells people makes an age of it."""

_ENDLESS: Final = 1e36  # the fleet detector says so much where no value would be odd


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an alert is about, beside its scores.

    Attributes:
        key: Which series.
        step: Its grid.
        unit: Base unit of its values; empty if unknown.
        model: Which model made the forecast; empty if there is none.
        runbook: Where to read what to do; empty if nowhere.
        labels: Sorted (label, value) pairs for routing, which go before those of the series.
        scope: Sorted (label, value) pairs of what it belongs to, such as a service: one incident at a time.
        query: What it is read by; empty for pushed series.
        history: Returns what is remembered of it up to the newest point; None if nothing is.
    """

    key: SeriesKey
    step: timedelta
    unit: str = ""
    model: str = ""
    runbook: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    scope: tuple[tuple[str, str], ...] = ()
    query: str = ""
    history: Callable[[], FloatArray] | None = field(default=None, compare=False)


def firing(subject: Subject, episode: Episode, kind: Kind) -> dict[str, str]:
    """Return the annotations of an alert that has just begun to fire, or grew worse.

    Args:
        subject: What it is about.
        episode: Its odd points.
        kind: What these look like by themselves; the values before them may say more.
    """
    past = subject.history() if subject.history is not None else np.empty(0)
    if evidence.misses_season(past, subject.step, episode.points):
        kind = Kind.SEASON
    elif kind in (Kind.SPIKE, Kind.DROP, Kind.SHIFT) and evidence.is_trend(past, episode.points):
        kind = Kind.TREND
    found = _annotations(subject, episode, kind, f"{_name(subject)}: {_comparison(subject, episode.worst)}")
    if len(past):
        found["sparkline"] = evidence.sparkline(past, subject.step, subject.unit)
        found["confidence"] = evidence.confidence(past)
    return found


def resolved(subject: Subject, episode: Episode, kind: Kind, ended: datetime) -> dict[str, str]:
    """Return the annotations of an alert whose series is back to normal."""
    lasted = duration_text(ended - episode.since)
    return _annotations(
        subject,
        episode,
        kind,
        f"{_name(subject)}: normal again after {lasted}; it was {_comparison(subject, episode.worst)}",
    )


def calm_again(subject: Subject, since: datetime, ended: datetime) -> dict[str, str]:
    """Return what changes in the annotations of an alert whose odd points are not remembered any more."""
    return {"summary": f"{_name(subject)}: normal again after {duration_text(ended - since)}"}


def silent(subject: Subject, last_seen: datetime, now: datetime) -> dict[str, str]:
    """Return the annotations of a series that sends nothing any more."""
    gone = duration_text(now - last_seen - subject.step)
    return _with_links(
        subject,
        {
            "summary": f"{_name(subject)}: no data for {gone}",
            "kind": Kind.SILENCE.value,
            "why": "missing data is not an anomaly of the service by itself: its exporter, the scrape or the query "
            "may have stopped",
            "since": instant(last_seen + subject.step),
        },
    )


def heard_again(subject: Subject, last_seen: datetime, now: datetime) -> dict[str, str]:
    """Return the annotations of a series that was silent and is back."""
    said, gone = silent(subject, last_seen, now), duration_text(now - last_seen - subject.step)
    return said | {"summary": f"{_name(subject)}: data again, after {gone} without"}


def forgotten(subject: Subject, last_seen: datetime, now: datetime) -> dict[str, str]:
    """Return the annotations of a series that has been silent for so long that it is taken for removed."""
    gone = duration_text(now - last_seen - subject.step)
    said = silent(subject, last_seen, now)
    return said | {"summary": f"{_name(subject)}: no data for {gone}, taken for removed; its alerts are closed"}


def _annotations(subject: Subject, episode: Episode, kind: Kind, summary: str) -> dict[str, str]:
    worst = episode.worst
    points = f"{episode.points} point{'s' if episode.points > 1 else ''} of {duration_text(subject.step)}"
    found = {
        "summary": summary,
        "kind": kind.value,
        "observed": quantity(worst.observed, subject.unit),
        "why": f"{_deviation(kind, worst)} at {instant(worst.at)}: {odds(worst.value)} "
        f"(detector {worst.detector}{_agreed(worst.contributions)})",
        "since": f"{instant(episode.since)} ({points})",
    }
    if not math.isnan(worst.expected):
        found["expected"] = quantity(worst.expected, subject.unit)
    if not math.isnan(worst.lower):
        found["normal"] = _normal(subject, worst)
    if worst.contributions:
        found["views"] = "; ".join(
            f"{'above' if each.above else 'below'} {each.view.value}: {how_often(each.alerts_a_week)}"
            for each in worst.contributions
        )
    return _with_links(subject, found)


def _agreed(said: tuple[Contribution, ...]) -> str:
    """Return the two views that agreed, which is what it takes."""
    return f": far from {' and from '.join(each.view.value for each in said[:2])}" if len(said) > 1 else ""


def _with_links(subject: Subject, found: dict[str, str]) -> dict[str, str]:
    if subject.model:
        found["model"] = subject.model
    if subject.runbook:
        found["runbook"] = subject.runbook
    if subject.query:
        found["query"] = subject.query
    return found | {"series": subject.key.series_id}


def _name(subject: Subject) -> str:
    """Return the metric and the values of the labels, which tell it from its like."""
    whose = ", ".join(value for _, value in subject.key.labels)
    return f"{subject.key.name} of {whose}" if subject.key.name and whose else subject.key.name or whose


def _comparison(subject: Subject, worst: AnomalyScore) -> str:
    observed = quantity(worst.observed, subject.unit)
    if math.isnan(worst.expected):
        return f"{observed} is unusual here"
    normal = f" (normal {_normal(subject, worst)})" if not math.isnan(worst.lower) else ""
    return f"{observed}, expected {quantity(worst.expected, subject.unit)}{normal}"


def _normal(subject: Subject, worst: AnomalyScore) -> str:
    # Nobody expects minus three requests: where neither value is negative, the interval is not either.
    lower = max(worst.lower, 0.0) if min(worst.observed, worst.expected) >= 0 else worst.lower
    if worst.upper >= _ENDLESS:
        return "anything" if worst.lower <= -_ENDLESS else f"{quantity(lower, subject.unit)} or more"
    if worst.lower <= -_ENDLESS and lower < 0:
        return f"{quantity(worst.upper, subject.unit)} or less"
    return span(lower, worst.upper, subject.unit)


def _deviation(kind: Kind, worst: AnomalyScore) -> str:
    if kind is Kind.PATTERN:
        return "unusual value or change"
    if worst.lower <= worst.observed <= worst.upper:
        return f"{kind.value}, at a value that is normal by itself"
    side = "above" if worst.observed > worst.expected else "below"
    ratio = abs(worst.observed / worst.expected - 1) if worst.expected else math.inf
    return f"{kind.value}, {ratio:.0%} {side} expected" if ratio < 10 else f"{kind.value}, far {side} expected"
