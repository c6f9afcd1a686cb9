"""Nodes that exist only in the API: kwok makes their pods ready after a while, and says how much CPU they use."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from testbed.apiserver import ApiServer, KubectlError
from testbed.server import NotReadyError, Server, running
from tools.catalog import find

# Parts of kwok that are used as they come: how nodes and pods live, and what the metrics of a node look like.
_PARTS = (
    "stage/node/fast/node-initialize.yaml",
    "stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "stage/pod/fast/pod-ready.yaml",
    "stage/pod/fast/pod-complete.yaml",
    "stage/pod/fast/pod-delete.yaml",
    "metrics/resource/metrics-resource.yaml",
)
_LEASE_SECONDS = 40
_ROOM = {"cpu": "64", "memory": "256Gi", "pods": "100"}
_READY_WITHIN_SECONDS = 30


@contextlib.contextmanager
def nodes(api: ApiServer, *, count: int, start_up: timedelta, start_up_at_most: timedelta) -> Iterator[Server]:
    """Run kwok with ``count`` nodes until the ``with`` block ends; they are ready inside it.

    Raises:
        ToolMissingError: If this machine has no kwok yet.
        NotReadyError: If it did not start, or a node did not become ready; carries its log.
    """
    definitions = find("kwok").parent / "kustomize"
    api.kubectl("apply", "--server-side", "--filename", definitions / "crd" / "bases")
    api.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={_READY_WITHIN_SECONDS}s")
    serving = api.authority.issue("kwok", user="kwok", hosts=("localhost", "127.0.0.1"))
    parts = _with_start_up(definitions, start_up, start_up_at_most)

    def command(port: int, folder: Path) -> list[str | Path]:
        config = folder / "kwok.yaml"
        config.write_text(yaml.safe_dump_all(parts))
        return [
            find("kwok"),
            f"--kubeconfig={api.kubeconfig}",
            f"--config={config}",
            "--manage-all-nodes=true",
            f"--node-lease-duration-seconds={_LEASE_SECONDS}",
            f"--server-address=127.0.0.1:{port}",
            "--node-ip=127.0.0.1",
            f"--node-port={port}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            "--enable-crds=ClusterResourceUsage",  # so that tests can change the load (see use_cpu)
        ]

    with running("kwok", command, ready_path="/healthz", authority=api.authority.certificate) as server:
        core = client.CoreV1Api(api.client)
        for number in range(count):
            core.create_node(_node(f"node-{number}"))
        try:
            api.kubectl("wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={_READY_WITHIN_SECONDS}s")
        except KubectlError as error:
            raise NotReadyError(f"{error}\n{server.log_tail()}") from error
        yield server


def use_cpu(api: ApiServer, namespace: str, millicores: float) -> None:
    """Have every pod of ``namespace`` use this much CPU from now on."""
    name = f"cpu-of-{namespace}"
    usage = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterResourceUsage",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchNamespaces": [namespace]},
            "usages": [{"usage": {"cpu": {"value": f"{round(millicores)}m"}, "memory": {"value": "64Mi"}}}],
        },
    }
    api.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=yaml.safe_dump(usage))


def _with_start_up(definitions: Path, start_up: timedelta, at_most: timedelta) -> list[dict[str, Any]]:
    parts = [part for name in _PARTS for part in yaml.safe_load_all((definitions / name).read_text())]
    (ready,) = [part for part in parts if part["metadata"]["name"] == "pod-ready"]
    ready["spec"]["delay"] = {
        "durationMilliseconds": round(start_up.total_seconds() * 1000),
        "jitterDurationMilliseconds": round(at_most.total_seconds() * 1000),  # the upper end, not the width
    }
    return parts


def _node(name: str) -> client.V1Node:
    return client.V1Node(
        metadata=client.V1ObjectMeta(
            name=name,
            labels={"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            annotations={"metrics.k8s.io/resource-metrics-path": f"/metrics/nodes/{name}/metrics/resource"},
        ),
        status=client.V1NodeStatus(allocatable=_ROOM, capacity=_ROOM),
    )
