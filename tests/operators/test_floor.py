"""Mode Floor on a real API: the floor is raised, written down, kept without a word, and given back."""

import time

import pytest

from tests.operators.stage import hpa, stays, within, writes

OWN = "aiops.dev/own-min-replicas"
FINALIZER = "aiops.dev/give-back"


def adopted(stage, name="web"):
    return stage.status(name).get("state", {}).get("adopted", {}).get("held") is True


def test_the_floor_is_raised_and_the_resource_says_why(stage):
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
        within(10, lambda: adopted(stage))
    found = stage.hpa()
    assert found["metadata"]["annotations"][OWN] == "3"
    status = stage.status()
    assert (status["effectiveMode"], status["desiredReplicas"], status["floorReplicas"]) == ("Floor", 10, 10)
    assert (status["currentReplicas"], status["demand"], status["peakDemand"]) == (4, 500, 500)
    assert (status["observedGeneration"], status["reason"]) == (1, "DesiredWithinRange")
    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    assert conditions == {
        "Ready": ("True", "AsSpecified"),
        "ScalingActive": ("True", "ModeFloor"),
        "ForecastAvailable": ("True", "Fresh"),
        "GuardHealthy": ("Unknown", "NoGuard"),
    }
    assert stage.read()["metadata"]["finalizers"] == [FINALIZER]
    assert "kopf" not in str(stage.read())  # no notes of the framework on people's resources
    assert ("DesiredWithinRange", "3 -> 10: demand of up to 500 needs 10 replicas") in stage.events()


def test_a_steady_world_costs_no_write(stage):
    stage.service()
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10 and adopted(stage))
        time.sleep(2)
        before, version = writes(), stage.read()["metadata"]["resourceVersion"]
        time.sleep(5)  # five turns
        assert writes() - before == 0
        assert stage.read()["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize("mode", ["Shadow", "Recommend"])
def test_shadow_and_recommend_decide_and_change_nothing(stage, mode):
    stage.service(own=3)
    stage.scaler(mode=mode)
    with stage.operator():
        within(20, lambda: stage.status().get("desiredReplicas") == 10)
        stays(3, lambda: stage.floor() == 3)
    assert stage.reason("ScalingActive") == f"Mode{mode}"
    assert "finalizers" not in stage.read()["metadata"]


def given_back(stage, own):
    found = stage.hpa()
    managers = {each["manager"] for each in found["metadata"]["managedFields"]}
    return (
        found["spec"]["minReplicas"] == own
        and OWN not in found["metadata"].get("annotations", {})
        and "aiops-operator" not in managers
    )


def test_deletion_gives_the_hpa_its_own_number_back(stage):
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
        stage.delete("predictivescaler", "web", "--timeout=20s")
    assert given_back(stage, 3)
    stage.apply(hpa("web", 5), arguments=("--server-side", "--force-conflicts"))
    stage.apply(hpa("web", 6), arguments=("--server-side",))  # nobody stands in the way of the next writer
    assert stage.floor() == 6


def test_suspending_gives_back_at_once_and_resuming_takes_over_again(stage):
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
        stage.scaler(suspend=True)
        took = within(10, lambda: given_back(stage, 3))
        within(10, lambda: stage.reason("ScalingActive") == "Suspended")
        within(10, lambda: "finalizers" not in stage.read()["metadata"])
        print(f"suspend -> given back: {took:.2f} s")
        stage.scaler(suspend=False)
        within(10, lambda: stage.floor() == 10)


def test_going_back_to_shadow_gives_back(stage):
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
        stage.scaler(mode="Shadow")
        within(10, lambda: given_back(stage, 3))
        assert stage.status()["desiredReplicas"] == 10


def test_what_was_recorded_survives_a_wiped_status_and_a_stripped_annotation(stage):
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10 and adopted(stage))
        stage.api.kubectl(
            "patch", "pscaler", "web", f"--namespace={stage.name}", "--subresource=status", "--type=merge",
            '--patch={"status": {"state": null}}',
        )  # fmt: skip
        within(10, lambda: stage.status().get("state", {}).get("adopted", {}).get("own") == 3)
        stage.api.kubectl("annotate", "hpa", "web", f"--namespace={stage.name}", f"{OWN}-")
        stays(2, lambda: stage.floor() == 10)
        stage.delete("predictivescaler", "web", "--timeout=20s")
    assert given_back(stage, 3)
