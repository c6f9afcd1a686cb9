"""Too many roll-backs lock the guard, and nothing but a person unlocks it."""

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.guard import GuardEvent
from aiops.scaling.loop import step
from aiops.scaling.policy import Mode
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, Phase, ScalingState
from tests.scaling.days import HIGHEST, World, days, live, policy

HARM = [
    World(peak=20.0, demand=10.0, errors=errors, ready=None, more=0, applied=True, after=60)
    for errors in (0.0, 0.5, 0.5, *[0.0] * 6)
]


def locked(mode: Mode = Mode.DIRECT) -> ScalingState:
    turns = live(policy(mode), HARM * 3)
    events = [turn.decision.guard.event for turn in turns if turn.decision.guard]
    assert events.count(GuardEvent.ROLLED_BACK) == 3
    assert [turn.after.phase for turn in turns].count(Phase.ROLLING_BACK) == 3
    return turns[-1].after


def test_the_third_harm_of_a_day_locks_and_four_within_two_days_do_not() -> None:
    state = locked()
    assert state.phase is Phase.LOCKED
    assert state.lock is not None

    slow = [replace(world, after=60 if n % len(HARM) else 50_000) for n, world in enumerate(HARM * 4)]
    assert all(turn.after.lock is None for turn in live(policy(), slow))


@given(day=days, mode=st.sampled_from(list(Mode)), suspend=st.booleans(), jump=st.integers(-10_000, 100_000))
def test_locked_is_absorbing_until_a_person_unlocks(day, mode, suspend, jump) -> None:
    state = locked()
    now = state.decided_at
    assert now is not None
    for n, world in enumerate(day):
        now += timedelta(seconds=jump if n == 2 else world.after)
        decides = policy(mode).model_copy(update={"suspend": suspend and n == 1})
        seen = Observation(current=20, demand=world.demand, readings={"errors": world.errors})
        decision, state = step(state, seen, world.peak, decides, now)
        state = ScalingState.from_json(json.loads(json.dumps(state.to_json())))
        assert state.lock is not None
        assert decision.desired >= min(20, HIGHEST)
    unlocking = policy(unlock="ann, 2026-11-21")
    _, free = step(state, Observation(current=20), None, unlocking, now + timedelta(hours=3))
    assert free.lock is None


def test_unlocked_says_so_and_takes_away_again() -> None:
    state = locked()
    assert state.decided_at is not None
    seen = Observation(current=20, demand=10.0, readings={"errors": 0.0})
    held, after = step(state, seen, 20.0, policy(), state.decided_at + timedelta(minutes=9))
    freed, _ = step(after, seen, 20.0, policy(unlock="ann"), state.decided_at + timedelta(minutes=10))

    assert (held.desired, held.reason) == (20, Reason.LOCKED)
    assert "write something new into spec.guard.unlock" in held.message
    assert freed.guard is not None
    assert freed.guard.event is GuardEvent.UNLOCKED
    assert freed.desired < 20
