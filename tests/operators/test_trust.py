"""Trust on a real API: earned before anything is touched, said in status and Events, and kept over an upgrade."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from aiops.adapters.clock import RehearsalClock
from aiops.adapters.local_forecasts import LocalForecasts
from tests.operators.stage import stays, within


@dataclass
class Wrong:
    """Forecasts that are off by a factor."""

    right: LocalForecasts
    times: float

    async def peak(self, asked, now):
        found = await self.right.peak(asked, now)
        return replace(found, value=found.value * self.times)

    async def exhaustion(self, asked, now):
        return await self.right.exhaustion(asked, now)


@pytest.fixture
def hurried(stage):
    """A stage on which half an hour, in which trust can fall, takes three seconds; two turns a second as elsewhere."""
    stage.clock = RehearsalClock(stage.clock.now(), datetime.now(UTC), 600.0)
    stage.service(own=3)
    stage.scaler(interval="5m", forecast={"model": "holt-winters", "window": "6m", "staleAfter": "20m"})
    return stage


def degraded(stage):
    """Let forecasts be half of what they should be until present demand counts; return who makes them."""
    wrong = Wrong(LocalForecasts(stage.source), 0.5)
    with stage.operator(forecasts=wrong):
        within(20, lambda: stage.floor() == 5)
        assert stage.status()["phase"] == "Active"
        within(30, lambda: stage.status()["phase"] == "Degraded")
        within(10, lambda: stage.floor() == 11, "present demand counts, at once, and a tenth")
        within(10, lambda: "Degraded" in dict(stage.events()))
    return wrong


def test_forecasts_that_serve_worse_lose_their_say_over_a_restart(hurried):
    wrong = degraded(hurried)
    assert "present demand counts until forecasts do better: forecasts lose" in dict(hurried.events())["Degraded"]
    status = hurried.status()
    assert (status["effectiveMode"], status["reason"]) == ("Recommend", "ForecastUnskilled")
    with hurried.operator(forecasts=wrong):
        stays(2, lambda: hurried.floor() == 11)
        assert hurried.status()["phase"] == "Degraded"
        assert hurried.reason("ScalingActive") == "Reactive"


@pytest.mark.slow
def test_forecasts_that_do_better_again_get_their_say_back(hurried):
    wrong = degraded(hurried)
    wrong.times = 1.02
    with hurried.operator(forecasts=wrong):
        within(120, lambda: hurried.status()["phase"] == "Active", "losses of hours are forgotten within hours")
        assert hurried.status()["effectiveMode"] == "Floor"
        within(10, lambda: hurried.floor() == 11, "forecasts count")
        within(10, lambda: "forecasts count from now on" in dict(hurried.events())["Trusted"])


def test_a_floor_is_touched_only_when_forecasts_have_proven_themselves(stage):
    stage.service(own=3)
    stage.scaler(trust={"proving": "20m"})
    with stage.operator():
        within(20, lambda: stage.status().get("phase") == "Proving")
        status = stage.status()
        assert (status["effectiveMode"], status["desiredReplicas"], status["floorReplicas"]) == ("Recommend", 10, 3)
        assert "Unproven" in [each["reason"] for each in status["conditions"]]
        within(40, lambda: stage.floor() == 10)
        assert stage.clock.now().timestamp() - status["state"]["skill"]["since"] >= 20 * 60
        within(5, lambda: stage.status()["effectiveMode"] == "Floor")
        assert stage.reason("ScalingActive") == "ModeFloor"
        within(5, lambda: "Trusted" in [reason for reason, _ in stage.events()])


def test_a_floor_of_an_earlier_version_is_kept_and_followed(stage):
    """Its status has no trust, and it had acted: a day of proving would have been a day without a floor."""
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
    state = stage.status()["state"]
    for key in ("skill", "mode", "record"):
        state.pop(key)
    stage.custom.replace_namespaced_custom_object_status(
        "aiops.dev",
        "v1alpha1",
        stage.name,
        "predictivescalers",
        "web",
        {**stage.read(), "status": {**stage.status(), "state": {**state, "phase": "Watching"}}},
    )
    stage.scaler(trust={"proving": "1d"}, query="vector(750)")
    with stage.operator():
        within(20, lambda: stage.floor() == 15)
        assert (stage.status()["effectiveMode"], stage.status()["phase"]) == ("Floor", "Active")


def test_a_locked_guard_waits_for_a_person_over_a_restart(stage):
    errors = stage.knob("errors", otherwise=0)
    guard = {
        "slos": [{"name": "errors", "query": errors.query, "threshold": 0.01}],
        "observe": "30m",
        "failureLimit": 1,
        "maxRollbacksPerDay": 1,
    }
    demand = stage.knob("demand", otherwise=500)
    stage.service(own=3, replicas=4)
    stage.scaler(query=demand.query, guard=guard)
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
        demand.set(300)
        within(30, lambda: stage.status().get("phase") == "OnTrial" and stage.floor() < 10)
        errors.set(0.5)
        within(20, lambda: stage.status().get("phase") == "Locked")
        within(10, lambda: "write something new into spec.guard.unlock" in dict(stage.events()).get("Locked", ""))
        assert stage.floor() >= 10
        errors.set(0)
    with stage.operator():
        stays(4, lambda: stage.floor() >= 10)
        assert stage.status()["phase"] == "Locked"
        assert stage.reason("GuardHealthy") == "Locked"
        stage.scaler(query=demand.query, guard={**guard, "unlock": "ann"})
        within(30, lambda: stage.floor() < 10)
