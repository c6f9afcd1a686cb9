"""Score watched series as their points become known: history warms the detectors up, then each new column is scored.

The demo and the server call the same class. Everything but ``follow`` is a plain function of its arguments: give it
columns, and it returns scores and the alerts that changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import structlog

from aiops.alerting.alert import Alert
from aiops.alerting.explain import Subject
from aiops.alerting.rules import CALM, AlertRule, Condition, advance
from aiops.detection.band import Band
from aiops.detection.detector import Points
from aiops.detection.score import AnomalyScore
from aiops.detection.scorer import Scorer, Scores
from aiops.errors import DataError, UpstreamUnavailableError
from aiops.forecasting.forecast import Forecast
from aiops.ports import Clock, MetricSource
from aiops.series import FloatArray, Frame, Series, SeriesKey, epoch_seconds
from aiops.series.grid import require_step

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One column of points, scored.

    Attributes:
        at: Stamp of the column.
        scores: One a watched series, in the order of the keys; a series that sent nothing has a gap.
        changes: Alerts that began to fire, grew worse or were resolved by it.
    """

    at: datetime
    scores: tuple[AnomalyScore, ...]
    changes: tuple[Alert, ...]


class Scoring:
    """Watches a fixed set of series.

    Args:
        scorer: Detectors with their calibration.
        rule: When to tell a person.
        keys: What is watched, distinct.
        step: Grid of the points.
        units: One base unit a key; empty if unknown.
        runbook: Where people read what to do; empty if nowhere.

    Raises:
        DataError: If there are no keys, one appears twice, or the step is not positive.
    """

    def __init__(
        self,
        scorer: Scorer,
        rule: AlertRule,
        keys: Sequence[SeriesKey],
        step: timedelta,
        *,
        units: Sequence[str] = (),
        runbook: str = "",
    ) -> None:
        require_step(step)
        if not keys or len(set(keys)) != len(keys) or len(units) not in (0, len(keys)):
            raise DataError(
                f"watch distinct series, with one unit each or none; got {len(keys)} keys, {len(units)} units"
            )
        self._scorer = scorer
        self._rule = rule
        self._step = step
        self._rows = {key: row for row, key in enumerate(keys)}
        self._subjects = [
            Subject(key=key, step=step, unit=unit, runbook=runbook)
            for key, unit in zip(keys, units or [""] * len(keys), strict=True)
        ]
        self._bands: list[Band] = []
        self._state = scorer.start(len(keys))
        self._conditions: list[Condition] = [CALM] * len(keys)
        self._next: datetime | None = None

    @property
    def keys(self) -> tuple[SeriesKey, ...]:
        """What is watched."""
        return tuple(self._rows)

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Return the alerts that are firing now, silences included."""
        found = (alert for each in self._conditions for alert in (each.alert, each.silence) if alert is not None)
        return tuple(found)

    def use(self, forecast: Forecast) -> None:
        """Expect what this forecast says, from its first step on, for the series that it has.

        Where several forecasts cover a point, the one with the latest cutoff before it counts. Forecasts of the past
        are welcome before ``warm_up``: from them the detectors learn how far forecasts are usually off.

        Raises:
            DataError: If its step is another one.
        """
        if forecast.step != self._step:
            raise DataError(f"the forecast has steps of {forecast.step}, the watched series of {self._step}")
        self._bands.append(Band.of(forecast, self._rows))
        self._bands.sort(key=lambda each: each.start)

    def warm_up(self, history: Frame) -> Iterator[int]:
        """Learn from history, which ends where scoring will start; nothing is scored and no alert fires.

        A detector that is slow replays the end of it only (``memory_points``): half-space trees two days of minutes.
        Four weeks of minutes of a dozen series take about two seconds.

        Yields:
            How many columns are done, after each: for a progress bar.

        Raises:
            DataError: If the grid is not ours, or later columns were seen before.
        """
        values = self._take(history)
        yield from self._scorer.warm_up(self._state, self._columns(history.start, values), history.length)
        for subject, row in zip(self._subjects, values, strict=True):
            seen = np.flatnonzero(~np.isnan(row))
            if len(seen):
                last_seen = history.start + int(seen[-1]) * self._step
                self._conditions[self._rows[subject.key]] = replace(CALM, last_seen=last_seen)

    def score(self, frame: Frame) -> Iterator[Scored]:
        """Score new columns, each before it teaches; columns that were seen before are skipped.

        Raises:
            DataError: If the grid is not ours.
        """
        if self._next is not None:
            behind = max(-((frame.start - self._next) // self._step), 0)
            frame = frame.columns(min(behind, frame.length), frame.length)
        start, values = frame.start, self._take(frame)
        self._bands = [band for band in self._bands if band.end > start]
        for column, points in enumerate(self._columns(start, values)):
            at = start + column * self._step
            scores = self._as_records(at, points, self._scorer.step(self._state, points))
            changes: list[Alert] = []
            for row, score in enumerate(scores):
                subject = self._subject(row, at)
                self._conditions[row], changed = advance(self._rule, self._conditions[row], score, subject)
                changes.extend(changed)
            yield Scored(at=at, scores=scores, changes=tuple(changes))

    async def follow(
        self,
        source: MetricSource,
        query: str,
        clock: Clock,
        *,
        until: datetime | None = None,
        settle: timedelta = timedelta(0),
    ) -> AsyncIterator[Scored]:
        """Score every step as soon as it is known, from where ``warm_up`` ended.

        While the source does not answer nothing is scored: its silence is not the silence of the series. What was
        missed is fetched and scored, in order, when it answers again. A source that answers and has nothing is a gap
        of all series.

        Args:
            source: Where to read.
            query: What to read; series of the answer that are not watched are left out.
            clock: The time, real or simulated.
            until: Stamps from here on are not scored; None goes on for ever.
            settle: How long after the end of a step its value is asked for: what scrapes and rules need.

        Raises:
            DataError: Before ``warm_up``.
            UpstreamRejectedError: If the source refuses the query.
        """
        if self._next is None:
            raise DataError("warm up before following: scores need history")
        strangers: set[SeriesKey] = set()
        while until is None or self._next < until:
            await clock.sleep_until(self._next + self._step + settle)
            known = (clock.now() - settle - self._next) // self._step
            end = self._next + known * self._step
            if until is not None:
                end = min(end, until)
            try:
                answer = await source.range(query, self._next, end, self._step)
            except UpstreamUnavailableError as error:
                _log.warning("telemetry unavailable", query=query, reason=str(error))
                await clock.sleep_until(clock.now() + self._step)
                continue
            except DataError as error:
                _log.warning("telemetry unusable", query=query, reason=str(error))
                series: tuple[Series, ...] = ()
            else:
                series = answer.series
            for each in series:
                if each.key not in self._rows and each.key not in strangers:
                    strangers.add(each.key)
                    _log.info("series not watched", series=each.key.series_id, query=query)
            for scored in self.score(self._fresh(series, end)):
                yield scored

    def _fresh(self, series: Sequence[Series], end: datetime) -> Frame:
        """Return the watched rows from ``_next`` to ``end``; what was not answered is a gap."""
        assert self._next is not None  # noqa: S101 - `follow` has checked
        length = (end - self._next) // self._step
        values = np.full((len(self._rows), length), np.nan)
        for each in series:
            if each.key in self._rows:
                own = each.between(self._next, end)
                first = (own.start - self._next) // self._step
                values[self._rows[each.key], first : first + len(own)] = own.values
        return Frame(keys=self.keys, start=self._next, step=self._step, values=values)

    def _take(self, frame: Frame) -> FloatArray:
        """Return the frame's rows in our order, NaN for series that it lacks, and move on to its end."""
        if frame.step != self._step or (self._next is not None and (frame.start - self._next) % self._step):
            raise DataError(f"the points have steps of {frame.step} from {frame.start.isoformat()}: not our grid")
        if self._next is not None and frame.start < self._next:
            raise DataError(f"history from {frame.start.isoformat()} was seen up to {self._next.isoformat()} already")
        values = np.full((len(self._rows), frame.length), np.nan)
        for key, row in zip(frame.keys, frame.values, strict=True):
            if key in self._rows:
                values[self._rows[key]] = row
        if frame.length:
            self._next = frame.end
        return values

    def _columns(self, start: datetime, values: FloatArray) -> Iterator[Points]:
        """Yield columns with what the newest forecast made before each of them says of it."""
        rows = np.arange(len(values))
        unknown = np.full((3, len(values)), np.nan)
        first, step = epoch_seconds(start), self._step.total_seconds()
        for column, observed in enumerate(np.ascontiguousarray(values.T)):
            band = self._band(start + column * self._step) if self._bands else None
            expected, lower, upper = unknown if band is None else band.at(start + column * self._step)
            yield Points(
                rows=rows,
                at=np.full(len(rows), first + column * step),
                values=observed,
                expected=expected,
                lower=lower,
                upper=upper,
            )

    def _band(self, at: datetime) -> Band | None:
        return next((band for band in reversed(self._bands) if band.start <= at < band.end), None)

    def _subject(self, row: int, at: datetime) -> Subject:
        band = self._band(at)
        subject = self._subjects[row]
        return subject if band is None or not band.models[row] else replace(subject, model=band.models[row])

    def _as_records(self, at: datetime, points: Points, scores: Scores) -> tuple[AnomalyScore, ...]:
        names, odd = [each.name for each in self._scorer.detectors], self._rule.ticket_score
        return tuple(
            AnomalyScore(
                key=subject.key,
                at=at,
                observed=observed,
                expected=expected,
                lower=lower,
                upper=upper,
                value=value,
                detector=names[which] if which >= 0 else "",
                warming_up=warming_up,
                contributions=self._scorer.contributions(self._state, row, which) if value >= odd else (),
            )
            for row, (subject, observed, expected, lower, upper, value, which, warming_up) in enumerate(
                zip(
                    self._subjects,
                    points.values.tolist(),
                    scores.expected.tolist(),
                    scores.lower.tolist(),
                    scores.upper.tolist(),
                    scores.values.tolist(),
                    scores.detectors.tolist(),
                    scores.warming_up.tolist(),
                    strict=True,
                )
            )
        )
