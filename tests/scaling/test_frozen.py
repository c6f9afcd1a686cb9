"""A forecast that does not change while demand does is none, and one that may stay the same is left alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.frozen import repeated
from aiops.scaling.loop import step
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, ScalingState

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def policy(mode: str = "Floor") -> ScalingPolicy:
    return ScalingPolicy.model_validate(
        {
            "mode": mode,
            "bounds": {"maxReplicas": 500},
            "load": {"capacityPerReplica": 10},
            "behavior": {"scaleDown": {"maxStepRatio": 1, "stabilizationWindow": "5m", "tolerance": 0}},
            "trust": {"proving": "0s", "reactiveUtilization": 0.5},
        }
    )


def reasons(turns, mode: str = "Floor", current: int = 40):
    """Yield (the number, why) of each minute, from its (forecast, demand)."""
    state, decides = ScalingState(), policy(mode)
    for minute, (peak, demand) in enumerate(turns):
        seen = Observation(current=current, demand=demand)
        decision, state = step(state, seen, peak, decides, START + minute * MINUTE)
        current = decision.desired
        yield current, {decision.reason, *decision.limits}


@pytest.mark.parametrize(("mode", "serves"), [("Floor", 33), ("Direct", 60)])
def test_a_frozen_forecast_is_held_for_an_hour_and_then_present_demand_counts(mode, serves) -> None:
    found = list(reasons([(400.0, 295.0 + minute % 2 * 10.0) for minute in range(120)], mode))
    counts = [Reason.FORECAST_FROZEN in why for _, why in found]

    assert counts == [minute >= 5 for minute in range(120)]
    assert all(number >= 40 for number, _ in found[: 5 + 60])
    assert {number for number, _ in found[5 + 60 + 5 :]} <= {serves + 1, serves + 2}


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(lambda minute: (400.0, 300.0), id="neither moves"),
        pytest.param(lambda minute: (4.0, 1.0 + minute % 5), id="an idle service, which one replica serves"),
        pytest.param(lambda minute: (400.0 + minute * 1e-9, 295.0 + minute % 2 * 10.0), id="the last digit changes"),
        pytest.param(
            lambda minute: (400.0 + minute // 4, 295.0 + minute % 2 * 10.0), id="a new one every four minutes"
        ),
    ],
)
def test_a_forecast_that_may_stay_the_same_is_left_alone(turn) -> None:
    assert not any(Reason.FORECAST_FROZEN in why for _, why in reasons(map(turn, range(120))))


def test_the_first_new_number_counts_at_once() -> None:
    stuck = [(400.0, 295.0 + minute % 2 * 10.0) for minute in range(30)]
    *_, (_, before), (number, after) = reasons([*stuck, (450.0, 300.0)])
    assert Reason.FORECAST_FROZEN in before
    assert (number, Reason.FORECAST_FROZEN in after) == (45, False)


@given(
    turns=st.lists(
        st.tuples(st.sampled_from([None, 1.0, 400.0]), st.sampled_from([None, 0.0, 95.0, 105.0]), st.integers(-3, 9)),
        max_size=30,
    )
)
def test_frozen_is_never_said_of_less_than_the_time_that_makes_a_forecast_stale(turns) -> None:
    repeat, now, since, last = None, START, START, None
    for peak, demand, minutes in turns:
        now += minutes * MINUTE
        repeat = repeated(repeat, peak, demand, policy(), now)
        if peak != last or now < since:
            since, last = now, peak
        assert (repeat is None) == (peak is None)
        if repeat is not None and repeat.frozen(policy(), now):
            assert now - since >= timedelta(minutes=5)
