"""What holds for the whole reducer, under any policy with calendar, prices and a maximum that may move."""

import itertools
import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.decide import ScalingDecision
from aiops.scaling.loop import step
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.policy_file import policy_from
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, ScalingState

START = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before clocks go forward in Berlin
MINUTE = timedelta(minutes=1)
LEAST, MOST, CEILING, BASELINE = 2, 30, 36, 3

spans = st.builds(
    lambda start, minutes, repeat: {
        "start": f"2026-03-{27 + start // 1440:02}T{start // 60 % 24:02}:{start % 60:02}",
        "end": (datetime(2026, 3, 27, tzinfo=UTC) + (start + minutes) * MINUTE).strftime("%Y-%m-%dT%H:%M"),
        "repeat": repeat,
    },
    st.integers(0, 3 * 1440 - 1),
    st.integers(1, 1440),
    st.sampled_from(["Never", "Daily", "Weekly", "Yearly"]),
)
events = st.builds(
    lambda span, ramp, acts: {"name": "sale", **span, "ramp": ramp, **acts},
    spans,
    st.sampled_from(["0s", "20m", "3h"]),
    st.sampled_from([{"multiplier": 3}, {"minReplicas": 9}, {"multiplier": 1.5, "minReplicas": MOST}]),
)
blackouts = st.builds(
    lambda span, forbids: {"name": "freeze", **span, "forbids": forbids},
    spans,
    st.sampled_from(["ScaleDown", "AnyChange"]),
)
policies = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["Shadow", "Floor", "Direct"]),
        "bounds": st.fixed_dictionaries(
            {
                "minReplicas": st.just(LEAST),
                "maxReplicas": st.just(MOST),
                "onMaxBreach": st.sampled_from(["Honor", "RaiseWithBuffer"]),
            }
        ),
        "load": st.just({"capacityPerReplica": 10}),
        "trust": st.just({"proving": "0s"}),
        "behavior": st.fixed_dictionaries(
            {
                "scaleUp": st.just({"maxStepReplicas": 4, "maxStepRatio": 0.5}),
                "scaleDown": st.fixed_dictionaries(
                    {
                        "maxStepRatio": st.just(0.25),
                        "stabilizationWindow": st.sampled_from(["0s", "3m", "15m"]),
                        "lookAhead": st.sampled_from(["0s", "15m"]),
                        "pause": st.sampled_from(["0s", "10m"]),
                    }
                ),
            }
        ),
    },
    optional={
        "prices": st.just({"replicaHour": 0.05, "unmetRequest": 0.0001}),
        "calendar": st.fixed_dictionaries(
            {"timeZone": st.sampled_from(["UTC", "Europe/Berlin", "America/Havana"])},
            optional={"events": st.lists(events, max_size=1), "blackouts": st.lists(blackouts, max_size=1)},
        ),
    },
).map(policy_from)
numbers = st.floats(0, 450) | st.sampled_from([None, float("nan"), -1.0])
turns = st.lists(st.tuples(numbers, numbers, numbers, st.integers(1, 40)), min_size=1, max_size=25)


def live(policy: ScalingPolicy, seen, current: int, restart_at: int = -1):
    """Return each decision with the state that it left; what is decided is there at the next turn."""
    state, now, found = ScalingState(baseline=BASELINE), START, []
    for index, (peak, later, demand, minutes) in enumerate(seen):
        now += minutes * MINUTE
        if index == restart_at:
            state = ScalingState.from_json(json.loads(json.dumps(state.to_json())))
        observation = Observation(current=current, demand=demand, replicas=current, ceiling=CEILING)
        decision, state = step(state, observation, peak, policy, now, later=later)
        found.append((decision, state))
        current = decision.desired
    return found


def forbidden(decision: ScalingDecision) -> bool:
    return Reason.BLACKOUT in decision.limits


@given(policy=policies, seen=turns, current=st.integers(0, 40))
def test_a_number_stays_within_the_bounds_that_hold_at_that_moment(policy, seen, current) -> None:
    for decision, _ in live(policy, seen, current):
        raised = policy.bounds.on_max_breach == "RaiseWithBuffer"
        if forbidden(decision):
            assert decision.desired >= min(decision.current, CEILING)
        else:
            least = max(LEAST, BASELINE) if policy.mode == "Floor" else LEAST
            assert decision.desired >= min(least, CEILING)
            unseen = decision.wanted is None or Reason.CALENDAR_EVENT in decision.limits
            assert decision.desired <= max(CEILING if raised else MOST, decision.current if unseen else 0)


@given(policy=policies, seen=turns, current=st.integers(LEAST, MOST))
def test_no_step_is_above_its_limit_and_each_change_has_a_reason_and_a_sentence(policy, seen, current) -> None:
    for decision, _ in live(policy, seen, current):
        change = decision.desired - decision.current
        least = max(LEAST, BASELINE)
        if change > 0 and decision.desired > least and Reason.CALENDAR_EVENT not in decision.limits[1:]:
            assert change <= policy.behavior.scale_up.limit(decision.current)
        if change < 0 and decision.current <= MOST:
            assert -change <= policy.behavior.scale_down.limit(decision.current)
        assert decision.message.startswith(f"hold {decision.current}: " if not change else f"{decision.current} -> ")
        assert len(decision.message.partition(": ")[2]) > 5


@given(policy=policies, seen=turns, current=st.integers(LEAST, MOST))
def test_a_step_down_is_observed_before_the_next_one(policy, seen, current) -> None:
    """Unless demand asked for more in between, which ends the observation."""
    lived = live(policy, seen, current)
    down = [(state.decided_at, decision) for decision, state in lived if decision.desired < decision.current <= MOST]

    for (before, first), (after, second) in itertools.pairwise(down):
        assert after - before >= policy.behavior.scale_down.pause or second.current > first.desired


@given(policy=policies, seen=turns, current=st.integers(LEAST, MOST))
def test_no_data_never_scales_down(policy, seen, current) -> None:
    since, now = None, START
    for (decision, _), (peak, _, demand, minutes) in zip(live(policy, seen, current), seen, strict=True):
        now += minutes * MINUTE
        since = None if peak is not None and peak >= 0.0 else since or now
        blind = demand is None or not demand >= 0.0
        unforeseen = since is not None and now - since < timedelta(hours=1)  # from then on present demand counts
        if (blind or unforeseen) and decision.current <= MOST:
            assert decision.desired >= decision.current


@given(policy=policies, seen=turns, current=st.integers(0, 40), restart_at=st.integers(0, 24))
def test_a_restart_changes_nothing_and_a_replay_is_the_same_bit_for_bit(policy, seen, current, restart_at) -> None:
    first = live(policy, seen, current)
    again = live(policy_from(json.loads(json.dumps(policy.to_spec()))), seen, current, restart_at)

    assert [decision.to_json() for decision, _ in first] == [decision.to_json() for decision, _ in again]
    assert [state for _, state in first] == [state for _, state in again]


_REACTIVE = {Reason.FORECAST_IMPLAUSIBLE, Reason.FORECAST_UNSKILLED, Reason.FORECAST_FROZEN}
forecasts = st.tuples(st.floats(0, 450), st.floats(0, 450) | st.sampled_from([None, float("nan")]))


@given(policy=policies, seen=turns, current=st.integers(0, 40), read=forecasts, more=st.floats(0, 400))
def test_a_higher_forecast_never_asks_for_fewer(policy, seen, current, read, more) -> None:
    """In the same situation, whatever was before; of the window, of what is looked ahead, or of both."""
    state = ScalingState(baseline=BASELINE) if len(seen) < 2 else live(policy, seen[:-1], current)[-1][1]
    _, _, demand, _ = seen[-1]
    now = START + timedelta(days=1)
    observation = Observation(current=current, demand=demand, replicas=current, ceiling=CEILING)
    peak, later = read
    further = later if later is None else later + more
    less, *others = (
        step(state, observation, each, policy, now, later=ahead)[0]
        for each, ahead in ((peak, later), (peak + more, later), (peak, further), (peak + more, further))
    )

    for other in others:
        if not any(Reason.FORECAST_IMPLAUSIBLE in each.limits for each in (less, other)):
            assert less.desired <= other.desired


@given(policy=policies, seen=turns, current=st.integers(LEAST, MOST))
def test_looking_ahead_only_keeps_what_is_there(policy, seen, current) -> None:
    """It never grows anything, and what could not be had keeps all."""
    lived = live(policy, seen, current)
    befores = [ScalingState(baseline=BASELINE), *(state for _, state in lived)]
    now = START
    for before, (decision, _), (peak, later, demand, minutes) in zip(befores, lived, seen, strict=False):
        now += minutes * MINUTE
        observation = Observation(current=decision.current, demand=demand, replicas=decision.current, ceiling=CEILING)
        without, _ = step(before, observation, peak, policy, now)
        assert without.desired <= decision.desired <= max(without.desired, decision.current)
        unknown = later is not None and not later >= 0.0
        believed = _REACTIVE.isdisjoint(decision.limits)
        if unknown and believed and without.peak_demand is not None and peak is not None and peak >= 0.0:
            assert decision.desired >= min(decision.current, MOST)
