"""A real metrics-server over what the nodes report: what `kubectl top` and the horizontal autoscaler see."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from testbed.aggregation import hosts_of, registered
from testbed.apiserver import ApiServer
from testbed.server import Server, running
from tools.catalog import find

_NAME = "metrics-server"


@contextlib.contextmanager
def pod_metrics(api: ApiServer, *, resolution: timedelta = timedelta(seconds=10)) -> Iterator[Server]:
    """Serve metrics.k8s.io through ``api`` until the ``with`` block ends.

    Args:
        resolution: How often the nodes are asked; metrics-server takes no less than 10 s.

    Raises:
        ToolMissingError: If this machine has no metrics-server yet.
        NotReadyError: If it did not start or the API does not reach it; carries its log.
    """
    serving = api.authority.issue(_NAME, user=_NAME, hosts=hosts_of(_NAME))

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

    with (
        running(_NAME, command, ready_path="/livez", authority=api.authority.certificate) as server,
        registered(api, "metrics.k8s.io", "v1beta1", service=_NAME, port=server.port, log=server.log_tail),
    ):
        yield server
