"""What a valid policy may still do that its owner does not want: each with the key, the cause and what to write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from aiops.documents.reading import Path
from aiops.scaling.calendar import Calendar, Occurrence, Span
from aiops.scaling.lead_time import HPA_SYNC
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.series.duration import duration_text, format_duration

_INTERVAL: Final = timedelta(minutes=1)  # of a bare policy, as backtests replay it
_LEAST_LEVEL: Final = 0.8
_LEAST_UTILIZATION: Final = 0.7
_SLOWEST_RISE: Final = timedelta(minutes=10)
_MOST_IDLE: Final = 0.3
_OLDEST: Final = timedelta(minutes=30)
_FARTHEST: Final = timedelta(hours=6)
_DAY: Final = timedelta(days=1)
_YEAR: Final = 366 * _DAY


class Advice(NamedTuple):
    """One setting that is allowed and risky.

    Attributes:
        key: Where it is in the policy.
        says: What happens, and what to write instead.
    """

    key: Path
    says: str


def advise(policy: ScalingPolicy, startup_delay: timedelta, now: datetime) -> Iterator[Advice]:
    """Yield what is risky in a policy.

    Args:
        policy: Valid.
        startup_delay: From creation of a pod of the workload to ready.
        now: The instant, UTC: what is over or does not come within a year is said.
    """
    interval = policy.interval if isinstance(policy, PredictiveScalerSpec) else _INTERVAL
    yield from _about_the_forecast(policy, startup_delay, interval)
    yield from _about_the_pace(policy, interval)
    yield from _about_the_guard(policy)
    if policy.calendar is not None:
        yield from _about_the_calendar(policy.calendar, now)
    if policy.bounds.min_replicas == policy.bounds.max_replicas:
        yield Advice(("bounds",), "minReplicas is maxReplicas: there is nothing left to decide")
    if isinstance(policy, PredictiveScalerSpec) and policy.load.history < _DAY:
        history = duration_text(policy.load.history)
        yield Advice(("load", "history"), f"in {history} no day can be learnt: raise it, 14d is a good start")


def _about_the_forecast(policy: ScalingPolicy, startup_delay: timedelta, interval: timedelta) -> Iterator[Advice]:
    forecast = policy.forecast
    needed = startup_delay + interval + HPA_SYNC
    if forecast.window < needed:
        yield Advice(
            ("forecast", "window"),
            f"{format_duration(forecast.window)} is less than start-up ({format_duration(startup_delay)}) + interval "
            f"({format_duration(interval)}) + one sync of the HPA (15s): pods come too late; raise it to "
            f"{format_duration(timedelta(minutes=math.ceil(needed / timedelta(minutes=1))))}",
        )
    if policy.level < _LEAST_LEVEL:
        yield Advice(
            ("forecast", "level") if policy.prices is None else ("prices",),
            f"at level {policy.level:g} demand is higher than planned for in {1 - policy.level:.0%} of all windows: "
            "raise it, 0.95 is a good start",
        )
    elif policy.load.target_utilization < _LEAST_UTILIZATION:
        yield Advice(
            ("load", "targetUtilization"),
            f"{policy.load.target_utilization:g} on top of level {policy.level:g} is headroom twice: every replica "
            f"is planned {1 / policy.load.target_utilization:.1f} times; raise it, 1.0 is a good start",
        )
    if forecast.stale_after > _OLDEST:
        yield Advice(
            ("forecast", "staleAfter"),
            f"a forecast of {duration_text(forecast.stale_after)} ago still decides: lower it, 5m is a good start",
        )


def _about_the_pace(policy: ScalingPolicy, interval: timedelta) -> Iterator[Advice]:
    up, down = policy.behavior.scale_up, policy.behavior.scale_down
    replicas, turns = policy.bounds.min_replicas, 0
    while replicas < policy.bounds.max_replicas and turns * interval <= _SLOWEST_RISE:
        replicas, turns = replicas + up.limit(replicas), turns + 1
    if replicas < policy.bounds.max_replicas:
        yield Advice(
            ("behavior", "scaleUp"),
            f"after {duration_text(_SLOWEST_RISE)} of growing from minReplicas {policy.bounds.min_replicas} there are "
            f"{replicas} of {policy.bounds.max_replicas}: raise maxStepReplicas or maxStepRatio",
        )
    longest = max(down.stabilization_window, down.look_ahead)
    if longest < policy.forecast.window:
        yield Advice(
            ("behavior", "scaleDown"),
            f"lookAhead and stabilizationWindow, {format_duration(longest)} at the most, are shorter than "
            f"forecast.window ({format_duration(policy.forecast.window)}): replicas go in a dip and are wanted back "
            "before they could start again; raise lookAhead, 15m is a good start",
        )
    if down.look_ahead > _FARTHEST:
        yield Advice(
            ("behavior", "scaleDown", "lookAhead"),
            f"replicas stay for what is expected within {duration_text(down.look_ahead)}, and hardly ever go: "
            "lower it, 15m is a good start",
        )
    if down.tolerance > _MOST_IDLE:
        yield Advice(
            ("behavior", "scaleDown", "tolerance"),
            f"up to {down.tolerance:.0%} of the replicas stay without need: lower it, 0.1 is a good start",
        )
    elif down.limit(policy.bounds.max_replicas) < down.tolerance * policy.bounds.max_replicas:
        yield Advice(
            ("behavior", "scaleDown", "tolerance"),
            f"at maxReplicas {policy.bounds.max_replicas} more than "
            f"{math.floor(down.tolerance * policy.bounds.max_replicas)} have to be idle before any go, and then only "
            f"{down.limit(policy.bounds.max_replicas)} go at once: lower it below maxStepRatio",
        )


def _about_the_guard(policy: ScalingPolicy) -> Iterator[Advice]:
    if policy.guard is None:
        if policy.mode.applies:
            yield Advice(
                ("mode",),
                f"mode {policy.mode} without a guard: nothing takes a change back that does harm; write guard.slos",
            )
    elif policy.guard.observe < policy.forecast.window:
        yield Advice(
            ("guard", "observe"),
            "a change is judged before the window that it was made for is over: raise it above forecast.window",
        )


def _about_the_calendar(calendar: Calendar, now: datetime) -> Iterator[Advice]:
    """Yield what comes to nothing within a year, and which events are on at the same time."""
    coming: list[tuple[Occurrence, int]] = []
    kinds: tuple[tuple[str, tuple[Span, ...]], ...] = (("events", calendar.events), ("blackouts", calendar.blackouts))
    for kind, spans in kinds:
        for index, span in enumerate(spans):
            found = list(span.occurrences(calendar.zone, now, now + _YEAR))
            if kind == "events":
                coming += [(each, index) for each in found]
            if not found:
                yield Advice(("calendar", kind, index), f"{span.name} does not come within a year: remove it")
    coming.sort()
    told: set[tuple[int, int]] = set()
    latest, owner = now, -1
    for each, index in coming:
        pair = (min(index, owner), max(index, owner))
        if each.start < latest and index != owner and pair not in told:
            told.add(pair)
            names = " and ".join(calendar.events[one].name for one in pair)
            yield Advice(
                ("calendar", "events", pair[1]),
                f"{names} are on at the same time, first at {each.start.isoformat(timespec='minutes')}: the most of "
                "each counts, not the product",
            )
        if each.end > latest:
            latest, owner = each.end, index
