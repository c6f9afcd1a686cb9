"""The ``status`` of a PredictiveScaler: what people and programs read, and all that we remember.

It is written when something changes on which a reader would act, and not because time has passed: numbers that tremble
within a tenth, sentences that differ in a number only, and instants do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from aiops.adapters.kubernetes_control import Adoption
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.state import ScalingState
from aiops.usecases.scale import Scaled
from operators.conditions import Condition, Kind, Truth, forecast_available, guard_healthy, scaling_active

Status = dict[str, Any]

_TREMBLE: Final = 0.1
_NUMBER: Final = re.compile(r"[-+]?\d[\d.e+-]*")
_MESSAGE_CHARACTERS: Final = 1024
_SIGNIFICANT_DIGITS: Final = 6


def of_turn(
    before: Status,
    generation: int,
    policy: ScalingPolicy,
    scaled: Scaled,
    adoption: Adoption | None,
    *,
    has_hpa: bool,
    lead_time: str = "",
    stop: str = "",
    outlook: Status | None = None,
    room: Condition | None = None,
) -> Status:
    """Return the status after a turn that came to a decision.

    Args:
        before: As it was written last.
        generation: Of the spec that was followed.
        policy: That spec.
        scaled: What the turn came to.
        adoption: What we hold, this turn's change included; None for nothing.
        has_hpa: Whether the number that is controlled is an HPA's floor.
        lead_time: What was learnt of the start of pods; empty if nothing was to be learnt.
        stop: What to run to have nothing changed any more; empty if nobody has to know.
        outlook: What is known of the weeks ahead; None before the first look.
        room: What people read of that.
    """
    decision, state, replicas = scaled.decision, scaled.state, scaled.replicas
    mode = state.effective_mode or policy.mode
    same = before.get("reason") == str(decision.reason) and before.get("desiredReplicas") == decision.desired
    done = scaled.changes or decision.desired == decision.current
    said = decision.message if done else f"not done: {decision.message}"
    status: Status = {
        "observedGeneration": generation,
        "phase": str(state.phase),
        "effectiveMode": str(mode),
        "currentReplicas": replicas.current if replicas.asked is None else replicas.asked,
        "desiredReplicas": decision.desired,
        "reason": str(decision.reason),
        "message": said[:_MESSAGE_CHARACTERS],
        "lastDecisionTime": before["lastDecisionTime"]
        if same and "lastDecisionTime" in before
        else instant_text(scaled.at),
        "conditions": _conditions(
            before,
            generation,
            scaled.at,
            (
                Condition(
                    kind=Kind.READY,
                    truth=Truth.TRUE,
                    reason="AsSpecified",
                    message="all that the spec names is there",
                ),
                scaling_active(policy, scaled, stop),
                forecast_available(policy, scaled, lead_time),
                guard_healthy(policy, decision, state, scaled.no_reading),
                *(() if room is None else (room,)),
            ),
        ),
        "state": _remembered(state, adoption),
    }
    if scaled.changes:
        status["lastChange"] = {
            "time": instant_text(scaled.at),
            "from": decision.current,
            "to": decision.desired,
            "reason": str(decision.reason),
            "message": decision.message[:_MESSAGE_CHARACTERS],
        }
    elif "lastChange" in before:
        status["lastChange"] = before["lastChange"]
    if outlook is not None:
        status["outlook"] = outlook
    if has_hpa:
        status["floorReplicas"] = decision.desired if scaled.changes else replicas.current
    if scaled.demand is not None:
        status["demand"] = _rounded(scaled.demand)
    if scaled.peak is not None:
        status["peakDemand"] = _rounded(scaled.peak.value)
    return status


def of_failure(
    before: Status,
    generation: int,
    at: datetime,
    reason: str,
    message: str,
    state: ScalingState,
    adoption: Adoption | None,
) -> Status:
    """Return the status after a turn that could not decide: what is there stays, and nothing is changed."""
    not_ready = Condition(kind=Kind.READY, truth=Truth.FALSE, reason=reason, message=message)
    idle = Condition(
        kind=Kind.SCALING_ACTIVE, truth=Truth.FALSE, reason=reason, message="nothing is changed until Ready is True"
    )
    kept = {key: value for key, value in before.items() if key not in ("conditions", "observedGeneration")}
    conditions = _conditions(before, generation, at, (not_ready, idle))
    mentioned = {each["type"] for each in conditions}
    conditions += [each for each in before.get("conditions") or [] if each["type"] not in mentioned]
    return {
        **kept,
        "observedGeneration": generation,
        "conditions": conditions,
        "state": _remembered(state, adoption),
    }


def differs(before: Status, after: Status) -> bool:
    """Return whether a reader would act on the difference."""
    keys = (set(before) | set(after)) - {"lastDecisionTime", "message", "conditions", "state", "demand", "peakDemand"}
    if any(before.get(key) != after.get(key) for key in keys):
        return True
    if any(_moved(before.get(key), after.get(key)) for key in ("demand", "peakDemand")):
        return True
    if _shape(before.get("conditions")) != _shape(after.get("conditions")):
        return True
    return _news(before.get("state"), after["state"])


def condition(status: Mapping[str, Any], kind: Kind) -> Mapping[str, Any]:
    """Return one condition as it was written; empty if it was not."""
    return next((each for each in status.get("conditions") or [] if each["type"] == kind), {})


def _conditions(before: Status, generation: int, at: datetime, found: Iterable[Condition]) -> list[Status]:
    written = {each["type"]: each for each in before.get("conditions") or []}
    return [_condition(written.get(each.kind, {}), generation, at, each) for each in found]


def _condition(before: Status, generation: int, at: datetime, found: Condition) -> Status:
    stays = before.get("status") == str(found.truth)
    return {
        "type": str(found.kind),
        "status": str(found.truth),
        "reason": str(found.reason),
        "message": found.message[:_MESSAGE_CHARACTERS],
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if stays else instant_text(at),
    }


def _remembered(state: ScalingState, adoption: Adoption | None) -> Status:
    found = {key: value for key, value in state.to_json().items() if value is not None}
    if adoption is not None:
        found["adopted"] = adoption.to_json()
    return found


def _shape(conditions: Iterable[Mapping[str, Any]] | None) -> list[tuple[object, ...]]:
    return [
        (each["type"], each["status"], each["reason"], each["observedGeneration"], _NUMBER.sub("#", each["message"]))
        for each in conditions or ()
    ]


def _moved(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) > _TREMBLE * max(abs(before), abs(after))


def _news(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """Return whether more than time has passed: the last need may be later, and the oldest may have run out."""
    old, new = dict(before or {}), dict(after)
    old_needs, new_needs = old.pop("needs", []), new.pop("needs", [])
    old.pop("decidedAt", None), new.pop("decidedAt", None)
    old_skill, new_skill = old.pop("skill", {}), new.pop("skill", {})
    if any(old_skill.get(key) != new_skill.get(key) for key in ("since", "proven", "trusted")):
        return True
    if old != new or not old_needs or not new_needs or old_needs[-1][1] != new_needs[-1][1]:
        return old != new or bool(new_needs)
    earlier, lately = [tuple(each) for each in old_needs[:-1]], [tuple(each) for each in new_needs[:-1]]
    return earlier[len(earlier) - len(lately) :] != lately if len(lately) <= len(earlier) else True


def _rounded(value: float) -> float:
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")


def instant_text(instant: datetime) -> str:
    """Return an instant as Kubernetes writes it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
