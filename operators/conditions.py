"""The conditions of a PredictiveScaler: what is so, what is not so, and why, in sentences for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from aiops.scaling.decide import ScalingDecision
from aiops.scaling.guard import Verdict
from aiops.scaling.loop import acts
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.skill import Skill
from aiops.scaling.state import ScalingState
from aiops.series.duration import duration_text
from aiops.usecases.scale import Scaled

UNPROVEN: Final = "Unproven"
"""Forecasts have not earned the mode that is written."""


class Kind(StrEnum):
    """The conditions, in the order in which they are shown."""

    READY = "Ready"
    """The spec can be followed: all that it names is there."""
    SCALING_ACTIVE = "ScalingActive"
    """Decisions change the world."""
    FORECAST_AVAILABLE = "ForecastAvailable"
    """There is a fresh forecast."""
    GUARD_HEALTHY = "GuardHealthy"
    """The SLOs are good, and no change had to be taken back lately."""
    ROOM_AHEAD = "RoomAhead"
    """What demand will need within the next weeks can exist."""


class Truth(StrEnum):
    """What a condition says."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition before it meets the one that was written last."""

    kind: Kind
    truth: Truth
    reason: str
    message: str


def scaling_active(policy: ScalingPolicy, scaled: Scaled, stop: str) -> Condition:
    """Return whether decisions change the world, and else why not.

    Args:
        policy: What the owner wrote.
        scaled: What the turn came to.
        stop: What to run to have nothing changed any more; empty if nobody has to know.
    """
    kind = Kind.SCALING_ACTIVE
    if policy.suspend:
        message = "spec.suspend is set: nothing is decided, and the target has its own minReplicas"
        return Condition(kind=kind, truth=Truth.FALSE, reason=Reason.SUSPENDED, message=message)
    if scaled.obstacle is not None:
        return Condition(kind=kind, truth=Truth.FALSE, reason=scaled.obstacle.reason, message=scaled.obstacle.message)
    if not policy.mode.applies:
        message = f"mode {policy.mode} changes nothing: set spec.mode to Floor or Direct"
        return Condition(kind=kind, truth=Truth.FALSE, reason=f"Mode{policy.mode}", message=message)
    skill = scaled.state.skill
    if not acts(policy.mode, skill):
        return Condition(kind=kind, truth=Truth.FALSE, reason=UNPROVEN, message=_waits(policy, skill, scaled.at))
    what = "the HPA's minReplicas follows" if policy.mode is Mode.FLOOR else "the replicas follow"
    how = f"; to stop it now: {stop}" if stop else ""
    if not skill.trusted:
        message = f"{skill.message}; {what} present demand until they do better{how}"
        return Condition(kind=kind, truth=Truth.TRUE, reason="Reactive", message=message)
    return Condition(kind=kind, truth=Truth.TRUE, reason=f"Mode{policy.mode}", message=f"{what} the decisions{how}")


def _waits(policy: ScalingPolicy, skill: Skill, now: datetime) -> str:
    """Return why a mode that was written changes nothing yet, and when it will."""
    proving = policy.trust.proving
    if skill.since is None:
        when = f"{duration_text(proving)} after the first forecast that can be judged, at the earliest"
    elif now < skill.since + proving:
        when = f"from {skill.since + proving:%Y-%m-%d %H:%M} UTC on, at the earliest"
    else:
        when = "as soon as none of these is above 1"
    return (
        f"mode {policy.mode} is written, and nothing is changed yet: forecasts first have to lose no more than "
        f"reactive scaling for {duration_text(proving)} (trust.proving). They act {when}; so far {skill.message}"
    )


def forecast_available(policy: ScalingPolicy, scaled: Scaled, lead_time: str) -> Condition:
    """Return whether there is a fresh forecast; ``lead_time`` is what was learnt of the start of pods."""
    kind = Kind.FORECAST_AVAILABLE
    if scaled.peak is None:
        message = scaled.no_forecast or "no forecast was asked for"
        return Condition(kind=kind, truth=Truth.FALSE, reason=Reason.FORECAST_MISSING, message=message)
    if scaled.demand is None:
        message = f"there is a forecast by {scaled.peak.model}, and present demand is unknown: {scaled.trouble}"
        return Condition(kind=kind, truth=Truth.UNKNOWN, reason=Reason.DATA_MISSING, message=message)
    message = f"forecasts by {scaled.peak.model}"
    if scaled.state.repeat is not None and scaled.state.repeat.frozen(policy, scaled.at):
        frozen = f"{message} do not change while demand does: they count as none"
        return Condition(kind=kind, truth=Truth.FALSE, reason=Reason.FORECAST_FROZEN, message=frozen)
    if lead_time:
        message += f" for the next {duration_text(policy.forecast.window)}: {lead_time}"
    if scaled.no_later:
        message += f"; nothing is taken away, since there is none for scaleDown.lookAhead: {scaled.no_later}"
    return Condition(kind=kind, truth=Truth.TRUE, reason="Fresh", message=message)


def guard_healthy(policy: ScalingPolicy, decision: ScalingDecision, state: ScalingState, no_reading: str) -> Condition:
    """Return whether the SLOs are good; ``no_reading`` says why one has no answer."""
    kind, report = Kind.GUARD_HEALTHY, decision.guard
    if policy.guard is None:
        message = "no guard: spec.guard names no SLO that a change could be judged by"
        return Condition(kind=kind, truth=Truth.UNKNOWN, reason="NoGuard", message=message)
    if report is None:
        return Condition(kind=kind, truth=Truth.UNKNOWN, reason="NotChecked", message=decision.message)
    if state.holds:
        reason = Reason.ROLLED_BACK if state.lock is None else Reason.LOCKED
        return Condition(kind=kind, truth=Truth.FALSE, reason=reason, message=report.message)
    match report.verdict:
        case Verdict.BAD:
            return Condition(kind=kind, truth=Truth.FALSE, reason=Reason.SLO_VIOLATED, message=report.message)
        case Verdict.INCONCLUSIVE:
            message = f"{report.message}: {no_reading}" if no_reading else report.message
            return Condition(kind=kind, truth=Truth.UNKNOWN, reason=Reason.SLO_UNKNOWN, message=message)
    return Condition(kind=kind, truth=Truth.TRUE, reason=str(state.phase), message=report.message)
