"""From scores to alerts: how odd for how long, and how calm for how long. Pure: a point in, a new condition out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from aiops.alerting import explain
from aiops.alerting.alert import Alert, Severity, Status, fingerprint
from aiops.alerting.episode import Episode, Kind
from aiops.alerting.explain import Subject
from aiops.detection.score import AnomalyScore
from aiops.errors import ConfigError
from aiops.series import SeriesKey

ANOMALOUS: Final = "SeriesAnomalous"
SILENT: Final = "SeriesSilent"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """When to tell a person.

    Lengths of time count observed points only: a gap adds nothing to them and takes nothing away, so missing data
    neither pages nor resolves.

    Attributes:
        page_score: At or above it, a point speaks for a page.
        page_after: How long points in a row must do so.
        ticket_score: At or above it, a point is odd, and speaks for a ticket.
        ticket_after: How long points in a row must do so.
        clear_score: Below it, a point is calm; between it and ``ticket_score`` an alert stays as it is.
        clear_after: How long points in a row must be calm before an alert is resolved.
        shift_after: From how long on an anomaly is called a shift instead of a spike or a drop.
        silent_after: How long a series may send nothing before that opens a ticket; it never pages.
        forget_after: How long it may be silent before it is taken for removed and all its alerts are resolved.
        alerts_a_week: Incidents of one service, or monitor, that people are willing to be told of within a week.

    Raises:
        ConfigError: If the scores are not in order within (0, 1], or a length or the budget is not positive.
    """

    page_score: float = 0.9999
    page_after: timedelta = timedelta(minutes=3)
    ticket_score: float = 0.999
    ticket_after: timedelta = timedelta(minutes=10)
    clear_score: float = 0.99
    clear_after: timedelta = timedelta(minutes=5)
    shift_after: timedelta = timedelta(minutes=15)
    silent_after: timedelta = timedelta(minutes=15)
    forget_after: timedelta = timedelta(days=1)
    alerts_a_week: float = 7.0

    def __post_init__(self) -> None:
        if not 0 < self.clear_score <= self.ticket_score <= self.page_score <= 1:
            raise ConfigError(
                "alert rule: 0 < clear_score <= ticket_score <= page_score <= 1 is needed, "
                f"got {self.clear_score}, {self.ticket_score}, {self.page_score}"
            )
        if not 0.01 <= self.alerts_a_week <= 1e6:
            raise ConfigError(f"alert rule: alerts_a_week must be between 0.01 and 1e6, got {self.alerts_a_week}")
        lengths = (self.page_after, self.ticket_after, self.clear_after, self.shift_after, self.silent_after)
        if min(lengths) <= timedelta(0) or self.forget_after <= self.silent_after:
            raise ConfigError(
                "alert rule: every length must be positive, and forget_after longer than silent_after; "
                f"got {', '.join(map(str, (*lengths, self.forget_after)))}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What the rule remembers of one series.

    Attributes:
        last_seen: Stamp of the last observed point; None before the first.
        episode: The odd points that led to the present alert, or may lead to one; None while all is calm.
        odd_points: Odd points in a row.
        page_points: Points in a row that speak for a page.
        calm_points: Calm points in a row.
        alert: The alert that is firing; None if none is.
        silence: The ticket that says the series is silent; None if it is not.
    """

    last_seen: datetime | None = None
    episode: Episode | None = None
    odd_points: int = 0
    page_points: int = 0
    calm_points: int = 0
    alert: Alert | None = None
    silence: Alert | None = None


CALM: Final = Condition()
"""A series of which nothing is known yet."""


def advance(
    rule: AlertRule, condition: Condition, score: AnomalyScore, subject: Subject
) -> tuple[Condition, tuple[Alert, ...]]:
    """Take in the score of the next point and return the new condition, with the alerts that changed.

    An alert that becomes a page is two changes, since its labels change: the ticket resolved and the page firing.
    """
    if math.isnan(score.observed):
        return _missing(rule, condition, score.at, subject)
    condition, changes = _heard(condition, score, subject)
    if score.warming_up:
        return condition, changes
    condition = _count(rule, condition, score)
    condition, change = _decide(rule, condition, score.at + subject.step, subject)
    return condition, changes + change


def identities(subject: Subject) -> tuple[str, ...]:
    """Return the fingerprints of all alerts that this series can have."""
    kinds = ((ANOMALOUS, Severity.PAGE), (ANOMALOUS, Severity.TICKET), (SILENT, Severity.TICKET))
    return tuple(fingerprint(_labels(name, severity, subject)) for name, severity in kinds)


def resume(alerts: Sequence[Alert], key: SeriesKey, last_seen: datetime | None) -> Condition:
    """Return the condition of a series whose alerts were firing when the process before this one ended.

    The rule goes on from there: what is calm now is resolved when it has been calm for long enough.
    """
    condition = replace(CALM, last_seen=last_seen)
    for alert in alerts:
        if alert.labels["alertname"] == SILENT:
            condition = replace(condition, silence=alert)
        elif condition.alert is None or alert.severity is Severity.PAGE:
            forgotten = AnomalyScore(
                key=key,
                at=alert.starts_at,
                observed=math.nan,
                expected=math.nan,
                lower=math.nan,
                upper=math.nan,
                value=0.0,
                detector="",
                warming_up=False,
            )
            episode = Episode(points=1, first=forgotten, worst=forgotten)
            condition = replace(condition, alert=alert, episode=episode)
    return condition


def _count(rule: AlertRule, condition: Condition, score: AnomalyScore) -> Condition:
    odd, calm = score.value >= rule.ticket_score, score.value < rule.clear_score
    episode = condition.episode
    if odd:
        episode = Episode(points=1, first=score, worst=score) if episode is None else episode.and_then(score)
    elif condition.alert is None:
        episode = None
    return replace(
        condition,
        episode=episode,
        odd_points=condition.odd_points + 1 if odd else 0,
        page_points=condition.page_points + 1 if score.value >= rule.page_score else 0,
        calm_points=condition.calm_points + 1 if calm else 0,
    )


def _decide(
    rule: AlertRule, condition: Condition, now: datetime, subject: Subject
) -> tuple[Condition, tuple[Alert, ...]]:
    """Fire, escalate, resolve, or leave all as it is."""
    episode, alert, step = condition.episode, condition.alert, subject.step
    if episode is None:
        return condition, ()
    if condition.page_points * step >= rule.page_after:
        wanted = Severity.PAGE
    elif condition.odd_points * step >= rule.ticket_after:
        wanted = Severity.TICKET
    elif alert is not None and condition.calm_points * step >= rule.clear_after:
        ended = _resolved(rule, alert, episode, now, subject)
        return replace(condition, episode=None, alert=None), (ended,)
    else:
        return condition, ()
    if alert is not None and (alert.severity is wanted or wanted is Severity.TICKET):
        return condition, ()
    said = explain.firing(subject, episode, episode.kind(-(-rule.shift_after // step)))
    said[explain.DATA_UNTIL] = now.isoformat()
    fired = _alert(ANOMALOUS, wanted, subject, episode.since, said, episode.worst.value)
    before = () if alert is None else (replace(alert, status=Status.RESOLVED, ends_at=now),)
    return replace(condition, alert=fired), (*before, fired)


def _resolved(rule: AlertRule, alert: Alert, episode: Episode, now: datetime, subject: Subject) -> Alert:
    if math.isnan(episode.worst.observed):  # what was odd is known from the alert alone
        said = dict(alert.annotations) | explain.calm_again(subject, episode.since, now)
    else:
        kind = episode.kind(-(-rule.shift_after // subject.step))
        told = alert.annotations.get("kind")
        if told in (Kind.TREND, Kind.SEASON):  # the values before it said so, which the end of it does not change
            kind = Kind(told)
        said = explain.resolved(subject, episode, kind, now)
    return replace(alert, status=Status.RESOLVED, ends_at=now, annotations=said)


def _heard(condition: Condition, score: AnomalyScore, subject: Subject) -> tuple[Condition, tuple[Alert, ...]]:
    """Note that the series sent something; that ends a silence."""
    silence, last_seen = condition.silence, condition.last_seen
    condition = replace(condition, last_seen=score.at, silence=None)
    if silence is None or last_seen is None:
        return condition, ()
    # Points of the past, sent late, end a silence that began after them.
    back = max(score.at, silence.starts_at)
    said = explain.heard_again(subject, last_seen, back)
    ended = replace(silence, status=Status.RESOLVED, ends_at=back + subject.step, annotations=said)
    return condition, (ended,)


def _missing(
    rule: AlertRule, condition: Condition, at: datetime, subject: Subject
) -> tuple[Condition, tuple[Alert, ...]]:
    """Take in a gap: after a while a ticket, after a long while the end of all alerts."""
    if condition.last_seen is None:
        return condition, ()
    now = at + subject.step
    silent_for = at - condition.last_seen
    if silent_for >= rule.forget_after:
        said = explain.forgotten(subject, condition.last_seen, now)
        changes = tuple(
            replace(each, status=Status.RESOLVED, ends_at=now, annotations=said)
            for each in (condition.alert, condition.silence)
            if each is not None
        )
        return CALM, changes
    if silent_for < rule.silent_after or condition.silence is not None:
        return condition, ()
    said = explain.silent(subject, condition.last_seen, now)
    silence = _alert(SILENT, Severity.TICKET, subject, condition.last_seen + subject.step, said)
    return replace(condition, silence=silence), (silence,)


def _alert(
    name: str, severity: Severity, subject: Subject, since: datetime, said: dict[str, str], score: float = 0.0
) -> Alert:
    """Make a firing alert."""
    labels = _labels(name, severity, subject)
    return Alert(
        status=Status.FIRING,
        severity=severity,
        starts_at=since,
        labels=labels,
        annotations=said,
        scope=dict(subject.scope),
        score=score,
    )


def _labels(name: str, severity: Severity, subject: Subject) -> dict[str, str]:
    """Return the labels of a series, and before them what is the matter and how urgent it is, as routing needs."""
    identity = {"alertname": name, "severity": severity.value}
    if subject.key.name:
        identity["metric"] = subject.key.name
    identity = dict(subject.labels) | identity
    own = {(label if label not in identity else f"series_{label}"): value for label, value in subject.key.labels}
    return identity | own
