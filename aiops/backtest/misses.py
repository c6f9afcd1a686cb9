"""Why demand was left unmet: each stretch of it, and the decision that would have had to prevent it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from aiops.backtest.hpa import SYNC
from aiops.backtest.outcome import ScalingOutcome, Turn
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason

_APART = timedelta(minutes=5)
_UNBELIEVED = {Reason.HISTORY_CAP, Reason.FORECAST_IMPLAUSIBLE}
_ABSENT = {Reason.FORECAST_MISSING, Reason.FORECAST_FROZEN}


class Cause(StrEnum):
    """What stood between a workload and enough ready replicas."""

    FORECAST_LOW = "not foreseen"
    """No forecast came to what was needed before it was needed."""
    LATE = "seen too late"
    """A forecast did, but later than a pod takes to start."""
    MAXIMUM = "maxReplicas"
    """More was needed than the policy allows."""
    PACE = "step limit"
    """The forecast was right, and one step may not add as much."""
    NOT_BELIEVED = "not believed"
    """The forecast was cut down, because it was beyond what demand ever was."""
    NO_FORECAST = "no forecast"
    """There was none, or one that had frozen."""
    TAKEN_AWAY = "taken away"
    """Enough were asked for in time, and some of them were taken away again before they were needed."""
    PODS_LOST = "pods lost"
    """Enough were asked for in time, and did not get ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A stretch in which demand was above the ready capacity; stretches less than five minutes apart are one.

    Attributes:
        begin: Its first step.
        end: End of its last step.
        worst: When most replicas were missing.
        needed: Replicas that had to be ready then.
        ready: Replicas that were.
        replica_minutes: Missing replicas times minutes, over the stretch.
        cause: What stood in the way at ``worst``.
        text: That, as a sentence with its numbers.
    """

    begin: datetime
    end: datetime
    worst: datetime
    needed: int
    ready: int
    replica_minutes: float
    cause: Cause
    text: str


def misses(outcome: ScalingOutcome, policy: ScalingPolicy, startup_delay: timedelta) -> list[Miss]:
    """Return every miss of a replay that has its decisions, the gravest first.

    Args:
        outcome: A replay with ``turns``.
        policy: What decided in it.
        startup_delay: From creation of a pod to ready.
    """
    missing = np.where(np.isnan(outcome.demand), 0, np.maximum(outcome.needed - outcome.track.ready, 0))
    short = np.flatnonzero(missing)
    if not len(short):
        return []
    breaks = np.flatnonzero(np.diff(short) > _APART // SYNC)
    firsts, lasts = short[[0, *(breaks + 1)]], short[[*breaks, len(short) - 1]]
    instants = [turn.at for turn in outcome.turns]
    found = []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        worst = first + int(missing[first : last + 1].argmax())
        at, needed = outcome.start + worst * SYNC, int(outcome.needed[worst])
        due = bisect_right(instants, at - startup_delay)
        since = outcome.turns[due : bisect_left(instants, at)]
        cause, text = _cause(needed, outcome.turns[due - 1] if due else None, since, policy, at)
        found.append(
            Miss(
                begin=outcome.start + first * SYNC,
                end=outcome.start + (last + 1) * SYNC,
                worst=at,
                needed=needed,
                ready=int(outcome.track.ready[worst]),
                replica_minutes=float(missing[first : last + 1].sum()) * (SYNC / timedelta(minutes=1)),
                cause=cause,
                text=text,
            )
        )
    return sorted(found, key=lambda miss: -miss.replica_minutes)


def causes(found: Iterable[Miss]) -> dict[Cause, float]:
    """Return which share of the missing replica-minutes has which cause, the largest first."""
    sums: dict[Cause, float] = {}
    for miss in found:
        sums[miss.cause] = sums.get(miss.cause, 0.0) + miss.replica_minutes
    total = sum(sums.values())
    return {cause: each / total for cause, each in sorted(sums.items(), key=lambda item: -item[1])}


def _cause(
    needed: int, due: Turn | None, since: Sequence[Turn], policy: ScalingPolicy, at: datetime
) -> tuple[Cause, str]:
    """Judge the last decision whose pods could be ready, by what it knew; ``since`` are those that came too late."""
    if needed > policy.bounds.max_replicas:
        return Cause.MAXIMUM, f"{needed} replicas were needed, and maxReplicas is {policy.bounds.max_replicas}"
    if due is None:
        return Cause.NO_FORECAST, "it came before the first decision of the scored time could take effect"
    decision = due.decision
    said = f"the last decision in time, at {due.at:%H:%M:%S}, said: {decision.message}"
    if decision.desired >= needed and decision.wanted is not None:
        fewer = next((turn for turn in since if turn.decision.desired < needed), None)
        if fewer is not None:
            said = f"at {fewer.at:%H:%M:%S} a decision said: {fewer.decision.message}"
            return Cause.TAKEN_AWAY, f"{needed} replicas were needed and had been asked for; {said}"
        return Cause.PODS_LOST, f"{decision.desired} replicas were asked for in time, and {needed} were needed"
    why = {decision.reason, *decision.limits}
    if decision.wanted is None or _ABSENT & why:
        return Cause.NO_FORECAST, f"{needed} replicas were needed; {said}"
    if _UNBELIEVED & why:
        return Cause.NOT_BELIEVED, f"{needed} replicas were needed; {said}"
    if decision.wanted >= needed:
        return Cause.PACE, f"{needed} replicas were needed; {said}"
    later = next((turn for turn in since if (turn.decision.wanted or 0) >= needed), None)
    if later is not None:
        seconds = (at - later.at).total_seconds()
        return Cause.LATE, f"{needed} replicas were needed, and a forecast said so {seconds:.0f} s before; {said}"
    return Cause.FORECAST_LOW, f"{needed} replicas were needed, and no forecast said so before; {said}"
