"""A release in a real cluster: installed, upgraded, rolled back, gone. Its pods are kwok's, and run nothing."""

import base64
import json
from datetime import timedelta

import pytest
import yaml

import testbed.cluster
from tests.charts.rendering import CHART, helm

RELEASE = "demo"
NAMESPACE = "aiops"
VALUES = {"server": {"replicas": 2}, "operator": {"replicas": 2}, "networkPolicy": {"enabled": True}}
# As the operator writes it.
HELD = json.dumps({"spec": {"holderIdentity": "pod-1", "leaseDurationSeconds": 12, "leaseTransitions": 3}})
KEPT = "customresourcedefinition.apiextensions.k8s.io/predictivescalers.aiops.dev"
# In every namespace, with or without us; endpoints of a Service go a moment after it.
ANYWHERE = ("configmap/kube-root-ca.crt", "serviceaccount/default", "event", "endpoint")


@pytest.fixture(scope="module")
def api():
    """A cluster of its own: what is left in it afterwards has to be ours."""
    with testbed.cluster.cluster(node_count=2, start_up=timedelta(milliseconds=100)) as running:
        yield running.api


@pytest.fixture(scope="module")
def on(api):
    """Run helm on it, and wait for what it does."""

    def run(command, *arguments, **values):
        given = ("--values=-",) if values else ()
        options = (f"--kubeconfig={api.kubeconfig}", f"--namespace={NAMESPACE}", "--wait", "--timeout=90s", *given)
        done = helm(command, RELEASE, *arguments, *options, stdin=yaml.safe_dump(values) if values else None)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def get(api, kind, name):
    return json.loads(api.kubectl("get", kind, name, f"--namespace={NAMESPACE}", "--output=json"))


def secrets(api):
    return {name: get(api, "secret", f"demo-aiops-{name}")["data"] for name in ("token", "tls")}


def arguments(api, component):
    return get(api, "deployment", f"demo-aiops-{component}")["spec"]["template"]["spec"]["containers"][0]["args"]


def versions(api, component):
    """How many pod templates a Deployment has had; one more is a restart of its pods."""
    return int(
        get(api, "deployment", f"demo-aiops-{component}")["metadata"]["annotations"][
            "deployment.kubernetes.io/revision"
        ]
    )


def present(api):
    """Everything in the namespace, and everything of the release in the whole cluster."""
    names = {}
    for scope in ("true", "false"):
        kinds = api.kubectl("api-resources", "--verbs=list", f"--namespaced={scope}", "--output=name").split()
        names[scope] = [kind for kind in kinds if not kind.startswith(("events", "endpoints"))]
    inside = api.kubectl("get", ",".join(names["true"]), f"--namespace={NAMESPACE}", "--output=name").split()
    of_release = f"--selector=app.kubernetes.io/instance={RELEASE}"
    around = api.kubectl("get", ",".join(names["false"]), of_release, "--output=name").split()
    return {name for name in (*inside, *around) if not name.startswith(ANYWHERE)}


def test_a_release_is_installed_upgraded_rolled_back_and_gone(api, on):
    api.kubectl("create", "namespace", NAMESPACE)
    assert present(api) == set()

    on("install", CHART, **VALUES)
    for component in ("server", "operator"):
        assert get(api, "deployment", f"demo-aiops-{component}")["status"]["readyReplicas"] == 2
    made = secrets(api)
    assert len(base64.b64decode(made["token"]["token"])) == 48
    assert "--queue=256" in arguments(api, "server")

    api.kubectl("patch", "lease", "demo-aiops-operator", f"--namespace={NAMESPACE}", "--type=merge", f"--patch={HELD}")
    on("upgrade", CHART, **{**VALUES, "server": {"replicas": 2, "queueLength": 512}})
    assert "--queue=512" in arguments(api, "server")
    assert secrets(api) == made, "an upgrade must not lock clients out"
    assert (versions(api, "server"), versions(api, "operator")) == (2, 1), "only what changed may restart"
    assert get(api, "lease", "demo-aiops-operator")["spec"] == json.loads(HELD)["spec"], "who works goes on working"

    on("rollback", "1")
    assert "--queue=256" in arguments(api, "server")
    assert secrets(api) == made
    assert get(api, "deployment", "demo-aiops-server")["status"]["readyReplicas"] == 2

    api.kubectl("delete", "secret", "demo-aiops-token", f"--namespace={NAMESPACE}")
    on("upgrade", CHART, **VALUES)
    renewed = secrets(api)
    assert renewed["token"] != made["token"]
    assert renewed["tls"] == made["tls"]
    assert versions(api, "operator") == 1, "the programs read a new token by themselves"

    on("uninstall")
    assert present(api) == {KEPT}

    on("install", CHART, **VALUES)  # over the resource definition that was kept
