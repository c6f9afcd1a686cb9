"""A real Kubernetes cluster on loopback, but for its nodes: control plane, controllers, scheduler, kwok."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from testbed.apiserver import ApiServer, apiserver
from testbed.nodes import nodes
from testbed.server import Server, running
from tools.catalog import find

# These need a cloud, or addresses for pods; the rest is what every cluster runs.
_CONTROLLERS = "*,-node-ipam-controller,-cloud-node-lifecycle-controller,-service-lb-controller,-node-route-controller"

# A controller may send 20 requests a second by default. Here a minute of a cluster's life often takes seconds.
_UNHURRIED = ("--kube-api-qps=2000", "--kube-api-burst=4000")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cluster:
    """A running cluster.

    Attributes:
        api: Its API.
        servers: Every program of it.
    """

    api: ApiServer
    servers: tuple[Server, ...]


@contextlib.contextmanager
def cluster(
    *,
    node_count: int = 2,
    start_up: timedelta = timedelta(seconds=2),
    start_up_at_most: timedelta | None = None,
    hpa_sync_period: timedelta = timedelta(seconds=2),
    hpa_downscale_stabilization: timedelta = timedelta(seconds=5),
) -> Iterator[Cluster]:
    """Run a cluster until the ``with`` block ends.

    Args:
        node_count: How many nodes it has; each has room for 100 pods and 64 cores.
        start_up: How long a pod takes from its node to being ready.
        start_up_at_most: If given, each pod takes a random time between ``start_up`` and this.
        hpa_sync_period: How often the horizontal autoscaler looks.
        hpa_downscale_stabilization: For how long it remembers a higher recommendation, where an HPA does not say.

    Raises:
        ToolMissingError: If this machine lacks one of the programs.
        NotReadyError: If one did not start; carries its log.
    """
    for program in ("kube-controller-manager", "kube-scheduler", "kwok"):
        find(program)
    with (
        apiserver() as api,
        _scheduler(api) as scheduler,
        _controllers(api, hpa_sync_period, hpa_downscale_stabilization) as controllers,
        nodes(api, count=node_count, start_up=start_up, start_up_at_most=start_up_at_most or start_up) as kwok,
    ):
        yield Cluster(api=api, servers=(*api.servers, scheduler, controllers, kwok))


def _controllers(api: ApiServer, sync: timedelta, stabilization: timedelta) -> AbstractContextManager[Server]:
    return _component(
        "kube-controller-manager",
        api,
        f"--service-account-private-key-file={api.service_account_key}",
        f"--root-ca-file={api.authority.certificate}",
        "--use-service-account-credentials=true",
        f"--controllers={_CONTROLLERS}",
        *_UNHURRIED,
        f"--horizontal-pod-autoscaler-sync-period={sync.total_seconds()}s",
        f"--horizontal-pod-autoscaler-downscale-stabilization={stabilization.total_seconds()}s",
        # Young pods count after a second: the test's loads change within seconds, too.
        "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
    )


def _scheduler(api: ApiServer) -> AbstractContextManager[Server]:
    return _component("kube-scheduler", api, *_UNHURRIED)


def _component(name: str, api: ApiServer, *options: str) -> AbstractContextManager[Server]:
    kubeconfig = api.kubeconfig_of(f"system:{name}")
    serving = api.authority.issue(f"{name}-serving", user=name, hosts=("localhost", "127.0.0.1"))

    def command(port: int, _: Path) -> list[str | Path]:
        return [
            find(name),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            "--leader-elect=false",
            *options,
        ]

    return running(name, command, ready_path="/healthz", authority=api.authority.certificate)
