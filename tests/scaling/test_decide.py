"""One decision: its laws, and its words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.capacity import replicas_for
from aiops.scaling.decide import decide
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason

ratios = st.floats(0, 1)


@st.composite
def policies(draw: st.DrawFn) -> ScalingPolicy:
    low = draw(st.integers(1, 20))
    return ScalingPolicy.model_validate(
        {
            "bounds": {"minReplicas": low, "maxReplicas": draw(st.integers(low, 200))},
            "load": {
                "capacityPerReplica": draw(st.floats(0.01, 1e6)),
                "targetUtilization": draw(st.floats(0.05, 1.0)),
            },
            "behavior": {
                "scaleUp": {"maxStepReplicas": draw(st.integers(1, 20)), "maxStepRatio": draw(ratios | st.just(1000))},
                "scaleDown": {
                    "maxStepReplicas": draw(st.integers(1, 20)),
                    "maxStepRatio": draw(ratios),
                    "tolerance": draw(st.sampled_from([0.0, 0.1, 0.5])),
                },
            },
        }
    )


replicas = st.integers(0, 300)
demands = st.floats(0, 1e8)
no_forecasts = st.sampled_from([None, math.nan, math.inf, -1.0])


@given(replicas, demands, demands, policies(), replicas, st.booleans())
def test_more_demand_never_asks_for_fewer_replicas(current, a, b, policy, hold_at, known) -> None:
    low, high = (decide(current, d, policy, hold_at=hold_at, demand_known=known) for d in sorted((a, b)))

    assert low.desired <= high.desired


@given(replicas, demands, policies(), replicas, st.booleans())
def test_with_a_forecast_it_is_within_bounds(current, demand, policy, hold_at, known) -> None:
    desired = decide(current, demand, policy, hold_at=hold_at, demand_known=known).desired

    assert policy.bounds.min_replicas <= desired <= policy.bounds.max_replicas


@given(replicas, demands, policies(), replicas)
def test_a_few_too_many_stay_and_more_than_that_go(current, demand, policy, hold_at) -> None:
    made = decide(current, demand, policy, hold_at=hold_at)
    worth_it = current * (1 - policy.behavior.scale_down.tolerance)

    if policy.bounds.min_replicas < current <= policy.bounds.max_replicas:
        needed = max(made.wanted or 0, min(hold_at, current))
        assert (made.desired < current) == (needed <= worth_it + 1e-6) or abs(needed - worth_it) < 1e-6
        assert (Reason.WITHIN_TOLERANCE in made.limits) == (made.desired == current and needed < current)


@given(replicas, demands, policies(), replicas, st.booleans())
def test_no_step_is_above_its_limit_unless_the_bounds_ask_for_it(current, demand, policy, hold_at, known) -> None:
    desired = decide(current, demand, policy, hold_at=hold_at, demand_known=known).desired
    up, down = policy.behavior.scale_up.limit(current), policy.behavior.scale_down.limit(current)

    if policy.bounds.min_replicas <= current <= policy.bounds.max_replicas:
        assert desired - current <= up
        assert current - desired <= down


@given(replicas, no_forecasts, policies(), replicas, st.booleans())
def test_without_a_forecast_it_never_scales_down_and_never_beyond_the_minimum(
    current, peak, policy, hold_at, known
) -> None:
    decision = decide(current, peak, policy, hold_at=hold_at, demand_known=known)

    assert decision.desired == max(current, policy.bounds.min_replicas)
    assert decision.wanted is None


@given(st.integers(0, 200), demands, policies())
def test_unknown_demand_never_scales_down(current, demand, policy) -> None:
    decision = decide(current, demand, policy, demand_known=False)

    assert decision.desired >= min(current, policy.bounds.max_replicas)


@given(replicas, demands | no_forecasts, policies(), replicas, st.booleans())
def test_each_decision_says_why(current, peak, policy, hold_at, known) -> None:
    decision = decide(current, peak, policy, hold_at=hold_at, demand_known=known)

    assert isinstance(decision.reason, Reason)
    assert str(decision.desired) in decision.message
    assert decision.to_json()["reason"] == decision.reason
    if decision.desired != decision.wanted:
        assert decision.reason is not Reason.DESIRED_WITHIN_RANGE


@given(st.integers(1, 100_000), st.floats(1e-6, 1e6))
def test_demand_of_whole_replicas_needs_exactly_those(count, per_replica) -> None:
    assert replicas_for(count * per_replica, per_replica) == count


@pytest.mark.parametrize(
    ("current", "peak", "options", "said"),
    [
        (4, 100.0, {}, "hold 4: demand of up to 100 needs 4 replicas"),
        (4, 1000.0, {}, "4 -> 8: demand of up to 1000 needs 40 replicas, more than one step may add"),
        (40, 25.0, {}, "40 -> 30: demand of up to 25 needs 1 replica, fewer than one step may leave"),
        (40, 25.0, {"hold_at": 31}, "40 -> 31: demand of up to 25 needs 1 replica, but more was needed within"),
        (40, 925.0, {}, "hold 40: demand of up to 925 needs 37 replicas, too few less to be worth a change"),
        (
            40,
            25.0,
            {"hold_at": 37},
            "hold 40: demand of up to 25 needs 1 replica, 37 with what was needed lately or may be soon, too few less",
        ),
        (40, 25.0, {"soon": 33}, "40 -> 33: demand of up to 25 needs 1 replica, but 33 may be needed soon after"),
        (40, 25.0, {"soon": None}, "hold 40: demand of up to 25 needs 1 replica, but what may be needed soon after is"),
        (60, 100.0, {"hold_at": 60}, "60 -> 50: demand of up to 100 needs 4 replicas; the maximum is 50"),
        (1, 1.0, {}, "1 -> 2: demand of up to 1 needs 1 replica; the minimum is 2"),
        (4, None, {}, "hold 4: no forecast for the window"),
        (1, None, {}, "1 -> 2: no forecast for the window; the minimum is 2"),
        (9, 25.0, {"demand_known": False}, "hold 9: present demand unknown, demand of up to 25 needs 1 replica"),
    ],
)
def test_the_reason_as_a_sentence(current, peak, options, said) -> None:
    policy = ScalingPolicy.model_validate(
        {"bounds": {"minReplicas": 2, "maxReplicas": 50}, "load": {"capacityPerReplica": 25}}
    )

    assert decide(current, peak, policy, **options).message.startswith(said)
