"""A group of series on one grid: their recent values, what the detectors know of them, and their alerts.

Points go forward only. A point is scored before it teaches, so its score depends on what came before it and on nothing
else: not on how points were put into batches, and not on other series.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from aiops.alerting.alert import Alert
from aiops.alerting.explain import Subject
from aiops.alerting.monitor import GROUP_BY, scope_of
from aiops.alerting.rules import CALM, AlertRule, Condition, advance, identities, resume
from aiops.detection.band_table import Bands, BandTable
from aiops.detection.detector import Points
from aiops.detection.score import AnomalyScore
from aiops.detection.scorer import Scorer, Scores
from aiops.series import FloatArray, IntArray, Series, SeriesKey, epoch_seconds, from_epoch
from aiops.series.grid import require_step
from aiops.usecases.live_calls import Skipped
from aiops.usecases.recent import Recent
from aiops.usecases.warming import Warmed

_NEVER = -(1 << 62)
_NO_VALUES = Recent(1)
_NOBODY = Subject(key=SeriesKey("free row"), step=timedelta(minutes=1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Points of one group, scored; every array has one entry a point, in the order in which they came.

    Attributes:
        scores: As ``Scorer.step`` says; zero and NaN for what was skipped.
        skipped: A ``Skipped`` each.
        changes: Alerts that changed.
    """

    scores: Scores
    skipped: IntArray
    changes: list[Alert]

    def put(self, which: IntArray, part: Judged) -> None:
        """Take over what was found of some of the points."""
        for name in ("values", "detectors", "expected", "lower", "upper", "warming_up"):
            getattr(self.scores, name)[which] = getattr(part.scores, name)
        self.skipped[which] = part.skipped
        self.changes.extend(part.changes)


class WatchedSeries:
    """Series on one grid that join, send points, fall silent and are forgotten.

    Memory: 4 kB a series for the fleet detector, and 8 bytes a step of ``history``.

    Args:
        scorer: Detectors with their calibration.
        rule: When to tell a person.
        step: Grid; stamps are whole multiples of it since 1970.
        history: How much is remembered of each series.
        query: What the source is asked for them; empty for pushed series.
        labels: Added to those of every alert.
        runbook: Where people read what to do; empty if nowhere.
        group_by: Labels of what is one service.

    Raises:
        DataError: If the step is not positive.
    """

    def __init__(
        self,
        scorer: Scorer,
        rule: AlertRule,
        step: timedelta,
        history: timedelta,
        *,
        query: str = "",
        labels: Mapping[str, str] | None = None,
        runbook: str = "",
        group_by: Sequence[str] = GROUP_BY,
    ) -> None:
        require_step(step)
        self.step = step
        self.query = query
        self.rule = rule
        self.detectors = tuple(each.name for each in scorer.detectors)
        """Names of the detectors, in the order that scores count them."""
        self._scorer = scorer
        self._seconds = step.total_seconds()
        self._capacity = max(history // step, 1)
        self._labels = tuple(sorted((labels or {}).items()))
        self._runbook = runbook
        self._group_by = tuple(group_by)
        self._rows: dict[SeriesKey, int] = {}
        self._free: list[int] = []
        self._recent: list[Recent] = []
        self._subjects: list[Subject] = []
        self._state = scorer.start(0)
        self._seen = np.empty(0, dtype=np.int64)  # place of the newest observed value of each row
        self._heard = np.empty(0, dtype=np.int64)  # place of the instant at which it was sent, if that was later
        self._loud: dict[int, Condition] = {}  # rows of which the rule remembers more than when they were last seen
        self._bands = Bands(query)

    @property
    def keys(self) -> tuple[SeriesKey, ...]:
        """What is watched."""
        return tuple(self._rows)

    @property
    def firing(self) -> list[Alert]:
        """Return the alerts that are firing now, silences included."""
        return [each for held in self._loud.values() for each in (held.alert, held.silence) if each is not None]

    @property
    def newest(self) -> datetime | None:
        """Stamp of the newest observed value of any series; None before the first."""
        seen = self._seen[list(self._rows.values())]
        return self.stamp(int(seen.max())) if len(seen) and seen.max() > _NEVER else None

    def place(self, at: datetime) -> int:
        """Return the number of the step that an instant lies in."""
        return int(epoch_seconds(at) // self._seconds)

    def stamp(self, place: int) -> datetime:
        """Return the start of a step."""
        return from_epoch(place * self._seconds)

    def row(self, key: SeriesKey) -> int | None:
        """Return the row of a series; None if it is not watched."""
        return self._rows.get(key)

    def series(self, key: SeriesKey, now: datetime, history: timedelta) -> Series:
        """Return what is remembered of a series and was known at ``now``, up to its newest observed value.

        Raises:
            DataError: If nothing is.
        """
        row = self._rows[key]
        return self._recent[row].known_at(now, history, key, self.step, self._subjects[row].unit)

    def use(self, table: BandTable | None) -> None:
        """Expect from now on what a new champion says; None if there is none any more."""
        keys: list[SeriesKey | None] = [None] * len(self._recent)
        for key, row in self._rows.items():
            keys[row] = key
        self._bands.use(table, keys)

    def join(
        self, series: Sequence[tuple[SeriesKey, str]], known: Mapping[str, Alert], warmed: Warmed | None = None
    ) -> None:
        """Watch more series.

        Args:
            series: Keys with units, none of them watched yet.
            known: Alerts that were firing before we started, by fingerprint: those of these series go on.
            warmed: What was learnt of their history, in the same order; None for series without one.
        """
        if len(series) > len(self._free):
            self._grow(max(len(series) - len(self._free), len(self._recent) // 2))
        rows = [self._free.pop() for _ in series]
        fresh = self._scorer.start(len(series)) if warmed is None else warmed.state
        self._scorer.put(self._state, np.array(rows, dtype=np.int64), fresh)
        for index, ((key, unit), row) in enumerate(zip(series, rows, strict=True)):
            subject = Subject(
                key=key,
                step=self.step,
                unit=unit,
                runbook=self._runbook,
                labels=self._labels,
                scope=scope_of(key, self._labels, self._group_by),
                query=self.query,
            )
            self._rows[key] = row
            self._subjects[row] = subject
            self._recent[row] = Recent(self._capacity)
            self._seen[row] = self._heard[row] = _NEVER
            self._bands.join(row, key)
            if warmed is not None:
                observed = np.flatnonzero(~np.isnan(warmed.values[index]))
                if len(observed):
                    last = int(observed[-1])
                    self._recent[row].fill(warmed.first, warmed.values[index, : last + 1])
                    self._seen[row] = self._heard[row] = warmed.first + last
            held = [known[name] for name in identities(subject) if name in known]
            if held:
                self._loud[row] = resume(held, key, self._last_seen(row))

    def drop(self, key: SeriesKey) -> None:
        """Stop watching a series; nothing of it is remembered."""
        row = self._rows.pop(key)
        self._loud.pop(row, None)
        self._recent[row], self._subjects[row] = _NO_VALUES, _NOBODY
        self._seen[row] = self._heard[row] = _NEVER
        self._free.append(row)

    def take(self, rows: IntArray, places: IntArray, values: FloatArray, heard: int = _NEVER) -> Judged:
        """Score points and learn from them; of one series in the order of their steps, whatever order they came in.

        A gap changes nothing. A point whose step is not after the newest observed one is skipped. One that was sent so
        late that its series would be silent is scored and teaches, and tells nobody: it is not news.

        Args:
            rows: Row of each point, shape ``[m]``.
            places: Number of its step, shape ``[m]``.
            values: Observations, shape ``[m]``; NaN is a gap.
            heard: Number of the step in which they were sent; if it is not given, they are as fresh as their stamps.
        """
        m = len(rows)
        if m == 0:
            return nothing(0)
        if m == 1:
            return self._take_column(rows, places, values, heard)
        found = nothing(m)
        for which in _waves(rows, places):
            part = self._take_column(rows[which], places[which], values[which], heard)
            found.put(which, part)
        return found

    def missing(self, place: int) -> list[Alert]:
        """Note that a step is over: series that sent nothing for long are silent, and in the end forgotten."""
        changes: list[Alert] = []
        quiet = (self._heard != _NEVER) & (place - self._heard >= self._silent_steps)
        for row in np.flatnonzero(quiet).tolist():
            key = self._subjects[row].key
            gap = self._gap(key, place)
            condition, changed = advance(self.rule, self._condition(row), gap, self._subjects[row])
            changes.extend(changed)
            if condition.last_seen is None:
                self.drop(key)
            else:
                self._remember(row, condition)
        return changes

    @property
    def _silent_steps(self) -> int:
        return -(-self.rule.silent_after // self.step)

    def _take_column(self, rows: IntArray, places: IntArray, values: FloatArray, heard: int) -> Judged:
        """Score at most one point a row."""
        observed = ~np.isnan(values)
        behind = places <= self._seen[rows]
        fresh = observed & ~behind
        if fresh.all():
            scores = self._score(rows, places, values)
            return Judged(
                scores=scores,
                skipped=np.zeros(len(rows), dtype=np.int64),
                changes=self._alerts(rows, places, values, scores, heard),
            )
        found = nothing(len(rows))
        for index in np.flatnonzero(behind & observed).tolist():
            known = self._recent[rows[index]].has(int(places[index]))
            found.skipped[index] = Skipped.DUPLICATE if known else Skipped.LATE
        (which,) = np.nonzero(fresh)
        if len(which):
            found.put(which, self._take_column(rows[which], places[which], values[which], heard))
        return found

    def _score(self, rows: IntArray, places: IntArray, values: FloatArray) -> Scores:
        expected, lower, upper = self._bands.at(rows, places)
        points = Points(
            rows=rows,
            at=np.multiply(places, self._seconds, dtype=np.float64),
            values=values,
            expected=expected,
            lower=lower,
            upper=upper,
        )
        return self._scorer.step(self._state, points)

    def _alerts(self, rows: IntArray, places: IntArray, values: FloatArray, scores: Scores, heard: int) -> list[Alert]:
        """Remember the points and return the alerts that they change.

        A point that is not odd, of a series of which nothing is remembered, changes nothing but when it was last seen.
        """
        for row, place, value in zip(rows.tolist(), places.tolist(), values.tolist(), strict=True):
            self._recent[row].add(place, value)
        news = heard - places < self._silent_steps
        odd = (scores.values >= self.rule.ticket_score) & news
        changes: list[Alert] = []
        if self._loud or odd.any():
            for index, row in enumerate(rows.tolist()):
                if not news[index]:
                    changes.extend(self._heard_again(row, int(places[index])))
                elif odd[index] or row in self._loud:
                    place = int(places[index])
                    subject = self._subjects[row]
                    model = self._bands.model(row, place)
                    score = self._record(row, place, float(values[index]), scores, index)
                    recent = self._recent[row]
                    subject = replace(subject, model=model, history=partial(recent.between, recent.begin, place + 1))
                    condition, changed = advance(self.rule, self._condition(row), score, subject)
                    self._remember(row, condition)
                    changes.extend(changed)
        self._seen[rows] = places
        self._heard[rows] = np.maximum(places, heard)
        return changes

    def _heard_again(self, row: int, place: int) -> tuple[Alert, ...]:
        """End the silence of a series that sends old points, and leave the rest of its condition as it is."""
        if row not in self._loud or self._loud[row].silence is None:
            return ()
        late = replace(self._gap(self._subjects[row].key, place), observed=0.0, warming_up=True)
        condition, changes = advance(self.rule, self._condition(row), late, self._subjects[row])
        self._remember(row, condition)
        return changes

    def _record(self, row: int, place: int, value: float, scores: Scores, index: int) -> AnomalyScore:
        which = int(scores.detectors[index])
        odd = scores.values[index] >= self.rule.ticket_score
        return AnomalyScore(
            key=self._subjects[row].key,
            at=self.stamp(place),
            observed=value,
            expected=float(scores.expected[index]),
            lower=float(scores.lower[index]),
            upper=float(scores.upper[index]),
            value=float(scores.values[index]),
            detector=self.detectors[which] if which >= 0 else "",
            warming_up=bool(scores.warming_up[index]),
            contributions=self._scorer.contributions(self._state, row, which) if odd else (),
        )

    def _gap(self, key: SeriesKey, place: int) -> AnomalyScore:
        nan = math.nan
        return AnomalyScore(
            key=key,
            at=self.stamp(place),
            observed=nan,
            expected=nan,
            lower=nan,
            upper=nan,
            value=0.0,
            detector="",
            warming_up=False,
        )

    def _condition(self, row: int) -> Condition:
        return replace(self._loud.get(row, CALM), last_seen=self._last_seen(row))

    def _last_seen(self, row: int) -> datetime | None:
        place = int(self._heard[row])
        return None if place == _NEVER else self.stamp(place)

    def _remember(self, row: int, condition: Condition) -> None:
        if condition.alert is None and condition.episode is None and condition.silence is None:
            self._loud.pop(row, None)
        else:
            self._loud[row] = condition

    def _grow(self, more: int) -> None:
        rows = range(len(self._recent), len(self._recent) + more)
        self._state = self._scorer.grown(self._state, more)
        self._recent.extend(_NO_VALUES for _ in rows)
        self._subjects.extend(_NOBODY for _ in rows)
        self._seen = np.concatenate([self._seen, np.full(more, _NEVER)])
        self._heard = np.concatenate([self._heard, np.full(more, _NEVER)])
        self._free.extend(reversed(rows))


def nothing(m: int) -> Judged:
    """Return what is said of ``m`` points that are not scored."""
    scores = Scores(
        values=np.zeros(m),
        detectors=np.full(m, -1, dtype=np.int64),
        expected=np.full(m, np.nan),
        lower=np.full(m, np.nan),
        upper=np.full(m, np.nan),
        warming_up=np.zeros(m, dtype=np.bool_),
    )
    return Judged(scores=scores, skipped=np.zeros(m, dtype=np.int64), changes=[])


def _waves(rows: IntArray, places: IntArray) -> Iterator[IntArray]:
    """Yield indices of points, each time at most one a row, so that every row's come in the order of their places."""
    order = np.lexsort((places, rows))
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(rows)])
    if lengths.max() == 1:
        yield np.arange(len(rows))
        return
    number = np.arange(len(rows)) - np.repeat(starts, lengths)  # how many points of its row come before each
    for wave in range(int(lengths.max())):
        yield order[number == wave]
