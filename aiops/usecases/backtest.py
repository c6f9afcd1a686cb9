"""Backtests: what was read becomes cases, the work is shared out, and what cannot be used is named and left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

from aiops.backtest.forecasts import ForecastComparison, evaluate
from aiops.backtest.profile import Profile, profile
from aiops.backtest.replay import Case
from aiops.backtest.splits import RollingOrigins
from aiops.backtest.study import UNBOUNDED, Contender, Grid, Sweep, sweep_case
from aiops.errors import AiopsError, ConfigError, DataError
from aiops.forecasting.fleet.exhaustion import Exhaustion, exhaustion
from aiops.forecasting.forecaster import PathForecaster
from aiops.ports import Mapper
from aiops.series import FloatArray, Frame, Series, SeriesKey, from_epoch
from aiops.series.quality import Limits, assess

CAPACITY = "capacity_per_replica"
"""Column of a folder's index: the demand that one replica serves."""

ROOM = "room_replicas"
"""Column of a folder's index: the most replicas that quota and nodes let exist."""

Skipped = tuple[str, str]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How workloads are replayed where their index says nothing.

    Attributes:
        capacity_per_replica: Demand that one replica serves; None if only the index can say.
        startup_delay: From creation of a pod to ready.
        scored: Length of the scored time at the end; at most half of what there is.
        room: Most replicas that quota and nodes let exist; None if only the index can say.
    """

    capacity_per_replica: float | None = None
    startup_delay: timedelta = timedelta(seconds=120)
    scored: timedelta = timedelta(days=14)
    room: float | None = None


def cases_from(
    series: Sequence[Series], metadata: Mapping[SeriesKey, Mapping[str, str]], replay: Replay
) -> tuple[list[Case], list[Skipped]]:
    """Return one case a series, and (series id, reason) of those that make none.

    An index may say ``capacity_per_replica``, ``room_replicas``, and ``eval_start`` and ``eval_end`` in seconds since
    1970.

    Raises:
        ConfigError: If all fail for want of a setting, such as the capacity.
        DataError: If no series makes a case.
    """
    cases: list[Case] = []
    skipped: list[Skipped] = []
    kind: type[AiopsError] = ConfigError
    for each in series:
        try:
            if (quality := assess(each)).points < Limits().min_points:
                raise DataError(
                    f"only {quality.points} points, fewer than the {Limits().min_points} that a replay needs"
                )
            case = _case(each, metadata.get(each.key, {}), replay)
            # A demand that cannot be simulated says so now, not in the middle; what that computes is not kept.
            replace(case).workload.needed  # noqa: B018
        except AiopsError as error:
            skipped.append((each.key.series_id, str(error).removeprefix(f"{each.key}: ")))
            if not isinstance(error, ConfigError):
                kind = DataError
        else:
            cases.append(case)
    if not cases and series:
        raise kind(f"no series can be replayed; the first: {skipped[0][0]}: {skipped[0][1]}")
    return cases, skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """One workload.

    Attributes:
        profile: What its demand is like.
        sweeps: Each scaler over its grid.
        exhaustion: When it needs more than the least ``maxReplicas`` of the policies, or than there is room for; None
            where neither is a limit, or too little is known.
    """

    profile: Profile
    sweeps: list[Sweep]
    exhaustion: Exhaustion | None = None


def sweep_all(
    cases: Sequence[Case],
    contenders: Sequence[Contender],
    grid: Grid,
    mapper: Mapper,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Swept], list[Skipped]]:
    """Run every scaler over its grid on every workload; one that fails is left out with its reason.

    Raises:
        DataError: If none is left.
    """
    found, skipped = each_of(cases, partial(_sweep, contenders, grid), mapper, progress)
    if not found:
        raise DataError(f"no workload could be replayed; the first: {skipped[0][0]}: {skipped[0][1]}")
    return found, skipped


def each_of(
    cases: Sequence[Case],
    work: Callable[[Case], Result],
    mapper: Mapper,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Result], list[Skipped]]:
    """Do the same with every workload; return what came of it by name, in order, and (name, reason) where it failed."""
    results: dict[int, Result] = {}
    skipped: list[Skipped] = []
    progress(0, len(cases))
    for done, (index, result) in enumerate(mapper.map(partial(_afresh, work), cases), start=1):
        if isinstance(result, AiopsError):
            skipped.append((cases[index].name, str(result)))
        elif isinstance(result, Exception):
            raise result
        else:
            results[index] = result
        progress(done, len(cases))
    return {cases[index].name: results[index] for index in sorted(results)}, skipped


def evaluate_all(
    series: Sequence[Series],
    forecasters: Mapping[str, PathForecaster],
    horizon: timedelta,
    origins: int,
    history: timedelta,
    levels: FloatArray,
    mapper: Mapper,
    progress: Callable[[int, int], None],
) -> ForecastComparison:
    """Compare forecasters on every series, those of one grid and span in one batch.

    Raises:
        ConfigError: If the horizon is shorter than a step, or the baseline is missing.
    """
    by_step: dict[timedelta, list[Series]] = {}
    for each in series:
        by_step.setdefault(each.step, []).append(each)
    found: list[ForecastComparison] = []
    for step, same in by_step.items():
        if horizon < step:
            raise ConfigError(f"a horizon of {horizon} is shorter than the step of {same[0].key}, {step}: give more")
        split = RollingOrigins(horizon=horizon // step, count=origins, longest_history=max(history // step, 1))
        found.append(evaluate(frames_of(same), forecasters, split, levels, map_work=mapper.map, progress=progress))
    return replace(
        found[0],
        accuracies=tuple(line for each in found for line in each.accuracies),
        skipped=tuple(line for each in found for line in each.skipped),
    )


def frames_of(series: Sequence[Series]) -> list[Frame]:
    """Put series that share a grid and a span into one frame, so that batched forecasters see them together."""
    groups: dict[tuple[object, ...], list[Series]] = {}
    for each in series:
        groups.setdefault((each.step, each.start, len(each)), []).append(each)
    return [Frame.of(group) for group in groups.values()]


def _afresh(work: Callable[[Case], Result], case: Case) -> Result:
    """Work on a copy: what a case computes of itself is megabytes, and goes with it."""
    return work(replace(case))


def _sweep(contenders: Sequence[Contender], grid: Grid, case: Case) -> Swept:
    return Swept(
        profile=profile(case), sweeps=sweep_case(case, contenders, grid), exhaustion=_exhaustion(case, contenders)
    )


def _exhaustion(case: Case, contenders: Sequence[Contender]) -> Exhaustion | None:
    most = float(min((each.policy.bounds.max_replicas for each in contenders), default=UNBOUNDED))
    most = most if case.room is None else min(most, case.room)
    if most >= UNBOUNDED:
        return None
    try:
        return exhaustion(case.history, most * case.capacity_per_replica)
    except DataError:  # a report without it is better than none
        return None


def _case(series: Series, said: Mapping[str, str], replay: Replay) -> Case:
    capacity = number_in(said, CAPACITY)
    capacity = replay.capacity_per_replica if capacity is None else capacity
    if capacity is None:
        raise ConfigError(
            "what one replica serves is not known, or the policies disagree on it: give --capacity-per-replica, or a "
            f"column {CAPACITY} in index.csv"
        )
    room = number_in(said, ROOM)
    half = len(series) // 2 * series.step
    said_start, said_end = number_in(said, "eval_start"), number_in(said, "eval_end")
    end = series.end if said_end is None else from_epoch(said_end)
    start = end - min(replay.scored, half) if said_start is None else from_epoch(said_start)
    return Case(
        name=series.key.series_id,
        history=series,
        capacity_per_replica=capacity,
        start=series.start + (start - series.start) // series.step * series.step,
        end=series.start + (min(end, series.end) - series.start) // series.step * series.step,
        startup_delay=replay.startup_delay,
        room=replay.room if room is None else room,
    )


def number_in(said: Mapping[str, str], column: str) -> float | None:
    """Return what the index says in a column; None if it says nothing.

    Raises:
        DataError: If that is not a finite number.
    """
    text = said.get(column, "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"column {column} of index.csv says {text!r}: write a number, or leave it empty")
    return number
