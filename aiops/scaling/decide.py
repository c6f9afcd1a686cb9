"""One scaling decision: pure, and the same for the operator and the backtest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from aiops.scaling.capacity import ROUNDING, replicas_for
from aiops.scaling.guard import GuardReport
from aiops.scaling.policy import MaxBreach, ScalingPolicy
from aiops.scaling.reason import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingDecision:
    """What to do with the number that is controlled, and why; it says why also when it does nothing.

    The number is the target's replicas in mode Direct, and the HPA's ``minReplicas`` in mode Floor.

    Attributes:
        current: The number now.
        desired: The number to set; equals ``current`` when nothing is to be done.
        reason: Why ``desired`` is what it is.
        wanted: What the forecast alone asks for, before pace and bounds; None without a forecast.
        peak_demand: The forecast that was read; None if there was none.
        soon: What will be needed soon after the window; None if that is not known, 0 if it was not asked.
        limits: Everything that moved ``wanted`` towards ``desired``, in the order in which it was applied.
        numbers: The number after each of ``limits``; what the guard adds at the end comes without.
        guard: What the guard found; None if the policy has none.
        note: What of the calendar is on; empty if nothing is.
    """

    current: int
    desired: int
    reason: Reason
    wanted: int | None = None
    peak_demand: float | None = None
    soon: int | None = 0
    limits: tuple[Reason, ...] = ()
    numbers: tuple[int, ...] = ()
    guard: GuardReport | None = None
    note: str = ""

    @property
    def message(self) -> str:
        """Return the reason as a sentence with its numbers."""
        done = f"hold {self.current}" if self.desired == self.current else f"{self.current} -> {self.desired}"
        said = [self.note, "" if self.guard is None else self.guard.message]
        return "; ".join([f"{done}: {self._cause()}", *filter(None, said)])

    def _cause(self) -> str:
        match self.reason:
            case Reason.FORECAST_MISSING if self.peak_demand is None:
                return "no forecast for the window"
            case Reason.FORECAST_MISSING:
                return f"{_needs(self)}; no forecast for the window, so present demand counts"
            case Reason.FORECAST_FROZEN if self.peak_demand is None:
                return "the forecast does not change while demand does"
            case Reason.FORECAST_FROZEN:
                return f"{_needs(self)}; the forecast does not change while demand does, so present demand counts"
            case Reason.DATA_MISSING:
                return f"present demand unknown, {_needs(self)}"
            case Reason.CLOCK_WENT_BACK:
                return "this turn is older than the one before it"
            case Reason.SCALE_DOWN_STABILIZED:
                return f"{_needs(self)}, but more was needed within the stabilization window"
            case Reason.NEEDED_SOON if self.soon is None:
                return f"{_needs(self)}, but what may be needed soon after is not known"
            case Reason.NEEDED_SOON:
                return f"{_needs(self)}, but {self.soon} may be needed soon after"
            case Reason.HISTORY_CAP:
                return f"{_needs(self)}, the most that can be believed at this hour"
            case Reason.FORECAST_IMPLAUSIBLE:
                return f"{_needs(self)}; forecasts are too often beyond belief, so present demand counts"
            case Reason.FORECAST_UNSKILLED:
                return f"{_needs(self)}; forecasts do not serve better than reactive scaling, so present demand counts"
            case Reason.STEP_OBSERVED:
                return f"{_needs(self)}, but the last step down is still observed"
            case Reason.WITHIN_TOLERANCE:
                kept = self.numbers[-2] if len(self.numbers) > 1 else self.wanted
                less = "" if kept == self.wanted else f", {kept} with what was needed lately or may be soon"
                return f"{_needs(self)}{less}, too few less to be worth a change"
            case Reason.SCALE_UP_LIMIT:
                return f"{_needs(self)}, more than one step may add"
            case Reason.SCALE_DOWN_LIMIT:
                return f"{_needs(self)}, fewer than one step may leave"
            case Reason.TOO_FEW_REPLICAS:
                return f"{_needs(self)}; the minimum is {self.desired}"
            case Reason.TOO_MANY_REPLICAS:
                return f"{_needs(self)}; the maximum is {self.desired}"
            case Reason.MAX_RAISED:
                return f"{_needs(self)}, above maxReplicas, which onMaxBreach raises"
            case Reason.CALENDAR_EVENT if self.wanted is not None and self.desired <= self.wanted:
                return f"{_needs(self)}, more than without the calendar"
            case Reason.CALENDAR_EVENT:
                return f"{_needs(self)}; the calendar asks for {self.desired}"
            case Reason.BLACKOUT:
                return f"{_needs(self)}, but a blackout forbids the change"
            case Reason.SUSPENDED:
                return "spec.suspend is set"
            case Reason.ROLLED_BACK:
                return f"the last change is taken back, {_needs(self)}"
            case Reason.COOLING_DOWN:
                return f"{_needs(self)}, but a change was taken back lately"
            case Reason.LOCKED:
                return f"{_needs(self)}, but the guard is locked: write something new into spec.guard.unlock"
            case Reason.ANOMALOUS_DIP:
                return f"{_needs(self)}, but demand was never so low at this hour, and retries may follow an outage"
            case Reason.ON_TRIAL:
                return f"{_needs(self)}, but the last change is still on trial"
            case Reason.NOT_BLAMED | Reason.SLO_VIOLATED:
                return f"{_needs(self)}, but an SLO is bad"
            case Reason.SLO_UNKNOWN:
                return f"{_needs(self)}, but an SLO cannot be read"
            case _:
                return _needs(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "current": self.current,
            "desired": self.desired,
            "reason": str(self.reason),
            "message": self.message,
            "wanted": self.wanted,
            "peak_demand": self.peak_demand,
            "limits": [str(limit) for limit in self.limits],
            "guard": None
            if self.guard is None
            else {"verdict": str(self.guard.verdict), "event": self.guard.event and str(self.guard.event)},
        }


def decide(
    current: int,
    peak_demand: float | None,
    policy: ScalingPolicy,
    *,
    hold_at: int = 0,
    soon: int | None = 0,
    demand_known: bool = True,
    keep: Reason | None = None,
    low: int | None = None,
    high: int | None = None,
    doubt: Reason | None = None,
) -> ScalingDecision:
    """Choose the number of replicas for the window that this decision covers.

    In this order: what demand needs; not below what was needed lately, nor what will be soon; not for the sake of a
    few; within one step; within the bounds. Bounds win over the step: what is outside them comes inside at once, as
    with the HPA. Without a usable forecast nothing moves, except up to ``minReplicas``.

    Args:
        current: The number that is controlled, now; at least 0.
        peak_demand: Highest demand forecast for the window at the policy's level, in the unit of
            ``capacityPerReplica``. None, NaN, infinite or negative is no forecast.
        policy: What the owner wrote.
        hold_at: The most that was needed within the stabilization window; shrinking stops there.
        soon: What will be needed soon after the window; shrinking stops there, too. None if that is not known:
            nothing shrinks.
        demand_known: Whether present demand can be seen. If not, the number may grow and does not shrink.
        keep: Why the number may not shrink for another reason; None if it may.
        low: Lower bound; None for the policy's ``minReplicas``.
        high: Upper bound; None for the policy's ``maxReplicas``.
        doubt: Why ``peak_demand`` is not what was forecast; None if it is.
    """
    low = policy.bounds.min_replicas if low is None else low
    high = policy.bounds.max_replicas if high is None else high
    if peak_demand is None or not 0.0 <= peak_demand < math.inf:
        return _without_forecast(current, low, doubt or Reason.FORECAST_MISSING)
    wanted = desired = replicas_for(peak_demand, policy.load.per_replica)
    ahead = current if soon is None else soon
    trail = [] if doubt is None else [(doubt, wanted)]
    if desired < current:
        if not demand_known:
            desired = current
            trail.append((Reason.DATA_MISSING, desired))
        elif keep is not None:
            desired = current
            trail.append((keep, desired))
        elif desired < max(hold_at, ahead):
            desired = min(max(hold_at, ahead), current)
            trail.append((Reason.SCALE_DOWN_STABILIZED if hold_at >= ahead else Reason.NEEDED_SOON, desired))
        if current * (1.0 - policy.behavior.scale_down.tolerance) + ROUNDING < desired < current:
            desired = current
            trail.append((Reason.WITHIN_TOLERANCE, desired))
    asked = desired
    if desired > current:
        step = policy.behavior.scale_up.limit(current)
        if desired > current + step:
            desired = current + step
            trail.append((Reason.SCALE_UP_LIMIT, desired))
    elif desired < current:
        step = policy.behavior.scale_down.limit(current)
        if desired < current - step:
            desired = current - step
            trail.append((Reason.SCALE_DOWN_LIMIT, desired))
    # Where a step would end exactly on a bound, the bound is the reason: the next step changes nothing.
    if desired < low or (desired == low and asked < low):
        desired = low
        trail.append((Reason.TOO_FEW_REPLICAS, desired))
    elif desired > high or (desired == high and asked > high):
        desired = high
        trail.append((Reason.TOO_MANY_REPLICAS, desired))
    elif desired > max(current, policy.bounds.max_replicas) and policy.bounds.on_max_breach is not MaxBreach.HONOR:
        trail.append((Reason.MAX_RAISED, desired))
    return ScalingDecision(
        current=current,
        desired=desired,
        reason=trail[-1][0] if trail else Reason.DESIRED_WITHIN_RANGE,
        wanted=wanted,
        peak_demand=peak_demand,
        soon=soon,
        limits=tuple(reason for reason, _ in trail),
        numbers=tuple(number for _, number in trail),
    )


def _without_forecast(current: int, low: int, why: Reason) -> ScalingDecision:
    if current >= low:
        return ScalingDecision(current=current, desired=current, reason=why)
    return ScalingDecision(
        current=current,
        desired=low,
        reason=Reason.TOO_FEW_REPLICAS,
        limits=(why, Reason.TOO_FEW_REPLICAS),
    )


def _needs(decision: ScalingDecision) -> str:
    if decision.peak_demand is None:
        return "no forecast for the window"
    plural = "" if decision.wanted == 1 else "s"
    return f"demand of up to {decision.peak_demand:.4g} needs {decision.wanted} replica{plural}"
