"""The early warning on a real API: which limit comes first, who is told, and what is said of limits nobody may see."""

import pytest
from prometheus_client import REGISTRY

from testbed.alertmanager import alertmanager_cluster
from testbed.webhook import webhook
from tests.operators.conftest import with_crd
from tests.operators.stage import Stage, requests, within
from tests.operators.test_refused import RAISES, watcher

ALLOWED = 15


def growing(stage, now, weekly):
    """PromQL of a demand that is ``now`` at this moment, and grows by so much a week, with a wave each day."""
    at = int(stage.clock.now().timestamp())
    wave = f"{now / 10} * sin(vector((time() - {at}) / 86400 * 2 * pi()))"
    return f"{wave} + {now} + {weekly} * (time() - {at}) / {7 * 86400}"


def gauge(name, **labels):
    return REGISTRY.get_sample_value(name, {"namespace": "room", "name": "web", **labels})


def quota(pods):
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team"},
        "spec": {"hard": {"requests.cpu": f"{pods * 250}m", "pods": "100"}},
    }


@pytest.fixture
def clustered(cluster, prometheus):
    """A stage on a cluster whose quotas are counted and whose pods lie on nodes."""
    with_crd(cluster.api)
    stage = Stage(api=cluster.api, prometheus=prometheus.url, name="room")
    yield stage
    stage.leave()


def test_a_quota_that_demand_will_outgrow_is_told_as_a_ticket_and_ends_when_it_is_raised(clustered):
    stage = clustered
    with webhook() as hook, alertmanager_cluster(2, webhook_url=hook.url) as replicas:
        stage.alertmanagers = tuple(each.url for each in replicas)
        stage.apply(quota(ALLOWED))
        stage.service(own=4, replicas=4, cpu="250m")
        query = growing(stage, now=500, weekly=250)
        stage.scaler(query=query)
        with stage.operator():
            within(60, lambda: stage.reason("RoomAhead") == "QuotaSoon")
            found = stage.status()["outlook"]
            assert (found["limit"], found["replicas"], found["maxReplicas"]) == ("Quota", ALLOWED, 40)
            assert found["chanceWithin7Days"] >= 0.5
            assert found["earliest"] <= found["likely"] <= found["latest"]
            assert stage.clock.now().isoformat() < found["likely"]
            assert "unknown" not in found
            message = stage.condition("RoomAhead")["message"]
            assert f"more than {ALLOWED} replicas (requests.cpu of the ResourceQuota team)" in message
            within(10, lambda: ("QuotaSoon", message) in stage.events())
            assert gauge("aiops_scaler_room_replicas") == ALLOWED
            assert gauge("aiops_scaler_shortage_probability", window="7d") == found["chanceWithin7Days"]
            ticket = hook.wait_for(bool, 20)[0]["alerts"][0]
            assert ticket["labels"] == {
                "alertname": "PredictiveScalerOutOfRoom",
                "namespace": "room",
                "predictivescaler": "web",
                "severity": "ticket",
            }
            assert ticket["annotations"]["why"] == message
            stage.apply(quota(60))
            stage.scaler(query=query, bounds={"maxReplicas": 39})  # what is written anew is looked at at once
            within(60, lambda: stage.status()["outlook"].get("replicas") == 39)
            assert stage.reason("RoomAhead") == "EnoughRoom"
            hook.wait_for(lambda got: any(each["status"] == "resolved" for each in got), 20)
            within(10, lambda: "EnoughRoom" in [reason for reason, _ in stage.events()])
        assert [each["status"] for each in hook.received()] == ["firing", "resolved"]


def test_limits_that_may_not_be_seen_are_said_and_not_tried(stage):
    stage.service(own=3)
    stage.scaler(query=growing(stage, now=500, weekly=500), bounds={"maxReplicas": 20})
    refused = requests("GET", code="403")
    with stage.api.client_with(watcher(stage, RAISES)) as limited, stage.operator(api=limited):
        within(60, lambda: stage.reason("RoomAhead") == "MaxReplicasSoon")
        assert stage.status()["outlook"]["limitedBy"] == "bounds.maxReplicas"
        assert stage.condition("RoomAhead")["message"].endswith(
            "not known: quotas, which may not be listed (operator.allow.quotas of the chart); "
            "nodes, which may not be listed with the pods on them (operator.allow.nodes of the chart)"
        )
        assert stage.floor() >= 10, "and scaling goes on"
    assert requests("GET", code="403") == refused
    with stage.operator():
        within(20, lambda: stage.reason("RoomAhead") == "MaxReplicasSoon", "kept over a restart")
        assert "operator.allow" in stage.condition("RoomAhead")["message"], "and not looked at again before its time"


def test_without_two_weeks_of_history_nobody_is_warned(stage):
    stage.service(own=3)
    since = int(stage.clock.now().timestamp()) - 3 * 86400
    stage.scaler(query=f"vector(500) and vector(time()) > {since}")
    with stage.operator():
        within(60, lambda: stage.reason("RoomAhead") == "NotKnown")
        assert "give two weeks or more" in stage.condition("RoomAhead")["message"]
        assert stage.condition("RoomAhead")["status"] == "Unknown"
