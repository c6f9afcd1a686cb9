"""The scaling loop as a reducer: (state, what is seen, forecast) -> (decision, state).

It is level-triggered: a turn looks at the world as it is and not at what it did before. The only memory is what was
needed lately, so that demand which falls for a moment does not take replicas away. The state is plain and small; it
lives in a status or a file, and a restart between any two turns changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from aiops.scaling.decide import ScalingDecision, decide
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, ScalingState


def step(
    state: ScalingState, observation: Observation, peak: float | None, policy: ScalingPolicy, now: datetime
) -> tuple[ScalingDecision, ScalingState]:
    """Take one turn.

    The first turn, and every turn that cannot see demand or has no forecast, counts what is there as needed: shrinking
    starts a full stabilization window after the last time that we were blind.

    Args:
        state: What the turn before left.
        observation: What is seen now.
        peak: Forecast of the highest demand in the window at the policy's level; None if there is none.
        policy: What the owner wrote.
        now: The instant of this turn, UTC.
    """
    if state.decided_at is not None and now < state.decided_at:
        current = observation.current
        return ScalingDecision(current=current, desired=current, reason=Reason.CLOCK_WENT_BACK), state
    demand_known = (
        observation.demand is not None and observation.demand == observation.demand
    )  # NaN differs from itself
    oldest = now - policy.behavior.scale_down.stabilization_window
    needs = state.needs if state.decided_at is not None else ((now, observation.current),)
    recent = tuple(need for need in needs if need[0] > oldest)
    hold_at = recent[0][1] if recent else 0
    decision = decide(observation.current, peak, policy, hold_at=hold_at, demand_known=demand_known)
    needed = decision.wanted
    if needed is None or (not demand_known and needed < observation.current):
        needed = observation.current
    kept = tuple(need for need in recent if need[1] > needed)
    return decision, ScalingState(decided_at=now, needs=(*kept, (now, needed)))
