"""The desk between the rules and Alertmanager: alerts of series go in, incidents go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from aiops import telemetry
from aiops.alerting.alert import Alert, Status
from aiops.alerting.explain import DATA_UNTIL
from aiops.alerting.feedback import Opinions
from aiops.alerting.incidents import Incidents
from aiops.alerting.links import Links
from aiops.alerting.rules import AlertRule
from aiops.ports import AlertOutbox, Clock, FeedbackStore
from aiops.series.duration import duration_text

_log = structlog.get_logger(__name__)


class Desk:
    """Keeps what the rules say of series, forms incidents of it, and puts these into the outbox.

    What was kept goes on after a restart: series find their incident again, and what had not been told yet is told.

    Args:
        outbox: Where alerts go, and where they are kept.
        clock: The time.
        rule_of: Returns the rule of a series, by its alert.
        links: Where people go on from an alert.
        feedback: What people say of incidents; None if nobody is asked.
    """

    def __init__(
        self,
        outbox: AlertOutbox,
        clock: Clock,
        rule_of: Callable[[Alert], AlertRule],
        links: Links | None = None,
        feedback: FeedbackStore | None = None,
    ) -> None:
        self._feedback = feedback
        self._links = links or Links()
        self._outbox = outbox
        self._clock = clock
        self._incidents = Incidents(rule_of)
        self._incidents.resume(
            [alert for alert, _ in outbox.series().values()],
            [alert for alert, _ in outbox.firing().values()],
            outbox.told(),
            clock.now(),
        )

    def put(self, changes: Sequence[Alert]) -> None:
        """Take in alerts of series that began to fire, grew worse or were resolved; they are on disk on return."""
        self._outbox.keep_series(changes)
        self._incidents.take(changes, self._clock.now())

    def series(self) -> Mapping[str, tuple[Alert, datetime]]:
        """Return the alerts of series that fire, by fingerprint, with when they changed."""
        return self._outbox.series()

    def tell(self) -> None:
        """Put into the outbox what people are to be told now; to be called every few seconds."""
        now = self._clock.now()
        given = self._feedback.changed() if self._feedback is not None else None
        if given is not None:
            self._incidents.opinions = Opinions(given)
        news = self._incidents.flush(now)
        if news.alerts:
            self._outbox.put([self._linked(alert, now) for alert in news.alerts])
        if news.told:
            self._outbox.note_told(news.told)
            if self._feedback is not None:
                self._feedback.note(news.told, now)
        for outcome, severity in news.outcomes:
            telemetry.counter(telemetry.INCIDENTS).labels(outcome, severity.value).inc()
            if outcome == "withheld":
                _log.warning("incident withheld", reason="its budget is used up, or feedback says so")
        self._measure(now)

    def _linked(self, alert: Alert, now: datetime) -> Alert:
        """Return an alert with the links that people follow, and how old the data were when it was told."""
        said = dict(alert.annotations)
        until = said.pop(DATA_UNTIL, "")
        if until and alert.status is Status.FIRING:
            said["data_age"] = duration_text(max(now - datetime.fromisoformat(until), timedelta(0)))
        more = {
            "explain": self._links.explain(said.get("query", ""), alert.starts_at),
            "silence": self._links.silence(alert.labels),
            "feedback": "" if self._feedback is None else f"aiops feedback {alert.fingerprint} useful|noise|expected",
        }
        return replace(alert, annotations=said | {name: link for name, link in more.items() if link})

    def _measure(self, now: datetime) -> None:
        used, budget = telemetry.gauge(telemetry.ALERT_BUDGET_USED), telemetry.gauge(telemetry.ALERT_BUDGET)
        used.clear()
        budget.clear()
        for scope, (share, a_week) in self._incidents.budget_used(now).items():
            name = ",".join(f"{label}={value}" for label, value in scope)
            used.labels(name).set(share)
            budget.labels(name).set(a_week)
        telemetry.gauge(telemetry.INCIDENT_SERIES).set(sum(len(each.members) for each in self._incidents.open))
