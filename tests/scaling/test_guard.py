"""The guard's laws, over every sequence of turns that can be thought of; its stories are in tests/scenarios."""

import json
import math
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.guard import GuardEvent, Verdict, judge
from aiops.scaling.loop import step
from aiops.scaling.policy import Guard, Mode
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, Phase, ScalingState
from tests.scaling.days import BASELINE, HIGHEST, START, days, live, modes, policy


def known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


@given(day=days, mode=modes)
def test_no_data_never_scales_down(day, mode) -> None:
    for turn in live(policy(mode), day):
        if not (known(turn.peak) and known(turn.seen.demand) and known(turn.seen.readings["errors"])):
            assert turn.decision.desired >= min(turn.seen.current, HIGHEST)


@given(day=days, mode=modes)
def test_a_bad_slo_never_scales_down(day, mode) -> None:
    for turn in live(policy(mode), day):
        if turn.seen.readings["errors"] == 0.5:
            assert turn.decision.desired >= min(turn.seen.current, HIGHEST)


@given(day=days, current=st.integers(0, 60))
def test_a_floor_is_never_below_the_baseline_of_the_hpa(day, current) -> None:
    for turn in live(policy(Mode.FLOOR), day, current):
        assert turn.decision.desired >= BASELINE


@given(day=days, mode=modes)
def test_a_restart_between_any_two_turns_changes_nothing(day, mode) -> None:
    assert live(policy(mode), day) == live(policy(mode), day, restart=True)


@given(day=days, mode=modes)
def test_the_log_of_what_was_seen_gives_the_decisions_again(day, mode) -> None:
    turns = live(policy(mode), day)
    log = json.loads(
        json.dumps([{"at": turn.now.isoformat(), "peak": turn.peak, **asdict(turn.seen)} for turn in turns])
    )

    state = ScalingState(baseline=BASELINE)
    for turn, line in zip(turns, log, strict=True):
        now, peak = datetime.fromisoformat(line.pop("at")), line.pop("peak")
        decision, state = step(state, Observation(**line), peak, policy(mode), now)
        assert decision.to_json() == turn.decision.to_json()


@given(day=days, mode=modes, peaks=st.tuples(st.floats(0, 600), st.floats(0, 600)))
def test_more_demand_never_asks_for_fewer_replicas(day, mode, peaks) -> None:
    last = live(policy(mode), day)[-1]

    low, high = (step(last.before, last.seen, peak, policy(mode), last.now)[0] for peak in sorted(peaks))

    assert low.desired <= high.desired


@given(day=days, mode=st.sampled_from([Mode.SHADOW, Mode.RECOMMEND]))
def test_what_changes_nothing_puts_nothing_on_trial(day, mode) -> None:
    for turn in live(policy(mode), day):
        assert turn.after.trial is None


@given(day=days, mode=st.sampled_from([Mode.FLOOR, Mode.DIRECT]))
def test_one_trial_at_a_time_and_every_change_is_one(day, mode) -> None:
    for turn in live(policy(mode), day):
        trial, decision = turn.after.trial, turn.decision
        still = turn.before.trial is not None and trial is not None and trial.started == turn.before.trial.started
        if decision.desired < decision.current:
            assert trial is not None
            assert (trial.before, trial.after, trial.started) == (decision.current, decision.desired, turn.now)
            assert not (turn.before.trial and turn.before.trial.after < turn.before.trial.before) or (
                decision.guard is not None and decision.guard.event is not None
            ), "nothing more was to be taken away before the trial was over"
        elif decision.desired > decision.current and turn.after.phase is not Phase.COOLDOWN:
            assert still or trial is None or trial.started == turn.now


@given(day=days, mode=st.sampled_from([Mode.FLOOR, Mode.DIRECT]))
def test_only_what_was_bad_often_enough_is_taken_back_and_then_all_of_it(day, mode) -> None:
    turns = live(policy(mode), day)
    for n, turn in enumerate(turns):
        if turn.decision.reason is not Reason.ROLLED_BACK:
            continue
        trial = turn.before.trial
        assert trial is not None
        assert trial.after < trial.before, "only a change that took away can do harm"
        during = [each for each in turns[: n + 1] if each.now > trial.started]
        assert sum(each.seen.readings["errors"] == 0.5 for each in during) >= 2
        assert all((each.seen.replicas or each.seen.current) < trial.before for each in during[-1:])
        assert turn.decision.desired >= min(max(trial.before, turn.decision.wanted or 0), HIGHEST)
        assert turn.decision.guard is not None
        assert turn.decision.guard.event is GuardEvent.ROLLED_BACK
        assert turn.after.rolled_back_at == turn.now
        for later in turns[n + 1 :]:
            if later.now < turn.now + timedelta(minutes=5):
                assert later.decision.desired >= min(later.seen.current, HIGHEST)
                assert later.decision.desired >= min(trial.before, HIGHEST), "a write that failed is tried again"


@given(day=days, mode=modes)
def test_each_decision_says_why_in_a_sentence_with_its_numbers(day, mode) -> None:
    for turn in live(policy(mode), day):
        decision = turn.decision
        assert isinstance(decision.reason, Reason)
        assert str(decision.desired) in decision.message
        assert decision.guard is not None
        assert decision.guard.message in decision.message
        if decision.wanted is not None and decision.desired != decision.wanted:
            assert decision.reason is not Reason.DESIRED_WITHIN_RANGE


@given(day=days, mode=modes)
def test_the_state_stays_small(day, mode) -> None:
    for turn in live(policy(mode, window="6h"), day * 20)[-60:]:
        assert len(json.dumps(turn.after.to_json())) < 4096


def observed(current: int = 10, errors: float | None = 0.0, **seen) -> Observation:
    return Observation(current=current, demand=1.0, readings={"errors": errors}, **seen)


def on_trial(mode: Mode = Mode.DIRECT) -> ScalingState:
    """10 -> 6 on trial since START."""
    _, state = step(ScalingState(), observed(), 60.0, policy(mode), START)
    assert state.trial is not None
    return state


def test_a_change_that_was_never_made_is_not_on_trial() -> None:
    decision, state = step(on_trial(), observed(10), 100.0, policy(), START + timedelta(minutes=1))

    assert decision.guard is not None
    assert decision.guard.event is GuardEvent.TRIAL_VOID
    assert "the trial of 10 -> 6 is void: 10 are set instead" in decision.message
    assert state.phase is Phase.ACTIVE


def test_a_number_that_somebody_else_lowered_is_not_our_change() -> None:
    decision, state = step(on_trial(), observed(4, errors=0.5), 40.0, policy(), START + timedelta(minutes=1))

    assert decision.guard is not None
    assert decision.guard.event is GuardEvent.TRIAL_VOID
    assert state.phase is Phase.ACTIVE


@pytest.mark.parametrize(
    "other", [policy(Mode.FLOOR), policy(Mode.SHADOW), policy().model_copy(update={"guard": None})]
)
def test_another_mode_or_no_guard_ends_what_was_on_trial(other) -> None:
    _, state = step(on_trial(), observed(6, errors=0.5), 60.0, other, START + timedelta(minutes=1))

    assert state.phase is Phase.ACTIVE


def test_a_cool_down_outlasts_a_change_of_mode_but_not_the_guard() -> None:
    cooling = ScalingState(
        decided_at=START,
        needs=((START, 6),),
        effective_mode=Mode.DIRECT,
        last_good=10,
        hold_until=START + timedelta(minutes=5),
        rolled_back_at=START,
    )
    now = START + timedelta(minutes=1)

    decision, state = step(cooling, observed(), 60.0, policy(Mode.RECOMMEND), now)
    assert (decision.desired, decision.reason, state.phase) == (10, Reason.COOLING_DOWN, Phase.COOLDOWN)
    unguarded = policy().model_copy(update={"guard": None})
    _, state = step(cooling, observed(), 60.0, unguarded, now)
    assert state.phase is Phase.ACTIVE


def test_suspended_holds_and_forgets_all_but_what_the_target_gets_back() -> None:
    suspended = policy().model_copy(update={"suspend": True})
    before = replace(on_trial(), baseline=2)

    decision, state = step(before, observed(6, errors=0.5), 400.0, suspended, START + timedelta(minutes=1))

    assert (decision.desired, decision.reason) == (6, Reason.SUSPENDED)
    assert decision.message == "hold 6: spec.suspend is set"
    assert (state.phase, state.baseline, state.effective_mode) == (Phase.SUSPENDED, 2, Mode.SHADOW)


def test_a_shorter_cool_down_in_the_spec_counts_at_once() -> None:
    now = START + timedelta(minutes=2)
    cooling = ScalingState(
        decided_at=START,
        needs=((START, 6),),
        effective_mode=Mode.DIRECT,
        last_good=10,
        hold_until=START + timedelta(days=300),
        rolled_back_at=START,
    )

    _, state = step(cooling, observed(), 60.0, policy(coolDown="90s"), now)

    assert state.hold_until == now + timedelta(seconds=90)


def test_a_state_from_far_ahead_is_given_up_after_one_turn_without_scaling_down() -> None:
    ahead = START + timedelta(days=3000)
    state = ScalingState(decided_at=ahead, needs=((ahead, 40),), baseline=4)
    decisions = []
    for minute in range(3):
        decision, state = step(state, observed(), 60.0, policy(window="2m"), START + timedelta(minutes=minute))
        decisions.append((decision.desired, decision.reason))

    assert decisions == [
        (10, Reason.CLOCK_WENT_BACK),
        (10, Reason.SCALE_DOWN_STABILIZED),
        (6, Reason.DESIRED_WITHIN_RANGE),
    ]
    assert state.baseline == 4


@pytest.mark.parametrize(
    ("readings", "verdict", "said"),
    [
        ({"errors": 0.002, "latency": 0.1}, Verdict.GOOD, "errors is 0.002, at most 0.01, latency is 0.1, at most 0.5"),
        ({"errors": 0.01, "latency": 0.5}, Verdict.GOOD, "errors is 0.01"),
        ({"errors": 0.2, "latency": None}, Verdict.BAD, "errors is 0.2, above 0.01"),
        ({"errors": 0.0}, Verdict.INCONCLUSIVE, "no answer to latency"),
        ({"errors": math.nan, "latency": math.inf}, Verdict.INCONCLUSIVE, "no answer to errors, latency"),
        ({}, Verdict.INCONCLUSIVE, "no answer to errors, latency"),
    ],
)
def test_what_the_readings_say(readings, verdict, said) -> None:
    guard = Guard.model_validate(
        {
            "slos": [
                {"name": "errors", "query": "e", "threshold": 0.01},
                {"name": "latency", "query": "l", "threshold": 0.5},
            ]
        }
    )

    found, sentence = judge(readings, guard)

    assert found is verdict
    assert sentence.startswith(said)
