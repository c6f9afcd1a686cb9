"""Forecasts of what was read, each series from its own cutoffs on; what cannot be forecast is named and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.forecast import Forecast
from aiops.forecasting.forecaster import PathForecaster
from aiops.ports import Mapper
from aiops.series import FloatArray, Frame, Series, SeriesKey
from aiops.series.counter import increase
from aiops.usecases.shards import Shard, share_out

COUNTER = "counter"
NEVER_NEGATIVE = ("rate", "count", COUNTER)
"""Kinds, as an index calls them, of which a negative value is an error of measurement."""
LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
BATCH = 64
"""Series that a worker gets at once: many, so that handing them over costs little; few enough to show progress."""
BATCH_VALUES = 1_000_000
"""Fewer, if they have more values than this: a shard has to fit into memory several times."""
MOST_STEPS = 10_000
"""Longest horizon: more steps than anyone plans by; a finer series wants to be aggregated first."""

Skipped = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Some series of a source.

    Attributes:
        series: Their values.
        metadata: For some keys, what the source says beside the values.
        cutoffs: Last observations that may be used, by series; None means the end of each series.
    """

    series: Sequence[Series]
    metadata: Mapping[SeriesKey, Mapping[str, str]] = field(default_factory=dict)
    cutoffs: Mapping[SeriesKey, Sequence[datetime]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for.

    Attributes:
        horizon: How far to forecast.
        history: Most history that a forecast is made from.
        levels: Quantile levels.
    """

    horizon: timedelta
    history: timedelta = timedelta(days=28)
    levels: tuple[float, ...] = LEVELS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """Forecasts of one grid and cutoff.

    Attributes:
        forecast: One row a series; none is missing.
        cutoffs: The cutoff that was asked for, a row; it may lie between two stamps of the grid.
    """

    forecast: Forecast
    cutoffs: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    history: Series
    cutoff: datetime


def forecast_all(
    parts: Iterable[Part], ask: Ask, forecaster: PathForecaster, mapper: Mapper
) -> Iterator[Made | Skipped]:
    """Forecast every series from every cutoff; parts are read while workers forecast those before.

    A counter (``kind`` in the index) is forecast as its increase a step. Negative values of a kind that has none are
    taken as missing. What comes out does not depend on how many workers there are, nor does its order, except that
    series of a worker that died come last.

    Yields:
        Forecasts, and (series id, reason) of each series and cutoff that has none.
    """
    skipped: list[Skipped] = []
    for found in share_out(_shards(parts, ask, forecaster, skipped), mapper):
        yield from _taken(skipped)
        yield from found
    yield from _taken(skipped)


def _taken(skipped: list[Skipped]) -> list[Skipped]:
    taken = list(skipped)
    skipped.clear()
    return taken


def _shards(
    parts: Iterable[Part], ask: Ask, forecaster: PathForecaster, skipped: list[Skipped]
) -> Iterator[Shard[_Job, Made | Skipped]]:
    """Yield what is to be forecast in shards of ``BATCH`` series, fewer if they are long."""
    work, failed = partial(_forecast_jobs, ask, forecaster), partial(_failed, forecaster.name)
    jobs: list[_Job] = []
    size = 0
    for part in parts:
        for each in part.series:
            for job in _jobs(each, part, ask, skipped):
                jobs.append(job)
                size += len(job.history)
                if len(jobs) == BATCH or size >= BATCH_VALUES:
                    yield Shard(items=tuple(jobs), work=work, failed=failed)
                    jobs, size = [], 0
    if jobs:
        yield Shard(items=tuple(jobs), work=work, failed=failed)


def _failed(name: str, job: _Job, reason: str) -> Made | Skipped:
    return job.history.key.series_id, f"{name} failed: {reason}"


def _jobs(series: Series, part: Part, ask: Ask, skipped: list[Skipped]) -> Iterator[_Job]:
    cleaned = prepared(series, part.metadata.get(series.key, {}).get("kind", ""))
    cutoffs = [series.end - series.step] if part.cutoffs is None else part.cutoffs.get(series.key, ())
    for cutoff in dict.fromkeys(cutoffs):
        try:
            job = _job(cleaned, cutoff, ask)
        except DataError as error:
            skipped.append((series.key.series_id, str(error)))
        else:
            yield job


def _forecast_jobs(ask: Ask, forecaster: PathForecaster, jobs: Sequence[_Job]) -> list[Made | Skipped]:
    """Forecast in a worker; series of one grid and cutoff together."""
    return [found for group in _frames(jobs) for found in _forecast(group, ask, forecaster)]


def _frames(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Group what fits into one frame, each series once: two cutoffs of one series may fall into one step."""
    groups: dict[tuple[timedelta, datetime, int], list[_Job]] = {}
    seen: Counter[tuple[SeriesKey, timedelta, datetime]] = Counter()
    for job in jobs:
        place = (job.history.step, job.history.end)
        twice = seen[job.history.key, *place]
        seen[job.history.key, *place] += 1
        groups.setdefault((*place, twice), []).append(job)
    return list(groups.values())


def prepared(series: Series, kind: str) -> Series:
    """Return a series as it is forecast: a counter as its increase, what cannot be negative without what is."""
    values = series.values
    if kind in NEVER_NEGATIVE and (values < 0).any():
        values = np.where(values < 0, np.nan, values)
    cleaned = Series(key=series.key, start=series.start, step=series.step, values=values, unit=series.unit)
    return increase(cleaned) if kind == COUNTER else cleaned


def _job(series: Series, cutoff: datetime, ask: Ask) -> _Job:
    """Cut the history of one forecast.

    Raises:
        DataError: If the horizon does not fit the step, or nothing was observed in the history.
    """
    steps = ask.horizon // series.step
    if not 1 <= steps <= MOST_STEPS:
        raise DataError(
            f"a horizon of {ask.horizon} is {steps} steps of {series.step.total_seconds():g} s: give one of 1 to "
            f"{MOST_STEPS} steps, or aggregate the series first"
        )
    if cutoff < series.start:
        raise DataError(f"the cutoff {cutoff.isoformat()} is before its first row at {series.start.isoformat()}")
    last = (cutoff - series.start) // series.step
    if last >= len(series) + ask.history // series.step:
        raise DataError(
            f"the cutoff {cutoff.isoformat()} is more than the history of {ask.history} after its last row at "
            f"{(series.end - series.step).isoformat()}"
        )
    first = max(last + 1 - max(ask.history // series.step, 1), 0)
    values: FloatArray = np.full(last + 1 - first, np.nan)
    known = series.values[first : last + 1]
    values[: len(known)] = known
    seen = int(np.count_nonzero(~np.isnan(values)))
    if seen < 2:
        raise DataError(
            f"too short: {seen} values in the {ask.history} before the cutoff {cutoff.isoformat()}, at least 2 needed"
        )
    start = series.start + first * series.step
    return _Job(
        history=Series(key=series.key, start=start, step=series.step, values=values, unit=series.unit), cutoff=cutoff
    )


def _forecast(jobs: Sequence[_Job], ask: Ask, forecaster: PathForecaster) -> Iterator[Made | Skipped]:
    horizon = ask.horizon // jobs[0].history.step
    made = forecaster.forecast(Frame.of([job.history for job in jobs]), horizon, np.array(ask.levels))
    finite = np.asarray(np.isfinite(made.mean).all(axis=1) & np.isfinite(made.values).all(axis=(1, 2)))
    for job, fine in zip(jobs, finite.tolist(), strict=True):
        if not fine:
            reason = (
                f"too short for {forecaster.name}, or it could not be fitted: none of its errors is known before the "
                f"cutoff {job.cutoff.isoformat()}"
            )
            yield job.history.key.series_id, reason
    rows = np.flatnonzero(finite).tolist()
    if rows:
        yield Made(
            forecast=Forecast(
                keys=tuple(made.keys[row] for row in rows),
                cutoff=made.cutoff,
                step=made.step,
                mean=made.mean[rows],
                levels=made.levels,
                values=made.values[rows],
                units=tuple(made.units[row] for row in rows),
                models=tuple(made.models[row] for row in rows),
            ),
            cutoffs=tuple(jobs[row].cutoff for row in rows),
        )
