"""Mode Floor on a real API: the floor is raised, written down, kept without a word, and given back."""

import json
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from kubernetes import client

from tests.operators.stage import hpa, requests, stays, within, writes

OWN = "aiops.dev/own-min-replicas"
FINALIZER = "aiops.dev/give-back"


def adopted(stage, name="web"):
    return stage.status(name).get("state", {}).get("adopted", {}).get("held") is True


def test_the_floor_is_raised_and_the_resource_says_why(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    within(10, lambda: adopted(served))
    within(30, lambda: served.reason("RoomAhead"))
    found = served.hpa()
    assert found["metadata"]["annotations"][OWN] == "3"
    status = served.status()
    assert (status["effectiveMode"], status["desiredReplicas"], status["floorReplicas"]) == ("Floor", 10, 10)
    assert (status["currentReplicas"], status["demand"], status["peakDemand"]) == (4, 500, 500)
    assert (status["observedGeneration"], status["reason"]) == (1, "DesiredWithinRange")
    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    assert conditions == {
        "Ready": ("True", "AsSpecified"),
        "ScalingActive": ("True", "ModeFloor"),
        "ForecastAvailable": ("True", "Fresh"),
        "GuardHealthy": ("Unknown", "NoGuard"),
        "RoomAhead": ("True", "EnoughRoom"),
    }
    assert served.read()["metadata"]["finalizers"] == [FINALIZER]
    assert "kopf" not in str(served.read())  # no notes of the framework on people's resources
    assert ("DesiredWithinRange", "3 -> 10: demand of up to 500 needs 10 replicas") in served.events()


def test_an_event_of_the_calendar_raises_the_floor_in_local_time_and_a_wrong_zone_is_said(served):
    served.service(own=3)
    berlin = served.clock.now().astimezone(ZoneInfo("Europe/Berlin"))
    start, end = (f"{berlin + timedelta(hours=hours):%Y-%m-%dT%H:%M}" for hours in (-1, 12))
    event = {"name": "sale", "start": start, "end": end, "minReplicas": 14}
    served.scaler(calendar={"timeZone": "Europe/Berlin", "events": [event]})
    within(20, lambda: served.floor() == 14)
    within(10, lambda: served.status().get("reason") == "CalendarEvent")
    assert "demand of up to 500 needs 10 replicas; the calendar asks for 14; event sale" in served.status()["message"]

    served.scaler(calendar={"timeZone": "Europe/Berlim", "events": [event]})
    within(10, lambda: served.reason("Ready") == "InvalidSpec")
    assert "did you mean Europe/Berlin?" in served.condition("Ready")["message"]
    assert served.floor() == 14


def test_a_steady_world_costs_no_write(served):
    served.service()
    served.scaler()
    within(20, lambda: served.floor() == 10 and adopted(served))
    said = -1.0
    while said != (said := writes()):  # until the last condition is said, which takes longer on a busy machine
        time.sleep(2)
    before, version = writes(), served.read()["metadata"]["resourceVersion"]
    time.sleep(3)  # six turns
    assert writes() - before == 0
    assert served.read()["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize("mode", ["Shadow", "Recommend"])
def test_shadow_and_recommend_decide_and_change_nothing(served, mode):
    served.service(own=3)
    served.scaler(mode=mode)
    within(20, lambda: served.status().get("desiredReplicas") == 10)
    stays(1.5, lambda: served.floor() == 3)
    assert served.reason("ScalingActive") == f"Mode{mode}"
    assert "finalizers" not in served.read()["metadata"]


def given_back(stage, own):
    found = stage.hpa()
    managers = {each["manager"] for each in found["metadata"]["managedFields"]}
    return (
        found["spec"]["minReplicas"] == own
        and OWN not in found["metadata"].get("annotations", {})
        and "aiops-operator" not in managers
    )


def test_deletion_gives_the_hpa_its_own_number_back(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    served.delete("predictivescaler", "web", "--timeout=20s")
    assert given_back(served, 3)
    served.apply(hpa("web", 5), arguments=("--server-side", "--force-conflicts"))
    served.apply(hpa("web", 6), arguments=("--server-side",))  # nobody stands in the way of the next writer
    assert served.floor() == 6


def test_waiting_for_the_finalizer_of_somebody_else_costs_a_look_an_interval(stage):
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
        wait = json.dumps({"metadata": {"finalizers": [FINALIZER, "example.com/wait"]}})
        namespace = f"--namespace={stage.name}"
        stage.api.kubectl("patch", "predictivescaler", "web", namespace, "--type=merge", f"--patch={wait}")
        stage.delete("predictivescaler", "web", "--wait=false")
        within(10, lambda: given_back(stage, 3))
        within(5, lambda: stage.read()["metadata"]["finalizers"] == ["example.com/wait"])
        before = requests("GET")
        time.sleep(3)  # six turns
        assert requests("GET") - before <= 20


def test_suspending_gives_back_at_once_and_resuming_takes_over_again(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    served.scaler(suspend=True)
    took = within(10, lambda: given_back(served, 3))
    within(10, lambda: served.reason("ScalingActive") == "Suspended")
    within(10, lambda: "finalizers" not in served.read()["metadata"])
    print(f"suspend -> given back: {took:.2f} s")
    served.scaler(suspend=False)
    within(10, lambda: served.floor() == 10)


def test_going_back_to_shadow_gives_back(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    served.scaler(mode="Shadow")
    within(10, lambda: given_back(served, 3))
    assert served.status()["desiredReplicas"] == 10


def test_what_was_recorded_survives_a_wiped_status_and_a_stripped_annotation(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10 and adopted(served))
    served.api.kubectl(
        "patch", "pscaler", "web", f"--namespace={served.name}", "--subresource=status", "--type=merge",
        '--patch={"status": {"state": null}}',
    )  # fmt: skip
    within(10, lambda: served.status().get("state", {}).get("adopted", {}).get("own") == 3)
    served.api.kubectl("annotate", "hpa", "web", f"--namespace={served.name}", f"{OWN}-")
    stays(1.5, lambda: served.floor() == 10)
    served.delete("predictivescaler", "web", "--timeout=20s")
    assert given_back(served, 3)


def start_pods(stage, name: str, *startups_seconds: int) -> None:
    """Create pods that say that they were ready so many seconds after they were created."""
    for index, took in enumerate(startups_seconds):
        pod = stage.core.create_namespaced_pod(
            stage.name,
            client.V1Pod(
                metadata=client.V1ObjectMeta(name=f"{name}-{index}", labels={"app": name}),
                spec=client.V1PodSpec(
                    containers=[client.V1Container(name="web", image="none")], automount_service_account_token=False
                ),
            ),
        )
        ready: datetime = pod.metadata.creation_timestamp + timedelta(seconds=took)
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": ready.isoformat()}
        stage.core.patch_namespaced_pod_status(f"{name}-{index}", stage.name, {"status": {"conditions": [condition]}})


def test_a_window_is_as_long_as_pods_take_and_the_condition_says_so(served):
    served.service(own=3)
    served.core.create_namespaced_service_account(
        served.name, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="default"))
    )
    start_pods(served, "web", 200, 240, 180)
    start_pods(served, "other", 900, 900, 900)
    served.scaler(forecast={"leadTime": "Learnt"})

    within(20, lambda: served.reason("ForecastAvailable") == "Fresh")
    # 240 s, an interval of 60 s and a sync of 15 s, in whole minutes
    assert served.condition("ForecastAvailable")["message"] == (
        "forecasts by holt-winters for the next 6 min: nine in ten of 3 pods were ready within 4 min"
    )


def test_without_pods_the_window_that_is_written_counts(served):
    served.service(own=3)
    served.scaler(forecast={"leadTime": "Learnt"})

    within(20, lambda: served.reason("ForecastAvailable") == "Fresh")
    assert served.condition("ForecastAvailable")["message"] == (
        "forecasts by holt-winters for the next 4 min: the start of 0 pods was seen, and 3 are needed to learn from"
    )
