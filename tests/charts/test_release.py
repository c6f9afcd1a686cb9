"""A release in a real cluster: installed, upgraded, rolled back, gone. Its pods are kwok's, and run nothing."""

import base64
import json
import os
import subprocess
import sys
import time
from datetime import timedelta

import httpx
import pytest
import yaml

import testbed.cluster
from testbed.pod_process import pod_process
from tests.charts.rendering import CHART, helm
from tools.bootstrap import ROOT

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


def scaler(mode):
    return {
        "apiVersion": "aiops.dev/v1alpha1",
        "kind": "PredictiveScaler",
        "metadata": {"name": "web"},
        "spec": {
            "mode": mode,
            "interval": "1s",
            "target": {"name": "web"},
            "hpa": {"name": "web"},
            "bounds": {"minReplicas": 2, "maxReplicas": 40},
            "load": {"query": "vector(500)", "history": "1d", "capacityPerReplica": 50},
            "trust": {"proving": "0s"},
            "behavior": {"scaleUp": {"maxStepReplicas": 40}},
        },
    }


def wait_until(holds, said, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, said()
        time.sleep(0.1)


def test_its_programs_raise_a_floor_and_give_it_back(api, on, prometheus, alertmanager, tmp_path):
    """With the certificate, token, arguments and rights of the release: 500 requests a second, 50 for each replica."""
    monitors = {"answers": {"query": "vector(1)", "history": "1h"}}
    on(
        "upgrade", "--install", CHART,
        prometheus={"url": prometheus.url}, alertmanager={"url": alertmanager.url}, server={"monitors": monitors},
    )  # fmt: skip
    home = "--namespace=shop"
    api.kubectl("create", "namespace", "shop")
    api.kubectl("create", "deployment", "web", "--image=none", "--replicas=3", home)
    api.kubectl("autoscale", "deployment/web", "--min=3", "--max=40", "--cpu=60%", home)

    def get(what):
        return json.loads(api.kubectl("get", what, home, "--output=json"))

    def floor():
        return get("hpa/web")["spec"]["minReplicas"]

    def condition(name):
        found = get("predictivescaler/web").get("status", {}).get("conditions", [])
        return next((each["status"] for each in found if each["type"] == name), None)

    with pod_process(api, NAMESPACE, "demo-aiops-server") as server:
        here = {f"demo-aiops-server.{NAMESPACE}.svc:50051": f"127.0.0.1:{server.ports[50051]}"}
        with pod_process(api, NAMESPACE, "demo-aiops-operator", reach=here) as operator:

            def said():
                return f"{get('predictivescaler/web')}\n{operator.server.log_tail()}\n{server.server.log_tail()}"

            api.kubectl("apply", "--filename=-", home, stdin=yaml.safe_dump(scaler("Shadow")))
            wait_until(lambda: condition("ForecastAvailable") == "True", said)
            assert floor() == 3, "Shadow changes nothing"
            api.kubectl("apply", "--filename=-", home, stdin=yaml.safe_dump(scaler("Floor")))
            wait_until(lambda: floor() == 10, said)
            wait_until(lambda: get("deployment/web")["status"].get("readyReplicas") == 10, said)
            asked = httpx.get(f"{operator.server.url}/metrics").text
            assert "aiops_kubernetes_requests_total{" in asked
            assert 'code="403"' not in asked

    # An operator that still works would have the lease taken from it, which takes seconds; this one let go of it.
    (job,) = yaml.safe_load_all(
        helm("get", "hooks", RELEASE, f"--kubeconfig={api.kubeconfig}", f"--namespace={NAMESPACE}").stdout
    )
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    token = api.kubectl("create", "token", "demo-aiops-operator", f"--namespace={NAMESPACE}").strip()
    rights = api.kubeconfig_with(token, tmp_path / "kubeconfig")
    subprocess.run(
        [sys.executable, "-m", "operators", *arguments],
        env={**os.environ, "KUBECONFIG": str(rights)}, cwd=ROOT, check=True, timeout=60,
    )  # fmt: skip
    assert floor() == 3
    assert not get("predictivescaler/web")["metadata"].get("finalizers"), "it can be deleted when nobody works"
