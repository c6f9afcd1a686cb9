"""Servers behind the Kubernetes API: it hands requests for one group and version on to a port of this machine."""

import base64
import contextlib
import time
from collections.abc import Callable, Iterator

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from testbed.apiserver import ApiServer
from testbed.server import NotReadyError

_NAMESPACE = "kube-system"
_READY_WITHIN_SECONDS = 60
_POLL_SECONDS = 0.1


def hosts_of(service: str) -> tuple[str, ...]:
    """Return the names for which a server behind ``service`` needs a certificate."""
    return ("localhost", "127.0.0.1", f"{service}.{_NAMESPACE}.svc")


@contextlib.contextmanager
def registered(
    api: ApiServer, group: str, version: str, *, service: str, port: int, log: Callable[[], str]
) -> Iterator[None]:
    """Have the API send requests for ``group/version`` to the port; take that back when the ``with`` block ends.

    Args:
        service: Name of the Service that stands for the server; it must not exist yet.
        port: Where the server listens, with a certificate of the API's authority for ``hosts_of(service)``.
        log: Returns the end of the server's log, for the error.

    Raises:
        NotReadyError: If the API does not reach it; carries the log.
    """
    core, registrations = client.CoreV1Api(api.client), client.ApiregistrationV1Api(api.client)
    name = f"{version}.{group}"
    with contextlib.ExitStack() as undo:
        core.create_namespaced_service(_NAMESPACE, _service(service, port))
        undo.callback(_unless_gone, lambda: core.delete_namespaced_service(service, _NAMESPACE))
        registrations.create_api_service(_registration(api, group, version, service, port))
        undo.callback(_unless_gone, lambda: registrations.delete_api_service(name))
        _wait_until_available(registrations, name, log)
        yield


def _service(name: str, port: int) -> client.V1Service:
    """Return a Service whose name means this machine."""
    return client.V1Service(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1ServiceSpec(
            type="ExternalName", external_name="localhost", ports=[client.V1ServicePort(port=port)]
        ),
    )


def _registration(api: ApiServer, group: str, version: str, service: str, port: int) -> client.V1APIService:
    return client.V1APIService(
        metadata=client.V1ObjectMeta(name=f"{version}.{group}"),
        spec=client.V1APIServiceSpec(
            group=group,
            version=version,
            group_priority_minimum=100,
            version_priority=100,
            ca_bundle=base64.b64encode(api.authority.certificate.read_bytes()).decode(),
            service=client.ApiregistrationV1ServiceReference(name=service, namespace=_NAMESPACE, port=port),
        ),
    )


def _wait_until_available(registrations: client.ApiregistrationV1Api, name: str, log: Callable[[], str]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    said = "nothing yet"
    while time.monotonic() < deadline:
        status = registrations.read_api_service(name).status
        for condition in (status and status.conditions) or []:
            if condition.type == "Available" and condition.status == "True":
                return
            said = str(condition.message)
        time.sleep(_POLL_SECONDS)
    raise NotReadyError(f"the API did not reach what serves {name}: {said}\n{log()}")


def _unless_gone(delete: Callable[[], object]) -> None:
    try:
        delete()
    except ApiException as error:
        if error.status != 404:
            raise
