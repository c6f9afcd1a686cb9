"""Forecasts of what was read, each series from its own cutoffs on; what cannot be forecast is named and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.forecast import Forecast
from aiops.forecasting.forecaster import PathForecaster
from aiops.ports import Mapper
from aiops.series import FloatArray, Frame, Series, SeriesKey
from aiops.series.counter import increase

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
Part = tuple[Sequence[Series], Mapping[SeriesKey, Mapping[str, str]]]
"""Some series, and what the source says of them beside their values."""
Cutoffs = Mapping[SeriesKey, Sequence[datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for.

    Attributes:
        horizon: How far to forecast.
        history: Most history that a forecast is made from.
        cutoffs: Last observations that may be used, by series; None means the end of each series.
        levels: Quantile levels.
    """

    horizon: timedelta
    history: timedelta = timedelta(days=28)
    cutoffs: Cutoffs | None = None
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


Answer = tuple["Made | Skipped", ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    history: Series
    cutoff: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shard:
    """What a worker gets: some series, and how they are forecast."""

    jobs: tuple[_Job, ...]
    ask: Ask
    forecaster: PathForecaster


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
    handed_out: dict[int, _Shard] = {}
    alone: list[_Shard] = []
    for result in _in_order(mapper.map(_forecast_shard, _noted(_shards(parts, ask, forecaster, skipped), handed_out))):
        yield from _taken(skipped)
        index, found = result
        shard = handed_out.pop(index)
        if isinstance(found, Exception):
            alone += [replace(shard, jobs=(job,)) for job in shard.jobs]
        else:
            yield from found
    yield from _taken(skipped)
    # A whole shard fails if its worker dies: of one series, perhaps.
    for index, found in _in_order(mapper.map(_forecast_shard, alone)):
        if isinstance(found, Exception):
            yield alone[index].jobs[0].history.key.series_id, str(found)
        else:
            yield from found


def _noted(shards: Iterable[_Shard], handed_out: dict[int, _Shard]) -> Iterator[_Shard]:
    for index, shard in enumerate(shards):
        handed_out[index] = shard
        yield shard


def _taken(skipped: list[Skipped]) -> list[Skipped]:
    taken = list(skipped)
    skipped.clear()
    return taken


def _in_order(results: Iterable[tuple[int, Answer | Exception]]) -> Iterator[tuple[int, Answer | Exception]]:
    early: dict[int, Answer | Exception] = {}
    following = 0
    for index, result in results:
        early[index] = result
        while following in early:
            yield following, early.pop(following)
            following += 1


def _shards(parts: Iterable[Part], ask: Ask, forecaster: PathForecaster, skipped: list[Skipped]) -> Iterator[_Shard]:
    """Yield what is to be forecast in shards of ``BATCH`` series, fewer if they are long."""
    jobs: list[_Job] = []
    size = 0
    for series, metadata in parts:
        for each in series:
            for job in _jobs(each, metadata.get(each.key, {}).get("kind", ""), ask, skipped):
                jobs.append(job)
                size += len(job.history)
                if len(jobs) == BATCH or size >= BATCH_VALUES:
                    yield _Shard(jobs=tuple(jobs), ask=ask, forecaster=forecaster)
                    jobs, size = [], 0
    if jobs:
        yield _Shard(jobs=tuple(jobs), ask=ask, forecaster=forecaster)


def _jobs(series: Series, kind: str, ask: Ask, skipped: list[Skipped]) -> Iterator[_Job]:
    prepared = _prepared(series, kind)
    cutoffs = [series.end - series.step] if ask.cutoffs is None else ask.cutoffs.get(series.key, ())
    for cutoff in dict.fromkeys(cutoffs):
        try:
            job = _job(prepared, cutoff, ask)
        except DataError as error:
            skipped.append((series.key.series_id, str(error)))
        else:
            yield job


def _forecast_shard(shard: _Shard) -> Answer:
    """Forecast in a worker; series of one grid and cutoff together."""
    found: list[Made | Skipped] = []
    for jobs in _frames(shard.jobs):
        try:
            found += _forecast(jobs, shard.ask, shard.forecaster)
        except Exception as error:  # noqa: BLE001 - whatever a model fails with, others want their forecast
            if len(jobs) > 1:
                for job in jobs:
                    found += _forecast_shard(replace(shard, jobs=(job,)))
            else:
                reason = f"{shard.forecaster.name} failed: {type(error).__name__}: {error}"
                found.append((jobs[0].history.key.series_id, reason))
    return tuple(found)


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


def _prepared(series: Series, kind: str) -> Series:
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
            reason = f"too short: no error of {forecaster.name} is known before the cutoff {job.cutoff.isoformat()}"
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
