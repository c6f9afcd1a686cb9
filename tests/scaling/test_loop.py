"""The reducer: what it remembers, what it survives, what it costs."""

import json
import math
import time
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.decide import ScalingDecision
from aiops.scaling.loop import step
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, ScalingState

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def policy(window: str = "5m", **scale_down) -> ScalingPolicy:
    return ScalingPolicy.model_validate(
        {
            "bounds": {"minReplicas": 1, "maxReplicas": 100},
            "load": {"capacityPerReplica": 10},
            "behavior": {
                "scaleUp": {"maxStepRatio": 1000},
                "scaleDown": {"maxStepRatio": 1, "stabilizationWindow": window, **scale_down},
            },
        }
    )


def turns(
    policy: ScalingPolicy, current: int, peaks, demands=None, *, restart: bool = False, every: timedelta = MINUTE
) -> tuple[list[ScalingDecision], ScalingState]:
    """Take one turn for each peak; what is decided is there at the next turn."""
    state, decisions = ScalingState(), []
    for i, peak in enumerate(peaks):
        demand = 1.0 if demands is None else demands[i]
        decision, state = step(state, Observation(current=current, demand=demand), peak, policy, START + i * every)
        if restart:
            state = ScalingState.from_json(json.loads(json.dumps(state.to_json())))
        decisions.append(decision)
        current = decision.desired
    return decisions, state


def desired(decisions: list[ScalingDecision]) -> list[int]:
    return [decision.desired for decision in decisions]


def test_a_scale_down_waits_for_the_stabilization_window_and_goes_to_the_most_that_was_needed() -> None:
    decisions, _ = turns(policy("3m"), 10, [100.0, 60.0, 50.0, 50.0, 50.0, 50.0])

    assert desired(decisions) == [10, 10, 10, 6, 5, 5]
    assert decisions[1].reason is Reason.SCALE_DOWN_STABILIZED


def test_the_first_turn_counts_what_is_there_as_needed() -> None:
    decisions, _ = turns(policy("3m"), 10, [10.0] * 4)

    assert desired(decisions) == [10, 10, 10, 1]


def test_a_window_of_zero_scales_down_at_once() -> None:
    decisions, _ = turns(policy("0s"), 10, [10.0])

    assert desired(decisions) == [1]


def test_after_a_blind_time_a_whole_window_passes_before_anything_shrinks() -> None:
    nan = math.nan
    by_forecast, _ = turns(policy("3m"), 10, [100.0, None, nan, 20.0, 20.0, 20.0, 20.0])
    by_demand, _ = turns(policy("3m"), 10, [100.0, 20.0, 20.0, 20.0, 20.0, 20.0], [1.0, nan, None, 1.0, 1.0, 1.0])

    assert desired(by_forecast) == [10, 10, 10, 10, 10, 2, 2]
    assert desired(by_demand) == [10, 10, 10, 10, 10, 2]
    assert by_demand[2].reason is Reason.DATA_MISSING


def test_unknown_demand_may_still_grow() -> None:
    decisions, _ = turns(policy(), 2, [90.0], [None])

    assert desired(decisions) == [9]


def test_a_clock_that_goes_back_holds_and_forgets_nothing() -> None:
    _, state = turns(policy(), 10, [100.0, 20.0])

    decision, after = step(state, Observation(current=10, demand=1.0), 20.0, policy(), START)

    assert (decision.desired, decision.reason) == (10, Reason.CLOCK_WENT_BACK)
    assert after == state


peaks = st.lists(st.none() | st.floats(0, 2000), min_size=1, max_size=40)


@given(peaks=peaks, current=st.integers(1, 100), window=st.sampled_from(["0s", "90s", "5m", "1h"]))
def test_a_restart_between_any_two_turns_changes_nothing(peaks, current, window) -> None:
    without, _ = turns(policy(window), current, peaks)
    restarted, _ = turns(policy(window), current, peaks, restart=True)

    assert without == restarted


@given(peaks=peaks, current=st.integers(1, 100), n=st.integers(0, 39), other=st.none() | st.floats(0, 2000))
def test_no_decision_changes_when_a_later_forecast_does(peaks, current, n, other) -> None:
    changed = peaks[:n] + [other] * len(peaks[n:])

    before, after = (turns(policy(), current, each)[0] for each in (peaks, changed))

    assert before[:n] == after[:n]


@given(peaks=peaks, current=st.integers(1, 100))
def test_never_below_the_most_that_was_needed_within_the_window(peaks, current) -> None:
    decisions, _ = turns(policy("5m"), current, peaks)

    for i, decision in enumerate(decisions):
        needed = [each.wanted for each in decisions[max(i - 4, 0) : i + 1] if each.wanted is not None]
        assert decision.desired >= min(max(needed, default=0), decision.current, 100)


def test_the_state_stays_small() -> None:
    slowly_falling = [1000.0 - i for i in range(600)]

    decisions, state = turns(policy("1h"), 100, slowly_falling)
    restarted, _ = turns(policy("1h"), 100, slowly_falling, restart=True)

    assert len(json.dumps(state.to_json())) < 4096
    assert restarted == decisions


def test_what_a_small_state_forgets_only_holds_a_bit_longer() -> None:
    falling = [1000.0 - 10 * i for i in range(100)]

    decisions, state = turns(policy("80m"), 100, falling)

    assert len(state.needs) == 40
    assert len(json.dumps(state.to_json())) < 4096
    for i, decision in enumerate(decisions):
        assert decision.desired >= max(each.wanted or 0 for each in decisions[max(i - 79, 0) : i + 1])


def test_a_turn_costs_microseconds() -> None:
    peaks = [500 + 400 * math.sin(i / 100) for i in range(2_000)]
    seconds = []
    for _ in range(10):
        started = time.process_time()
        turns(policy(), 10, peaks)
        seconds.append(time.process_time() - started)
    microseconds = min(seconds) / len(peaks) * 1e6  # the others are those that what else the machine does slowed down

    print(f"{microseconds:.1f} microseconds a turn")
    assert microseconds < 40  # measured 24, a third of which is judging forecasts (skill.learn)
