"""The services of a monitor: series with the same labels of a service, judged together at each step.

How odd a service is becomes a series of its own, watched like any other: calibrated, gated, and with alerts that join
the incident of the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from aiops.alerting.alert import Alert, Status
from aiops.alerting.rules import AlertRule
from aiops.alerting.together import told
from aiops.detection.given import GivenDetector
from aiops.detection.joint import JointDetector, Method, Vectors
from aiops.detection.scorer import Scorer, Scores
from aiops.series import FloatArray, Series, SeriesKey, from_epoch
from aiops.usecases.warming import Warmed, warm_up
from aiops.usecases.watched import WatchedSeries

NAME = "service"
"""Name of the series that says how odd a service is; its labels are those of the service."""

MOST = 32
"""Metrics of one service that are judged together; others, such as a series each pod, are not."""

_TEACHES_BELOW = 0.9999  # joint score; odder vectors would make their own kind normal
_REMEMBERED = timedelta(days=1)


@dataclass(slots=True)
class _Service:
    """One service: its metrics, in the order of its vectors, and what is known of these."""

    vectors: Vectors
    columns: dict[SeriesKey, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Begun:
    """Services that begin to be watched.

    Attributes:
        services: Keys of the series that say how odd they are.
        warmed: What was learnt of the history of these; None if there are none.
    """

    services: tuple[SeriesKey, ...] = ()
    warmed: Warmed | None = None


class Services:
    """Judges the metrics of each service together.

    Args:
        method: How: ``ecod`` or ``iforest``.
        rule: When to tell a person.
        step: Grid.
        group_by: Labels of what is one service; a series without any of them belongs to none.
        query: What the source is asked for the metrics.
        labels: Added to those of every alert.
        runbook: Where people read what to do; empty if nowhere.

    Raises:
        ConfigError: If the method needs what is not installed.
    """

    def __init__(
        self,
        method: Method,
        rule: AlertRule,
        step: timedelta,
        group_by: Sequence[str],
        *,
        query: str = "",
        labels: Mapping[str, str] | None = None,
        runbook: str = "",
    ) -> None:
        self._joint = JointDetector(method)
        self._scorer = Scorer([GivenDetector(method)])
        self._group_by = tuple(group_by)
        self._labels = dict(labels or {})
        self._services: dict[SeriesKey, _Service] = {}
        self._of: dict[SeriesKey, SeriesKey] = {}  # which service a metric belongs to
        self.series = WatchedSeries(
            self._scorer,
            rule,
            step,
            _REMEMBERED,
            query=query,
            labels=labels,
            runbook=runbook,
            group_by=group_by,
        )

    @property
    def keep(self) -> int:
        """Return of how many columns of history residuals are worth having."""
        return 2 * self._joint.window

    def replay(self, series: Sequence[Series], warmed: Warmed) -> Begun:
        """Take in metrics with the residuals of their history; a thread may do it, for it takes a while.

        Args:
            series: The metrics, as they were warmed up.
            warmed: What was learnt of them.

        Returns:
            Services that begin with them, for ``join``.
        """
        rows: dict[SeriesKey, list[int]] = {}
        for row, each in enumerate(series):
            labels = dict(each.key.labels) | self._labels
            mine = {label: labels[label] for label in self._group_by if label in labels}
            if mine:
                name = SeriesKey.of(NAME, mine)
                known_of = len(self._services[name].columns) if name in self._services else 0
                if known_of + len(rows.setdefault(name, [])) < MOST:
                    rows[name].append(row)
        begun, oddities = [], []
        first = warmed.first + warmed.values.shape[1] - warmed.residuals.shape[1]
        for name, members in rows.items():
            own = self._services.get(name)
            if own is None:
                own = self._services[name] = _Service(self._joint.start(len(members)))
                begun.append(name)
                odd = self._joint.replay(own.vectors, np.ascontiguousarray(warmed.residuals[members].T))
                odd[: len(odd) // 2] = np.nan  # while what is usual was not known yet, everything was odd
                oddities.append(odd)
            else:
                self._joint.arrange(own.vectors, [*range(len(own.columns)), *[-1] * len(members)])
            for row in members:
                own.columns[series[row].key] = len(own.columns)
                self._of[series[row].key] = name
        if not begun:
            return Begun()
        start, step = from_epoch(first * self.series.step.total_seconds()), self.series.step
        past = [Series(key=name, start=start, step=step, values=odd) for name, odd in zip(begun, oddities, strict=True)]
        return Begun(services=tuple(begun), warmed=warm_up(self._scorer, past, [], ""))

    def join(self, begun: Begun, known: Mapping[str, Alert]) -> None:
        """Watch services that begin.

        Args:
            begun: As ``replay`` returned them.
            known: Alerts that were firing before we started, by fingerprint.
        """
        self.series.join([(name, "") for name in begun.services], known, begun.warmed)

    def judge(self, keys: Sequence[SeriesKey], values: FloatArray, scores: Scores) -> dict[SeriesKey, FloatArray]:
        """Return by how much metrics are above what was expected of them, one vector a service; nothing is learnt."""
        found: dict[SeriesKey, FloatArray] = {}
        for key, residual in zip(keys, (values - scores.expected).tolist(), strict=True):
            name = self._of.get(key)
            if name is not None:
                columns = self._services[name].columns
                if name not in found:
                    found[name] = np.full(len(columns), np.nan)
                found[name][columns[key]] = residual
        return found

    def oddities(self, vectors: Mapping[SeriesKey, FloatArray]) -> FloatArray:
        """Return how odd each vector is, in their order; a thread may do it, and nothing is learnt."""
        return np.array([self._joint.score(self._services[name].vectors, each) for name, each in vectors.items()])

    def take(self, place: int, vectors: Mapping[SeriesKey, FloatArray], odd: FloatArray) -> list[Alert]:
        """Score the services at a step, learn from it, and return the alerts that it changes."""
        rows = np.array([self.series.row(name) for name in vectors], dtype=np.int64)
        judged = self.series.take(rows, np.full(len(rows), place), odd)
        for (name, vector), score in zip(vectors.items(), judged.scores.values.tolist(), strict=True):
            if score < _TEACHES_BELOW:
                self._joint.learn(self._services[name].vectors, vector)
        return [self._explained(alert, vectors) for alert in judged.changes]

    def forget(self, watched: Iterable[SeriesKey]) -> None:
        """Drop metrics that are not watched any more, and services that have none left."""
        gone = self._of.keys() - set(watched)
        for name in {self._of.pop(key) for key in gone}:
            own = self._services[name]
            left = [key for key in own.columns if key not in gone]
            if left:
                self._joint.arrange(own.vectors, [own.columns[key] for key in left])
                own.columns = {key: column for column, key in enumerate(left)}
            else:
                del self._services[name]
                self.series.drop(name)

    def _explained(self, alert: Alert, vectors: Mapping[SeriesKey, FloatArray]) -> Alert:
        name = SeriesKey.parse(alert.annotations["series"])
        own, vector = self._services[name], vectors[name]
        if own.vectors.model is None or alert.status is not Status.FIRING:
            return replace(alert, annotations=told(alert, name, self._joint.method, []))
        placed = self._joint.placed(own.vectors, vector)
        shares = own.vectors.model.contributions(placed)
        found = [(key, float(placed[column]), float(shares[column])) for key, column in own.columns.items()]
        return replace(alert, annotations=told(alert, name, self._joint.method, found))
