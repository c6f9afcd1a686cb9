"""A real metrics-server that reads what kwok's nodes report: what `kubectl top` and the horizontal autoscaler see."""

import base64
import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from kubernetes import client

from testbed.apiserver import ApiServer
from testbed.server import NotReadyError, Server, running
from tools.catalog import find

_NAMESPACE = "kube-system"
_NAME = "metrics-server"
_READY_WITHIN_SECONDS = 60
_POLL_SECONDS = 0.1


@contextlib.contextmanager
def pod_metrics(api: ApiServer, *, resolution: timedelta = timedelta(seconds=10)) -> Iterator[Server]:
    """Serve metrics.k8s.io through ``api`` until the ``with`` block ends.

    Args:
        resolution: How often the nodes are asked; metrics-server takes no less than 10 s.

    Raises:
        ToolMissingError: If this machine has no metrics-server yet.
        NotReadyError: If it did not start or the API does not reach it; carries its log.
    """
    hosts = ("localhost", "127.0.0.1", f"{_NAME}.{_NAMESPACE}.svc")
    serving = api.authority.issue(_NAME, user=_NAME, hosts=hosts)

    def command(port: int, _: Path) -> list[str | Path]:
        return [
            find("metrics-server"),
            f"--kubeconfig={api.kubeconfig}",
            f"--authentication-kubeconfig={api.kubeconfig}",
            f"--authorization-kubeconfig={api.kubeconfig}",
            "--kubelet-insecure-tls",
            "--kubelet-use-node-status-port",
            "--kubelet-preferred-address-types=InternalIP",
            f"--metric-resolution={resolution.total_seconds():g}s",
            f"--kubelet-request-timeout={resolution.total_seconds() / 2:g}s",  # it insists on less than the resolution
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
        ]

    with running(_NAME, command, ready_path="/livez", authority=api.authority.certificate) as server:
        _register(api, int(server.url.rsplit(":", 1)[1]))
        _wait_until_available(api, server)
        yield server


def _register(api: ApiServer, port: int) -> None:
    """Have the API send requests for metrics.k8s.io to the port, through a name that means this machine."""
    service = client.V1Service(
        metadata=client.V1ObjectMeta(name=_NAME),
        spec=client.V1ServiceSpec(
            type="ExternalName", external_name="localhost", ports=[client.V1ServicePort(port=port)]
        ),
    )
    client.CoreV1Api(api.client).create_namespaced_service(_NAMESPACE, service)
    bundle = base64.b64encode(api.authority.certificate.read_bytes()).decode()
    registration = client.V1APIService(
        metadata=client.V1ObjectMeta(name="v1beta1.metrics.k8s.io"),
        spec=client.V1APIServiceSpec(
            group="metrics.k8s.io",
            version="v1beta1",
            group_priority_minimum=100,
            version_priority=100,
            ca_bundle=bundle,
            service=client.ApiregistrationV1ServiceReference(name=_NAME, namespace=_NAMESPACE, port=port),
        ),
    )
    client.ApiregistrationV1Api(api.client).create_api_service(registration)


def _wait_until_available(api: ApiServer, server: Server) -> None:
    registrations = client.ApiregistrationV1Api(api.client)
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    said = "nothing yet"
    while time.monotonic() < deadline:
        status = registrations.read_api_service("v1beta1.metrics.k8s.io").status
        for condition in (status and status.conditions) or []:
            if condition.type == "Available" and condition.status == "True":
                return
            said = str(condition.message)
        time.sleep(_POLL_SECONDS)
    raise NotReadyError(f"the API did not reach {_NAME}: {said}\n{server.log_tail()}")
