"""From alerts of single series to incidents: what belongs together is told once, with all series counted.

Pure: it reads no clock. ``take`` what the rules said of series, and ask with ``flush`` every few seconds what people
are to be told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from aiops.alerting import incident_text
from aiops.alerting.alert import Alert, Severity, Status, fingerprint
from aiops.alerting.budget import Budget, Scope
from aiops.alerting.feedback import Opinions
from aiops.alerting.rules import ANOMALOUS, SILENT, AlertRule

STORM: Final = {ANOMALOUS: "ManySeriesAnomalous", SILENT: "ManySeriesSilent"}
"""Name of the one alert for what begins in too many scopes at a time, by the name of the alerts of one scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """How alerts of series become incidents.

    Attributes:
        quiet: A new incident is told when no series has joined it for so long.
        longest: It is told after so long at the latest.
        together: Series of one scope whose onsets are no further apart are one incident.
        scopes: When more incidents than that begin within ``together``, the rest are one: a storm.
    """

    quiet: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(minutes=1)
    together: timedelta = timedelta(minutes=15)
    scopes: int = 5


@dataclass(slots=True, kw_only=True, eq=False)
class Incident:
    """Series that turned odd, or silent, together.

    Attributes:
        name: Of its alert.
        scope: What it concerns; empty for a storm.
        number: 1, or more if an earlier incident of that scope is still open.
        opened: When the first series was taken.
        joined: When the last one was.
        first: The first onset of any series.
        last: The last one.
        members: The last state of each series' alert.
        told: What people were last told; None if nothing yet.
        withheld: Whether the budget keeps it from being told.
        changed: Whether there is news since.
    """

    name: str
    scope: Scope
    number: int = 1
    opened: datetime
    joined: datetime
    first: datetime
    last: datetime
    members: dict[str, Alert] = field(default_factory=dict)
    told: Alert | None = None
    withheld: bool = False
    changed: bool = True

    @property
    def open(self) -> bool:
        """Whether any of its series still fires."""
        return any(each.status is Status.FIRING for each in self.members.values())

    @property
    def severity(self) -> Severity:
        """A page if any of its series was one, since it was opened."""
        paged = any(each.severity is Severity.PAGE for each in self.members.values())
        return Severity.PAGE if paged or (self.told and self.told.severity is Severity.PAGE) else Severity.TICKET

    @property
    def score(self) -> float:
        """Of the oddest point of any series."""
        return max((each.score for each in self.members.values()), default=0.0)

    def began_near(self, at: datetime, together: timedelta) -> bool:
        """Return whether an onset belongs to this incident."""
        return self.first - together <= at <= self.last + together

    def take_over(self, members: Mapping[str, Alert], now: datetime) -> None:
        """Let series join."""
        self.members |= members
        onsets = [each.starts_at for each in members.values()]
        self.first, self.last = min(self.first, *onsets), max(self.last, *onsets)
        self.joined, self.changed = now, True

    def alert(self, now: datetime) -> Alert:
        """Return what people are to be told now."""
        severity, still_open = self.severity, self.open
        if self.told is not None and self.told.severity is severity:
            labels = dict(self.told.labels)
        else:
            labels = {**dict(self.scope), "alertname": self.name, "severity": severity.value}
            labels |= {"incident": str(self.number)} if self.number > 1 else {}
        states = list(self.members.values())
        starts_at = self.first if self.told is None else self.told.starts_at
        ends_at = None
        if not still_open:
            ends_at = max([starts_at, *(each.ends_at for each in states if each.ends_at is not None)])
            ends_at = ends_at if states else max(now, starts_at)
        return Alert(
            status=Status.FIRING if still_open else Status.RESOLVED,
            severity=severity,
            starts_at=starts_at,
            ends_at=ends_at,
            labels=labels,
            annotations=self._annotations(states, starts_at, ends_at),
            scope=dict(self.scope),
            score=self.score,
        )

    def _annotations(self, states: list[Alert], starts_at: datetime, ends_at: datetime | None) -> dict[str, str]:
        if states:
            return incident_text.words(states, dict(self.scope), starts_at, ends_at)
        said = dict(self.told.annotations) if self.told is not None else {}
        return said | {"summary": f"{said.get('series', self.name)}: closed: nothing of it was found after a restart"}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a flush brought.

    Attributes:
        alerts: What people are to be told, in order.
        told: Incidents that people know of and that have changed, by a name that stays theirs.
        outcomes: (outcome, severity) of incidents that were decided: told, withheld or over before anybody was told.
    """

    alerts: tuple[Alert, ...] = ()
    told: Mapping[str, Alert] = field(default_factory=dict)
    outcomes: tuple[tuple[str, Severity], ...] = ()


class Incidents:
    """Forms incidents, holds back what goes beyond the budget, and joins storms.

    Args:
        rule_of: Returns the rule of a series, by its alert.
        gathering: What belongs together.
    """

    def __init__(self, rule_of: Callable[[Alert], AlertRule], gathering: Gathering | None = None) -> None:
        self._rule_of = rule_of
        self._gathering = gathering or Gathering()
        self.opinions = Opinions()
        """What people said of incidents; to be replaced when they say more."""
        self._budget = Budget()
        self._rules: dict[Scope, AlertRule] = {}
        self._incidents: dict[str, list[Incident]] = defaultdict(list)  # by name and scope
        self._of: dict[str, Incident] = {}  # by series
        self._recent: list[datetime] = []  # when the last incidents were told

    @property
    def open(self) -> list[Incident]:
        """All that is going on, told of or not."""
        return [each for group in self._incidents.values() for each in group]

    def resume(
        self, series: Iterable[Alert], alerts: Iterable[Alert], told: Mapping[str, Alert], now: datetime
    ) -> None:
        """Go on where the process before this one ended.

        Args:
            series: Alerts of series that were firing.
            alerts: Those of incidents that were.
            told: Incidents of the last weeks, by the name that ``News.told`` gave them.
            now: The present.
        """
        opened = {}
        for name, alert in sorted(told.items(), key=lambda each: _told_at(each[0])):
            opened[name.partition("@")[0]] = _told_at(name)
            if alert.labels["alertname"] == ANOMALOUS:
                self._budget.spend(_pairs(alert.scope), _told_at(name))
        for alert in alerts:
            number = alert.labels.get("incident", "1")
            self._add(
                Incident(
                    name=alert.labels["alertname"],
                    scope=_pairs(alert.scope),
                    number=int(number) if number.isdigit() else 1,
                    opened=opened.get(_stem(alert), now),
                    joined=now,
                    first=alert.starts_at,
                    last=alert.starts_at,
                    told=alert,
                )
            )
        for alert in series:
            self._join(alert, self._joinable(alert) or self._storm(alert.labels["alertname"]), now)

    def take(self, changes: Sequence[Alert], now: datetime) -> None:
        """Take in alerts of series that began to fire, grew worse or were resolved."""
        for alert in changes:
            key = _series(alert)
            incident = self._of.get(key)
            if alert.status is Status.FIRING:
                if incident is None:
                    self._join(alert, self._joinable(alert), now)
                else:
                    incident.members[key], incident.changed = alert, True
            elif incident is not None and incident.members[key].fingerprint == alert.fingerprint:
                # A ticket that has become a page is resolved as a ticket, which is no end of it.
                incident.members[key] = replace(alert, score=incident.members[key].score)
                incident.changed = True

    def flush(self, now: datetime) -> News:
        """Return what people are to be told now."""
        alerts: list[Alert] = []
        told: dict[str, Alert] = {}
        outcomes: list[tuple[str, Severity]] = []
        for each in self.open:
            if each.told is None and not each.open:
                if not each.withheld:
                    outcomes.append(("over", each.severity))
                self._drop(each)
        for each in self._told_now(now, outcomes):
            each.told = each.alert(now)
            each.changed = False
            alerts.append(each.told)
            told[_name(each)] = each.told
            outcomes.append(("told", each.severity))
        for each in self.open:
            if each.told is None or not each.changed:
                continue
            said = each.alert(now)
            if said.severity is not each.told.severity:
                alerts.append(replace(each.told, status=Status.RESOLVED, ends_at=max(now, each.told.starts_at)))
            alerts.append(said)
            told[_name(each)] = said
            each.told, each.changed = said, False
            if said.status is Status.RESOLVED:
                self._drop(each)
        return News(alerts=tuple(alerts), told=told, outcomes=tuple(outcomes))

    def budget_used(self, now: datetime) -> dict[Scope, tuple[float, float]]:
        """Return (share used, incidents a week) of each scope that has used any of its budget."""
        used = self._budget.used(self._rules, now)
        return {scope: (share, self._rules[scope].alerts_a_week) for scope, share in used.items()}

    def _told_now(self, now: datetime, outcomes: list[tuple[str, Severity]]) -> Iterator[Incident]:
        """Yield incidents that are to be told for the first time; those of a storm as one."""
        rules = self._gathering
        self._recent = [at for at in self._recent if now - at < rules.together]
        ripe = [
            each
            for each in self.open
            if each.told is None and (now - each.joined >= rules.quiet or now - each.opened >= rules.longest)
        ]
        fresh = [each for each in ripe if not each.withheld]
        for name in STORM:
            own = [each for each in fresh if each.name == name]
            storm = self._storm(name)
            if own and storm is not None and now - storm.joined < rules.together:
                self._merge(own, storm, now)
            elif own and len(self._recent) + len(fresh) > rules.scopes:
                yield self._new_storm(own, now)
            else:
                continue
            ripe = [each for each in ripe if each not in own]
        for each in ripe:
            if self.opinions.expected(each.name, each.scope, now):
                self._withhold(each, outcomes)
                continue
            rule = min((self._rule_of(alert) for alert in each.members.values()), key=lambda rule: rule.alerts_a_week)
            if each.name == ANOMALOUS:
                self._rules[each.scope] = rule
                noise = self.opinions.noise(each.name, each.scope, now)
                if not self._budget.allows(each.scope, rule, each.score, now, noise):
                    self._withhold(each, outcomes)
                    continue
                self._budget.spend(each.scope, now)
            each.withheld = False
            each.opened = now
            self._recent.append(now)
            yield each

    @staticmethod
    def _withhold(incident: Incident, outcomes: list[tuple[str, Severity]]) -> None:
        if not incident.withheld:
            outcomes.append(("withheld", incident.severity))
        incident.withheld = True

    def _new_storm(self, incidents: Sequence[Incident], now: datetime) -> Incident:
        """Return one incident for all of these; its scope is what they have in common."""
        name = STORM[incidents[0].name]
        common = set(incidents[0].scope).intersection(*(each.scope for each in incidents))
        onset = min(each.first for each in incidents)
        storm = Incident(
            name=name,
            scope=tuple(sorted(common)),
            number=1 + sum(each.name == name for each in self.open),
            opened=now,
            joined=now,
            first=onset,
            last=onset,
        )
        self._add(storm)
        self._merge(incidents, storm, now)
        return storm

    def _merge(self, incidents: Sequence[Incident], storm: Incident, now: datetime) -> None:
        for each in incidents:
            self._drop(each)
            storm.take_over(each.members, now)
            self._of |= dict.fromkeys(each.members, storm)

    def _storm(self, name: str) -> Incident | None:
        """Return the newest storm of alerts of this name that people know of."""
        storms = [each for each in self.open if each.name == STORM[name] and each.told is not None]
        return max(storms, key=lambda each: each.opened, default=None)

    def _joinable(self, alert: Alert) -> Incident | None:
        for each in self._incidents.get(_group(alert.labels["alertname"], _pairs(alert.scope)), ()):
            if each.began_near(alert.starts_at, self._gathering.together):
                return each
        return None

    def _join(self, alert: Alert, incident: Incident | None, now: datetime) -> None:
        """Let a series join an incident; a new one if there is none."""
        key = _series(alert)
        incident = incident or self._new(alert, now)
        incident.take_over({key: alert}, now)
        self._of[key] = incident

    def _new(self, alert: Alert, now: datetime) -> Incident:
        name, scope, onset = alert.labels["alertname"], _pairs(alert.scope), alert.starts_at
        taken = {each.number for each in self._incidents[_group(name, scope)]}
        number = next(each for each in range(1, len(taken) + 2) if each not in taken)
        incident = Incident(name=name, scope=scope, number=number, opened=now, joined=now, first=onset, last=onset)
        self._add(incident)
        return incident

    def _add(self, incident: Incident) -> None:
        self._incidents[_group(incident.name, incident.scope)].append(incident)

    def _drop(self, incident: Incident) -> None:
        group = _group(incident.name, incident.scope)
        self._incidents[group].remove(incident)
        if not self._incidents[group]:
            del self._incidents[group]
        for key in incident.members:
            if self._of.get(key) is incident:
                del self._of[key]


def _series(alert: Alert) -> str:
    """Return what stays the same when a ticket of a series becomes a page."""
    return fingerprint({label: value for label, value in alert.labels.items() if label != "severity"})


def _group(name: str, scope: Scope) -> str:
    return repr((name, scope))


def _pairs(labels: Mapping[str, str]) -> Scope:
    return tuple(sorted(labels.items()))


def _stem(alert: Alert) -> str:
    return fingerprint({**alert.labels, "severity": ""})


def _name(incident: Incident) -> str:
    """Return a name that an incident keeps when it becomes a page, and that tells it from the next of its kind."""
    assert incident.told is not None  # noqa: S101 - only what was told has a name
    return f"{_stem(incident.told)}@{incident.opened.isoformat()}"


def _told_at(name: str) -> datetime:
    return datetime.fromisoformat(name.partition("@")[2])
