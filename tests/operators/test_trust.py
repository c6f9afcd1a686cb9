"""Trust on a real API: earned before anything is touched, said in status and Events, and kept over an upgrade."""

from tests.operators.stage import stays, within


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
        assert stage.floor() >= 10
        errors.set(0)
    with stage.operator():
        stays(4, lambda: stage.floor() >= 10)
        assert stage.status()["phase"] == "Locked"
        assert stage.reason("GuardHealthy") == "Locked"
        stage.scaler(query=demand.query, guard={**guard, "unlock": "ann"})
        within(30, lambda: stage.floor() < 10)
