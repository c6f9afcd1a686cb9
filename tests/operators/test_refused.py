"""What Kubernetes or the model refuses: said in a condition, tried again later, and no harm to what is held."""

import json
import time

import pytest
import yaml

from aiops.scaling.resource import API_VERSION, FINALIZER
from tests.operators.conftest import with_crd
from tests.operators.stage import CRD, stays, within, writes

RULES = [
    {"apiGroups": ["aiops.dev"], "resources": ["predictivescalers"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["aiops.dev"], "resources": ["predictivescalers/status"], "verbs": ["patch"]},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["get", "list"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
]


RAISES = [
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["get", "list", "patch"]},
    *RULES,
]


def role(stage, rules):
    names = {"name": "watcher", "namespace": stage.name}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": names, "rules": rules}


def watcher(stage, rules=RULES):
    """Let somebody do what the rules say; return his token."""
    names = {"name": "watcher", "namespace": stage.name}
    stage.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": names},
        role(stage, rules),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": names,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "watcher"},
            "subjects": [{"kind": "ServiceAccount", **names}],
        },
    )
    return stage.api.kubectl("create", "token", "watcher", f"--namespace={stage.name}").strip()


def test_a_role_that_may_not_raise_floors_is_named_and_not_hammered(stage):
    stage.service(own=3)
    stage.scaler()
    token = watcher(stage)
    with stage.api.client_with(token) as limited, stage.operator(api=limited):
        within(20, lambda: stage.reason("ScalingActive") == "Refused")
        message = stage.condition("ScalingActive")["message"]
        assert "answered 403 to PATCH" in message
        assert "The operator's role lacks this permission" in message
        assert stage.status()["desiredReplicas"] == 10
        time.sleep(0.5)
        before = writes()
        time.sleep(2)
        assert writes() - before <= 1
    assert stage.floor() == 3


@pytest.mark.parametrize("ends", ["suspended", "deleted"])
def test_a_floor_that_may_not_be_given_back_is_named_and_given_back_later(stage, ends):
    stage.service(own=3)
    stage.scaler()
    token = watcher(stage, RAISES)
    with stage.api.client_with(token) as limited, stage.operator(api=limited):
        within(20, lambda: stage.floor() == 10)
        stage.apply(role(stage, RULES))
        if ends == "suspended":
            stage.scaler(suspend=True)
        else:
            stage.delete("predictivescaler", "web", "--wait=false")
        within(20, lambda: stage.reason("Ready") == "GiveBackRefused")
        message = stage.condition("Ready")["message"]
        assert message.startswith("minReplicas of the HPA web cannot be given back: Kubernetes answered 403 to PATCH")
        within(5, lambda: "GiveBackRefused" in [reason for reason, _ in stage.events()])
        assert stage.floor() == 10
        assert stage.read()["metadata"]["finalizers"] == [FINALIZER]
        stage.apply(role(stage, RAISES))
        within(10, lambda: stage.floor() == 3)


@pytest.mark.slow
def test_a_spec_from_before_the_rules_is_refused_by_the_model(stage):
    """A resource may be older than the CRD that now checks it: the floor it holds stays, and the status says why."""
    loose = yaml.safe_load(CRD.read_text())
    for version in loose["spec"]["versions"]:
        anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version["schema"]["openAPIV3Schema"] = {"type": "object", "properties": {"spec": anything, "status": anything}}
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
        stage.api.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=json.dumps(loose))
        try:
            patch = {"apiVersion": API_VERSION, "spec": {"behavior": {"scaleDown": {"stabilisationWindow": "5m"}}}}
            within(10, lambda: patched(stage, patch))
            within(20, lambda: stage.reason("Ready") == "InvalidSpec")
            assert "did you mean stabilizationWindow?" in stage.condition("Ready")["message"]
            stays(1.5, lambda: stage.floor() == 10)
        finally:
            with_crd(stage.api)


def patched(stage, patch):
    stage.api.kubectl(
        "patch", "predictivescaler", "web", f"--namespace={stage.name}", "--type=merge", f"--patch={json.dumps(patch)}"
    )
    return True
