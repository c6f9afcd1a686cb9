"""The scaling loop as a reducer: (state, what is seen, forecast) -> (decision, state).

It is level-triggered: a turn looks at the world as it is and not at what it did before. The only memory is what was
needed lately, so that demand which falls for a moment does not take replicas away. The state is plain and small; it
lives in a status or a file, and a restart between any two turns changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiops.errors import DataError
from aiops.scaling.decide import ScalingDecision, decide
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.series import epoch_seconds, from_epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one turn of the loop saw.

    Attributes:
        current: The number that is controlled: the target's replicas in mode Direct, the HPA's ``minReplicas`` in mode
            Floor.
        ready: Replicas that serve; None if unknown.
        demand: Newest known demand, in the unit of ``capacityPerReplica``; None or NaN if unknown.
    """

    current: int
    ready: int | None = None
    demand: float | None = None

    def __post_init__(self) -> None:
        if self.current < 0:
            raise DataError(f"current replicas cannot be negative, got {self.current}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingState:
    """What a turn leaves for the next one.

    Attributes:
        decided_at: When the last turn was; None before the first.
        needs: (when, replicas needed), oldest first and falling: the only past needs that can still hold a scale-down.
    """

    decided_at: datetime | None = None
    needs: tuple[tuple[datetime, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain data; ``from_json`` reads it."""
        return {
            "decidedAt": None if self.decided_at is None else epoch_seconds(self.decided_at),
            "needs": [[epoch_seconds(at), count] for at, count in self.needs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ScalingState:
        """Read what ``to_json`` wrote.

        Raises:
            DataError: If it is anything else.
        """
        try:
            decided_at = data["decidedAt"]
            return cls(
                decided_at=None if decided_at is None else from_epoch(decided_at),
                needs=tuple((from_epoch(at), int(count)) for at, count in data["needs"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"not a scaling state: {data!r}; remove it to start afresh") from error


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
