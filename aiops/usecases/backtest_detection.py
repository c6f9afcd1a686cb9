"""Days of one's own history through the code that serves: who would have been told of what, and when."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from aiops.alerting.alert import Alert, Severity, Status
from aiops.alerting.incidents import Gathering, Incidents
from aiops.alerting.monitor import GROUP_BY
from aiops.alerting.rules import ANOMALOUS, AlertRule
from aiops.backtest.detection_report import Detected, Tally, Told
from aiops.detection.joint import Method
from aiops.detection.scorer import Scorer
from aiops.errors import DataError
from aiops.series import Series, SeriesKey
from aiops.usecases.services import Services
from aiops.usecases.warming import warm_up
from aiops.usecases.watched import WatchedSeries

_SHARE: Final = 0.2  # of a series that is shorter than what is scored: what it learns from at least


def backtest_detection(
    series: Sequence[Series],
    scorer: Scorer,
    rule: AlertRule,
    scored: timedelta,
    *,
    labels: Mapping[str, str] | None = None,
    group_by: Sequence[str] = GROUP_BY,
    together: Method | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Detected:
    """Score the end of each series in order, as the service would have, and form the incidents of it.

    What lies before teaches. A value is known at the end of its step; nothing is used before it was known.

    Args:
        series: Each on a grid of its own.
        scorer: Detectors with their calibration.
        rule: When to tell a person, and how often at most.
        scored: Length of the end that is scored; at most four fifths of each series.
        labels: For routing, as of a monitor.
        group_by: Labels of what is one service.
        together: How the metrics of one service are judged together; None: not.
        progress: Told how many steps are done, of how many.

    Raises:
        DataError: If there is no series.
    """
    if not series:
        raise DataError("there is no series to score")
    incidents, quiet = Incidents(lambda _: rule), Gathering().quiet
    groups = [_Group(each, scorer, rule, scored, labels, group_by, together) for each in _alike(series)]
    total = sum(each.columns for each in groups)
    told: dict[str, Told] = {}
    alerts: dict[SeriesKey, list[Alert]] = defaultdict(list)
    withheld = over = done = 0
    for now, changes in _in_order(groups):
        done += 1
        if progress is not None and (done % 500 == 0 or done == total):
            progress(done, total)
        for each in changes:
            if each.status is Status.FIRING:
                alerts[SeriesKey.parse(each.annotations["series"])].append(each)
        incidents.take(changes, now)
        if not changes and not incidents.open:
            continue
        at = now + quiet
        news = incidents.flush(at)
        for name, alert in news.told.items():
            known = told.get(name)
            told[name] = Told(at=at if known is None else known.at, alert=alert, first=known.first if known else alert)
        withheld += sum(outcome == "withheld" for outcome, _ in news.outcomes)
        over += sum(outcome == "over" for outcome, _ in news.outcomes)
    weeks = {each.key: _scored_weeks(each, scored) for each in series}
    return Detected(
        series=tuple(series),
        told=tuple(sorted(told.values(), key=lambda each: each.at)),
        tallies=tuple(
            Tally(
                key=key,
                weeks=weeks.get(key, max(weeks.values())),  # a service that is judged as a whole is no series of theirs
                pages=_count(alerts[key], Severity.PAGE),
                tickets=_count(alerts[key], Severity.TICKET),
            )
            for key in sorted(weeks.keys() | alerts.keys())
        ),
        withheld=withheld,
        over=over,
        start=min(each.start for each in groups),
        end=max(each.end for each in series),
    )


class _Group:
    """Series on one grid over one time, watched from where scoring begins."""

    def __init__(
        self,
        series: Sequence[Series],
        scorer: Scorer,
        rule: AlertRule,
        scored: timedelta,
        labels: Mapping[str, str] | None,
        group_by: Sequence[str],
        together: Method | None,
    ) -> None:
        first = series[0]
        self._step = first.step
        learnt = len(first) - _scored_steps(first, scored)
        self._values = np.stack([each.values for each in series])[:, learnt:]
        self.start = first.start + learnt * first.step
        self.columns = self._values.shape[1]
        self._watched = WatchedSeries(
            scorer, rule, first.step, len(first) * first.step, labels=labels, group_by=group_by
        )
        past = [each.between(each.start, self.start) for each in series]
        self._keys = [each.key for each in series]
        self._services = None
        if together is not None:
            self._services = Services(together, rule, first.step, group_by, labels=labels)
        keep = 0 if self._services is None else self._services.keep
        warmed = warm_up(scorer, past, [], "", keep=keep)
        self._watched.join([(each.key, each.unit) for each in series], {}, warmed)
        if self._services is not None:
            self._services.join(self._services.replay(past, warmed), {})
        self._rows = np.arange(len(series), dtype=np.int64)
        for index, each in enumerate(series):
            row = self._watched.row(each.key)
            assert row is not None  # noqa: S101 - it has just joined
            self._rows[index] = row

    def known(self, column: int) -> datetime:
        """Return when the values of a column were known."""
        return self.start + (column + 1) * self._step

    def take(self, column: int) -> list[Alert]:
        """Score one column and return the alerts that it changes."""
        place = self._watched.place(self.start) + column
        judged = self._watched.take(self._rows, np.full(len(self._rows), place), self._values[:, column])
        changes = judged.changes + self._watched.missing(place)
        if self._services is not None:
            vectors = self._services.judge(self._keys, self._values[:, column], judged.scores)
            changes += self._services.take(place, vectors, self._services.oddities(vectors))
        return changes


def _in_order(groups: Sequence[_Group]) -> Iterator[tuple[datetime, list[Alert]]]:
    """Yield when each column was known, and the alerts that it changed; of all groups in the order of time."""
    waiting = [(group.known(0), index, 0) for index, group in enumerate(groups)]
    heapq.heapify(waiting)
    while waiting:
        now, index, column = waiting[0]
        yield now, groups[index].take(column)
        if column + 1 < groups[index].columns:
            heapq.heapreplace(waiting, (groups[index].known(column + 1), index, column + 1))
        else:
            heapq.heappop(waiting)


def _alike(series: Sequence[Series]) -> list[list[Series]]:
    """Return series in groups that share a grid and a time."""
    groups: dict[tuple[timedelta, datetime, datetime], list[Series]] = defaultdict(list)
    for each in series:
        groups[each.step, each.start, each.end].append(each)
    return list(groups.values())


def _scored_steps(series: Series, scored: timedelta) -> int:
    return max(min(scored // series.step, int((1 - _SHARE) * len(series))), 1)


def _scored_weeks(series: Series, scored: timedelta) -> float:
    return _scored_steps(series, scored) * series.step / timedelta(days=7)


def _count(alerts: Sequence[Alert], severity: Severity) -> int:
    return sum(each.severity is severity and each.labels["alertname"] == ANOMALOUS for each in alerts)
