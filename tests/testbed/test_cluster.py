"""The real cluster: its pods take their time, its autoscaler looks at their CPU, and its end is complete."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from kubernetes import client

import testbed.cluster
from testbed.apiserver import KubectlError
from testbed.nodes import use_cpu
from testbed.pod_metrics import pod_metrics


def deploy(api, namespace, replicas):
    """Create ``web``, whose pods ask for 200 millicores, in a new namespace, and wait until all are ready."""
    api.kubectl("create", "namespace", namespace)
    container = client.V1Container(
        name="web", image="none", resources=client.V1ResourceRequirements(requests={"cpu": "200m"})
    )
    labels = {"app": "web"}
    deployment = client.V1Deployment(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V1DeploymentSpec(
            replicas=replicas,
            selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
            ),
        ),
    )
    client.AppsV1Api(api.client).create_namespaced_deployment(namespace, deployment)
    api.kubectl("rollout", "status", "deployment/web", f"--namespace={namespace}", "--timeout=60s")


def rescales(api, namespace):
    """Return what the autoscaler did, as it says it, oldest first."""
    return api.kubectl(
        "get", "events", f"--namespace={namespace}", "--field-selector=reason=SuccessfulRescale",
        "--sort-by=.metadata.creationTimestamp", "--output=jsonpath={range .items[*]}{.message}{'\\n'}{end}",
    ).splitlines()  # fmt: skip


def millicores(api, namespace):
    """Return what each pod uses, as metrics-server says."""
    try:
        lines = api.kubectl("top", "pods", f"--namespace={namespace}", "--no-headers").splitlines()
    except KubectlError:  # not measured twice yet, so there is no rate
        return []
    return [int(line.split()[1].removesuffix("m")) for line in lines]


def wait_until(holds, within_seconds):
    deadline = time.monotonic() + within_seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, f"not within {within_seconds} s"
        time.sleep(0.2)
    return value


def since(pod, kind):
    (moment,) = [each.last_transition_time for each in pod.status.conditions if each.type == kind]
    return moment


def test_pods_become_ready_when_their_start_up_is_over(cluster):
    deploy(cluster.api, "start-up", replicas=5)
    pods = client.CoreV1Api(cluster.api.client).list_namespaced_pod("start-up").items
    assert len(pods) == 5
    for pod in pods:
        took = since(pod, "Ready") - since(pod, "PodScheduled")
        # Both are cut to whole seconds, so two seconds can look like one.
        assert timedelta(seconds=1) <= took <= timedelta(seconds=6)


def test_a_deleted_namespace_takes_everything_with_it(cluster):
    deploy(cluster.api, "short-lived", replicas=2)
    cluster.api.kubectl("delete", "namespace", "short-lived", "--timeout=60s")
    assert cluster.api.kubectl("get", "pods", "--namespace=short-lived", "--output=name") == ""


def test_the_real_autoscaler_follows_the_cpu_that_pods_use(cluster):
    """4 pods at 82.5 % of their request, with a target of 60 %, become ceil(5.5) = 6; idle ones become fewer."""
    api = cluster.api
    use_cpu(api, "load", 165)
    deploy(api, "load", replicas=4)
    with pod_metrics(api):
        # A rate between two moments that are not sharp: ask for what holds 9 % off, and begin when it is known.
        wait_until(lambda: millicores(api, "load") == pytest.approx([165] * 4, rel=0.08), within_seconds=90)
        api.kubectl("autoscale", "deployment/web", "--namespace=load", "--min=1", "--max=10", "--cpu=60%")
        (first, *_) = wait_until(lambda: rescales(api, "load"), within_seconds=60)
        assert first.startswith("New size: 6; reason: cpu resource utilization")
        use_cpu(api, "load", 10)
        wait_until(lambda: "below target" in rescales(api, "load")[-1], within_seconds=90)
    assert "metrics.k8s.io" not in api.kubectl("get", "apiservices", "--output=name")


def test_everything_is_stopped_afterwards():
    with testbed.cluster.cluster(node_count=1) as whole:
        assert [server.name for server in whole.servers] == [
            "etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kwok",
        ]  # fmt: skip
        assert all(server.is_running() for server in whole.servers)
    for server in whole.servers:
        assert not Path(f"/proc/{server.process.pid}").exists()
        assert not server.folder.exists()
