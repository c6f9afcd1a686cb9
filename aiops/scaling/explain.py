"""Why a policy decides what it decides in a given situation: rule by rule, by the very functions that decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from aiops.scaling.decide import ScalingDecision
from aiops.scaling.loop import step
from aiops.scaling.plausible import Record
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.skill import Loss, Skill
from aiops.scaling.state import Observation, ScalingState, known
from aiops.series import epoch_seconds
from aiops.series.duration import format_duration

_TURN: Final = timedelta(minutes=1)
_TRUSTED: Final = Skill(proven=True, trusted=True)
_LOST: Final = Loss(ours=3.0, reactive=1.0)
_DISTRUSTED: Final = Skill(proven=True, losses=(_LOST, _LOST, _LOST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What one turn would see.

    Attributes:
        at: The instant of the turn, UTC.
        current: The number that is controlled, now.
        demand: Present demand; None if it is not known.
        forecast: Highest demand forecast for the window; None if there is no forecast.
        later: Highest demand forecast for as far as the policy looks ahead; None if that is not more.
        needed: The most replicas that a turn of the stabilization window has asked for; None if that was less than now.
        usual: Highest demand around this hour of the last days; None if nothing is known of them.
        readings: Answer to SLO queries by name; one that is left out is good.
        ready: Replicas that serve; None if unknown.
        ceiling: The HPA's ``maxReplicas``; None without.
        baseline: The HPA's own ``minReplicas``; None without.
        trusted: Whether forecasts have served no worse than reactive scaling.
    """

    at: datetime
    current: int
    demand: float | None = None
    forecast: float | None = None
    later: float | None = None
    needed: int | None = None
    usual: float | None = None
    readings: Mapping[str, float | None] = field(default_factory=dict)
    ready: int | None = None
    ceiling: int | None = None
    baseline: int | None = None
    trusted: bool = True


class Rule(NamedTuple):
    """One rule, in the order in which they are applied.

    Attributes:
        rule: What it is.
        keys: Where it is written in the policy; empty if nowhere.
        says: What it found.
        replicas: The number after it; None before there is one.
    """

    rule: str
    keys: str
    says: str
    replicas: int | None


_BELIEF: Final = frozenset({Reason.HISTORY_CAP, Reason.FORECAST_IMPLAUSIBLE, Reason.FORECAST_UNSKILLED})
_SHAPES: Final[tuple[tuple[str, str, frozenset[Reason]], ...]] = (
    ("stabilization", "behavior.scaleDown.stabilizationWindow", frozenset({Reason.SCALE_DOWN_STABILIZED})),
    ("look ahead", "behavior.scaleDown.lookAhead", frozenset({Reason.NEEDED_SOON})),
    ("tolerance", "behavior.scaleDown.tolerance", frozenset({Reason.WITHIN_TOLERANCE})),
    ("one step", "behavior", frozenset({Reason.SCALE_UP_LIMIT, Reason.SCALE_DOWN_LIMIT})),
    ("bounds", "bounds", frozenset({Reason.TOO_FEW_REPLICAS, Reason.TOO_MANY_REPLICAS, Reason.MAX_RAISED})),
)
_KEEPS: Final = frozenset(Reason).difference(_BELIEF, {Reason.CALENDAR_EVENT}, *(reasons for _, _, reasons in _SHAPES))
_RULES: Final = (("may it shrink", "guard, calendar", _KEEPS), *_SHAPES)


def explain(policy: ScalingPolicy, situation: Situation) -> tuple[ScalingDecision, list[Rule]]:
    """Decide, and say what each rule made of it.

    Raises:
        DataError: If the situation cannot be, such as negative replicas.
    """
    before, seen = _before(policy, situation), _seen(policy, situation)
    decision, _ = step(before, seen, situation.forecast, policy, situation.at, later=situation.later)
    return decision, [*_need(policy, situation, decision), *_applied(decision)]


def _before(policy: ScalingPolicy, situation: Situation) -> ScalingState:
    """Return the state after a turn a minute ago, with nothing on trial."""
    last = situation.at - _TURN
    forgotten = situation.at - policy.behavior.scale_down.stabilization_window - _TURN
    needs = (forgotten, situation.current) if situation.needed is None else (last, situation.needed)
    days = () if situation.usual is None else (situation.usual, *[None] * 24)
    record = Record(hour=int(epoch_seconds(situation.at) // 3600), highest=days)
    return ScalingState(
        decided_at=last,
        needs=(needs,),
        mode=policy.mode,
        effective_mode=policy.mode,
        baseline=situation.baseline,
        record=record,
        skill=_TRUSTED if situation.trusted else _DISTRUSTED,
    )


def _seen(policy: ScalingPolicy, situation: Situation) -> Observation:
    slos = () if policy.guard is None else policy.guard.slos
    return Observation(
        current=situation.current,
        ready=situation.ready,
        demand=situation.demand,
        ceiling=situation.ceiling,
        readings={slo.name: slo.threshold for slo in slos} | dict(situation.readings),
    )


def _need(policy: ScalingPolicy, situation: Situation, decision: ScalingDecision) -> list[Rule]:
    asked, load = policy.forecast, policy.load
    what = f"the {policy.level:g} quantile of the highest demand within {format_duration(asked.window)}"
    forecast = f"{situation.forecast:.6g}" if known(situation.forecast) else "there is none"
    rules = [Rule("forecast", "forecast" if policy.prices is None else "prices", f"{what}: {forecast}", None)]
    doubted = next((each for each in decision.limits if each in _BELIEF), None)
    if doubted is not None:
        found = f"{doubted}: {decision.peak_demand:.6g} counts"
    elif situation.usual is None:
        found = "no earlier day is known to hold it against"
    else:
        found = f"not above {asked.history_cap:g} x {situation.usual:.6g}, or what the last hour had"
    if known(situation.forecast):
        rules.append(Rule("belief", "forecast.historyCap", found, None))
    if Reason.CALENDAR_EVENT in decision.limits[:1]:
        planned = f"{decision.note} wants {decision.peak_demand:.6g} to be planned for"
        rules.append(Rule("calendar", "calendar.events", planned, None))
    if decision.wanted is not None:
        sum_ = f"{decision.peak_demand:.6g} / ({load.capacity_per_replica:g} x {load.target_utilization:g})"
        rules.append(Rule("replicas", "load", sum_, decision.wanted))
    return rules


def _applied(decision: ScalingDecision) -> list[Rule]:
    numbers = dict(zip(decision.limits, decision.numbers, strict=False))
    replicas = decision.current if decision.wanted is None else decision.wanted
    rules = []
    for rule, keys, reasons in _RULES:
        reason = next((each for each in decision.limits if each in reasons and each in numbers), None)
        if reason is not None:
            replicas = numbers[reason]
        rules.append(Rule(rule, keys, "changes nothing" if reason is None else str(reason), replicas))
    if decision.note:
        rules.append(Rule("calendar", "calendar", f"{decision.note} on", decision.desired))
    if decision.guard is not None:
        rules.append(Rule("guard", "guard", decision.guard.message, decision.desired))
    rules.append(Rule("decision", "", decision.message, decision.desired))
    return rules
