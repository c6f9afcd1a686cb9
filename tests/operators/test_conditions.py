"""What the condition ``ForecastAvailable`` says where the decision has another reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops.ports import Peak, Replicas
from aiops.scaling.loop import step
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, ScalingState
from aiops.usecases.scale import Scaled
from operators.conditions import Truth, forecast_available

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def turns(peak, minutes, **spec):
    """Return the policy and the outcome of the last turn, under the same forecast and demand that moves."""
    policy = ScalingPolicy.model_validate(
        {"bounds": {"maxReplicas": 500}, "load": {"capacityPerReplica": 10}, "trust": {"proving": "0s"}, **spec}
    )
    state, current = ScalingState(), 40
    for minute in range(minutes):
        now, demand = NOON + minute * MINUTE, 295.0 + minute % 2 * 10.0
        decision, state = step(state, Observation(current=current, demand=demand), peak, policy, now)
        current = decision.desired
    return policy, Scaled(
        at=now,
        replicas=Replicas(current=current, ready=current, asked=current, ceiling=None, baseline=None),
        demand=demand,
        peak=Peak(value=peak, cutoff=now, model="told"),
        readings={},
        decision=decision,
        state=state,
    )


@pytest.mark.parametrize("minutes", [4, 10, 190])
def test_a_frozen_forecast_is_none_though_an_event_decides(minutes):
    event = {"name": "sale", "start": "2026-11-27T15:00", "end": "2026-11-27T20:00", "multiplier": 3}
    policy, scaled = turns(400.0, minutes, calendar={"timeZone": "UTC", "events": [event]})
    by_event = minutes == 190
    assert (Reason.CALENDAR_EVENT in scaled.decision.limits) == by_event

    found = forecast_available(policy, scaled, "")
    assert (found.truth, found.reason) == ((Truth.TRUE, "Fresh") if minutes < 5 else (Truth.FALSE, "ForecastFrozen"))


def test_what_keeps_replicas_is_said_where_there_is_a_forecast_for_the_window_alone():
    policy, scaled = turns(400.0, 1)
    found = forecast_available(policy, replace(scaled, no_later="no answer from the service"), "")
    assert found.truth is Truth.TRUE
    assert found.message.endswith("there is none for scaleDown.lookAhead: no answer from the service")
