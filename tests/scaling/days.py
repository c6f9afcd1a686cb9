"""Days of a workload for the guard: what each turn finds, in every combination, and the loop living through them."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from aiops.scaling.decide import ScalingDecision
from aiops.scaling.loop import step
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.scaling.state import Observation, ScalingState

START = datetime(2026, 1, 5, tzinfo=UTC)
BASELINE, LOWEST, HIGHEST = 3, 2, 40


def policy(mode: Mode = Mode.DIRECT, window: str = "0s", proving: str = "0s", **guard) -> ScalingPolicy:
    return ScalingPolicy.model_validate(
        {
            "mode": mode,
            "bounds": {"minReplicas": LOWEST, "maxReplicas": HIGHEST},
            "load": {"capacityPerReplica": 10},
            "trust": {"proving": proving},
            "behavior": {"scaleDown": {"maxStepRatio": 0.5, "stabilizationWindow": window}},
            "guard": {
                "slos": [{"name": "errors", "query": "errors", "threshold": 0.01}],
                "observe": "3m",
                "failureLimit": 2,
                "consecutiveErrorLimit": 3,
                "coolDown": "5m",
                **guard,
            },
        }
    )


@dataclass(frozen=True, kw_only=True)
class World:
    """What one turn finds beside the number that is controlled."""

    peak: float | None
    demand: float | None
    errors: float | None
    ready: int | None
    more: int | None  # replicas that the HPA runs above the floor; None: unknown
    applied: bool  # whether the decision before reached the cluster
    after: int  # seconds since the turn before


peaks = st.sampled_from([20.0, 20.0, 60.0, 90.0, 400.0, None, math.nan]) | st.floats(0, 600)
worlds = st.builds(
    World,
    peak=peaks,
    demand=st.sampled_from([10.0, 10.0, 10.0, 10.0, 200.0, 600.0, None, math.inf]),
    errors=st.sampled_from([0.0, 0.0, 0.0, 0.5, 0.5, None]),
    ready=st.none() | st.integers(0, 60),
    more=st.sampled_from([None, 0, 0, 5]),
    applied=st.sampled_from([True, True, True, True, True, False]),
    after=st.sampled_from([30, 60, 60, 60, 240]),
)
quiet = World(peak=20.0, demand=10.0, errors=0.0, ready=None, more=0, applied=True, after=60)
stretches = st.builds(lambda world, count: [world] * count, worlds | st.just(quiet), st.integers(1, 6))
days = st.lists(stretches, min_size=1, max_size=14).map(lambda parts: [world for part in parts for world in part])
modes = st.sampled_from(list(Mode))


@dataclass(frozen=True, kw_only=True)
class Turn:
    now: datetime
    seen: Observation
    peak: float | None
    before: ScalingState
    decision: ScalingDecision
    after: ScalingState


def live(policy: ScalingPolicy, day: list[World], current: int = 20, *, restart: bool = False) -> list[Turn]:
    """Take one turn for each world; in modes that apply, what is decided is there at the next turn unless it failed."""
    state, now, turns = ScalingState(baseline=BASELINE), START, []
    wished = current
    for world in day:
        now += timedelta(seconds=world.after)
        if world.applied and policy.mode.applies:
            current = wished
        seen = Observation(
            current=current,
            ready=world.ready,
            demand=world.demand,
            replicas=None if world.more is None else current + world.more,
            readings={"errors": world.errors},
        )
        decision, after = step(state, seen, world.peak, policy, now)
        turns.append(Turn(now=now, seen=seen, peak=world.peak, before=state, decision=decision, after=after))
        state, wished = after, decision.desired
        if restart:
            state = ScalingState.from_json(json.loads(json.dumps(state.to_json())))
    return turns
