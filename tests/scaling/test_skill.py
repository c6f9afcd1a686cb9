"""Trust as bookkeeping: earned by forecasts that serve better, lost by those that are broken, and earned again."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.loop import acts, step
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.skill import Loss, Skill, learn
from aiops.scaling.state import Observation, Phase, ScalingState

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR, DAY = 60, 1440
odd = st.sampled_from([None, math.nan, math.inf, -math.inf, -1.0, 0.0, 1e-300, 1.7e308])


def policy(mode: str = "Floor", proving: str = "6h") -> ScalingPolicy:
    return ScalingPolicy.model_validate(
        {
            "mode": mode,
            "bounds": {"minReplicas": 1, "maxReplicas": 500},
            "load": {"capacityPerReplica": 10},
            "forecast": {"historyCap": 1000},
            "trust": {"proving": proving},
        }
    )


def demand_at(minute: int) -> float:
    """Quiet nights, busy days, and no minute like the one before."""
    return 300.0 + 150.0 * math.sin(2 * math.pi * minute / DAY) + 10.0 * math.sin(minute)


def good(minute: int) -> float:
    return max(demand_at(minute + ahead) for ahead in range(1, 5)) + 5.0


def live(policy: ScalingPolicy, minutes: range, peak, state=None, current: int = 40):
    """Yield (decision, state) of each minute."""
    state = state or ScalingState(baseline=2)
    for minute in minutes:
        seen = Observation(current=current, demand=demand_at(minute))
        decision, state = step(state, seen, peak(minute), policy, START + minute * MINUTE)
        current = decision.desired if acts(policy.mode, state.skill) else current
        yield decision, state


def last(turns):
    *_, found = turns
    return found


def test_a_floor_is_touched_only_after_forecasts_were_better_for_the_whole_time() -> None:
    turns = list(live(policy(), range(7 * HOUR), good))
    modes = [state.effective_mode for _, state in turns]
    earned = modes.index(Mode.FLOOR)

    assert 6 * HOUR <= earned <= 6 * HOUR + 5
    assert set(modes[:earned]) == {Mode.RECOMMEND}
    assert {state.phase for _, state in turns[1:earned]} == {Phase.PROVING}
    assert turns[-1][1].phase is Phase.ACTIVE


def test_without_a_forecast_there_is_nothing_to_learn_from() -> None:
    _, state = last(live(policy(), range(DAY), lambda _: None))
    assert (state.phase, state.effective_mode) == (Phase.LEARNING, Mode.RECOMMEND)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda minute: 0.5 * good(minute), id="halved"),
        pytest.param(lambda minute: 3.0 * good(minute), id="tripled"),
        pytest.param(lambda minute: good(minute - 6 * HOUR), id="six hours late"),
        pytest.param(lambda minute: good(minute) * (1 - max(minute - DAY, 0) / DAY), id="drifted"),
        pytest.param(lambda minute: 1e12 + minute, id="absurd"),
    ],
)
def test_a_broken_forecast_is_never_trusted_and_loses_the_trust_that_it_had(wrong) -> None:
    _, never = last(live(policy(), range(DAY, 2 * DAY), wrong))
    _, trusted = last(live(policy(), range(DAY), good))
    turns = list(live(policy(), range(DAY, DAY + 9 * HOUR), wrong, trusted))
    decision, state = turns[-1]
    back = list(live(policy(), range(DAY + 9 * HOUR, DAY + 19 * HOUR), good, state))

    assert (never.effective_mode, trusted.effective_mode) == (Mode.RECOMMEND, Mode.FLOOR)
    assert (state.phase, state.effective_mode) == (Phase.DEGRADED, Mode.RECOMMEND)
    assert Reason.FORECAST_UNSKILLED in decision.limits
    assert decision.peak_demand == pytest.approx(1.1 * demand_at(DAY + 9 * HOUR - 1))
    assert back[-1][1].effective_mode is Mode.FLOOR


def test_direct_takes_back_what_demand_has_refuted_before_it_is_judged() -> None:
    sound = list(live(policy("Direct"), range(DAY), good))
    turns = live(policy("Direct"), range(DAY, DAY + 5), lambda minute: 0.5 * good(minute), sound[-1][1])
    refuted = [(Reason.FORECAST_UNSKILLED in decision.limits, state.effective_mode) for decision, state in turns]

    assert refuted == [(minute >= 2, Mode.DIRECT) for minute in range(5)]
    assert not any(Reason.FORECAST_UNSKILLED in decision.limits for decision, _ in sound[7 * HOUR :])


LOST, PROVEN, UNPROVEN = Skill(proven=True), Skill(proven=True, trusted=True), Skill()


@pytest.mark.parametrize(
    ("mode", "before", "ratios", "hours", "trusted"),
    [
        ("Floor", PROVEN, (4.0, 2.0, 9.0), 48, True),
        ("Floor", PROVEN, (4.1, 2.0, 0.0), 48, False),
        ("Floor", PROVEN, (4.0, 2.1, 0.0), 48, False),
        ("Direct", PROVEN, (2.0, 1.0, 9.0), 48, True),
        ("Direct", PROVEN, (2.1, 1.0, 0.0), 48, False),
        ("Direct", PROVEN, (2.0, 1.1, 0.0), 48, False),
        ("Direct", PROVEN, (9.0, 9.0, 9.0), 0.4, True),
        ("Floor", LOST, (1.0, 1.0, 9.0), 48, True),
        ("Floor", LOST, (1.1, 1.0, 0.0), 48, False),
        ("Floor", LOST, (1.0, 1.1, 0.0), 48, False),
        ("Floor", UNPROVEN, (1.0, 1.0, 1.0), 6, True),
        ("Floor", UNPROVEN, (1.0, 1.0, 1.0), 5.9, False),
        ("Floor", UNPROVEN, (1.0, 1.0, 1.1), 48, False),
        ("Floor", UNPROVEN, (1.1, 1.0, 1.0), 48, False),
        ("Floor", UNPROVEN, (1.0, 1.1, 1.0), 48, False),
    ],
)
def test_how_many_times_the_loss_of_reactive_scaling_trust_stands(mode, before, ratios, hours, trusted) -> None:
    """Ratios of losses over half an hour, two hours and a day, so many hours after the first claim."""
    short, middle, long = (Loss(ours=ratio, reactive=1.0) for ratio in ratios)
    before = replace(before, since=START - timedelta(hours=hours), losses=(short, middle, long))
    after = learn(before, None, None, policy(mode), START)

    assert (after.trusted, after.proven) == (trusted, before.proven or trusted)


@pytest.mark.parametrize("peak", [lambda _: None, lambda minute: 0.1 * good(minute), lambda _: 1e9])
def test_direct_falls_back_to_what_an_hpa_would_do(peak) -> None:
    """At 70 % of 10, and never fewer for want of a forecast."""
    turns = list(live(policy("Direct"), range(6 * HOUR), peak, current=1))
    for minute, (decision, state) in enumerate(turns[10:], start=10):
        assert decision.desired >= demand_at(minute) / 7.0
        assert decision.desired <= max(demand_at(each) for each in range(minute + 1)) / 7.0 + 1
        assert state.effective_mode is Mode.RECOMMEND


@given(
    turns=st.lists(
        st.tuples(odd | st.floats(0, 1e6), odd | st.floats(0, 1e6), st.integers(-7200, 100_000), st.integers(0, 500)),
        max_size=40,
    ),
    mode=st.sampled_from(list(Mode)),
    proving=st.sampled_from(["0s", "10m"]),
)
def test_the_reducer_is_total_and_its_state_round_trips(turns, mode, proving) -> None:
    state, now = ScalingState(), START
    for peak, demand, seconds, current in turns:
        now += timedelta(seconds=seconds)
        decision, state = step(state, Observation(current=current, demand=demand), peak, policy(mode, proving), now)
        assert ScalingState.from_json(json.loads(json.dumps(state.to_json(), allow_nan=False))) == state
        assert len(json.dumps(state.to_json())) < 4096
        waits = state.absent_since is not None and now - state.absent_since < timedelta(hours=1)
        if demand is None or not math.isfinite(demand) or waits:
            assert decision.desired >= min(current, 500)


def test_what_acted_before_there_was_trust_goes_on_after_an_upgrade() -> None:
    _, state = last(live(policy(proving="0s"), range(5), good))
    old = {key: value for key, value in state.to_json().items() if key not in ("skill", "mode", "record")}
    read = ScalingState.from_json(old | {"phase": "Watching"})

    assert read.phase is Phase.ACTIVE
    decision, after = step(
        read, Observation(current=9, demand=300.0), 400.0, policy(proving="1d"), START + HOUR * MINUTE
    )
    assert (decision.desired, after.effective_mode) == (18, Mode.FLOOR)
    shadow = ScalingState.from_json(old | {"effectiveMode": "Shadow"})
    assert shadow.phase is Phase.LEARNING


@pytest.mark.parametrize(("lost", "phase"), [("Floor", Phase.ACTIVE), ("Shadow", Phase.LEARNING)])
def test_trust_outlives_a_state_that_cannot_be_read(lost, phase) -> None:
    state, trouble = ScalingState.recover({"needs": "many", "effectiveMode": lost, "baseline": 3})
    assert trouble
    assert (state.phase, state.baseline) == (phase, 3)
