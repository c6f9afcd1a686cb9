"""Requests to the Kubernetes API: plain JSON through the official client, in threads, with our errors.

The client brings what is hard to get right: credentials in a pod or from a kubeconfig, their renewal, TLS and the pool
of connections. Its generated models are left out: a turn reads a handful of fields of a few objects, and a patch is
smaller than any model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import urllib3.exceptions
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from aiops.errors import ConfigError, UpstreamConflictError, UpstreamRejectedError, UpstreamUnavailableError

TIMEOUT_SECONDS: Final = 3.5
"""Of every request. Less than what lies between a leader's giving up and another's taking over (see the lease)."""

_CONNECTIONS: Final = 16
_TOLD_LATER: Final = frozenset({408, 425, 429})
_SHOWN_CHARACTERS: Final = 500

Object = dict[str, Any]


class Patch(StrEnum):
    """How the body of a patch is meant; the value is its content type."""

    APPLY = "application/apply-patch+yaml"
    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"


def connect() -> client.ApiClient:
    """Return a client for the cluster that this pod runs in, or else for the kubeconfig's current context.

    Raises:
        ConfigError: If there is neither.
    """
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError, TypeError) as error:
            raise ConfigError(
                f"no Kubernetes to talk to: this is no pod, and the kubeconfig cannot be used ({error}): set KUBECONFIG"
            ) from error
    configuration.retries = False  # the next turn is the retry
    configuration.connection_pool_maxsize = _CONNECTIONS
    return client.ApiClient(configuration)


class KubernetesHttp:
    """Sends requests, a bounded number at a time over shared connections.

    Two of these over one client do not wait for each other: the lease has its own.

    Args:
        api: The official client; closed by whoever made it.
        may_write: Asked right before each request that changes something; nothing is sent when it says no.
        seen: Told the verb and the answer's code of each request, ``"none"`` if there was no answer.
    """

    def __init__(
        self,
        api: client.ApiClient,
        *,
        may_write: Callable[[], bool] = lambda: True,
        seen: Callable[[str, str], None] = lambda _verb, _code: None,
    ) -> None:
        self._api = api
        self._may_write = may_write
        self._seen = seen
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="kubernetes")

    async def get(self, path: str, **query: str) -> Object | None:
        """Return the object at ``path``; None if there is none.

        Raises:
            UpstreamUnavailableError: If the API did not answer.
            UpstreamRejectedError: If it refused.
        """
        return await self._send("GET", path, query)

    async def patch(self, path: str, body: Object | Sequence[Object], kind: Patch, **query: str) -> Object:
        """Change the object at ``path`` and return what became of it.

        Raises:
            UpstreamUnavailableError: If the API did not answer, or we may not write at this moment.
            UpstreamConflictError: If somebody else changed it, or owns what we would change.
            UpstreamRejectedError: If it refused, or there is no such object.
        """
        return await self._send("PATCH", path, query, body, kind) or {}

    async def put(self, path: str, body: Object, **query: str) -> Object:
        """Replace an object; the errors are those of ``patch``."""
        return await self._send("PUT", path, query, body) or {}

    async def create(self, path: str, body: Object, **query: str) -> Object:
        """Create an object in the collection at ``path``; the errors are those of ``patch``."""
        return await self._send("POST", path, query, body) or {}

    async def _send(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str],
        body: Object | Sequence[Object] | None = None,
        kind: Patch | None = None,
    ) -> Object | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._exchange, verb, path, query, body, kind)

    def _exchange(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str],
        body: Object | Sequence[Object] | None,
        kind: Patch | None,
    ) -> Object | None:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = str(kind or "application/json")
        asked = self._api.param_serialize(
            verb,
            path,
            query_params=list(query.items()),
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        _, url, headers, _, _ = asked
        if verb != "GET" and not self._may_write():
            raise UpstreamUnavailableError(f"{verb} {path} was not sent: this process does not hold the lease")
        code = "none"
        try:
            answer = self._api.call_api(
                verb,
                url,
                headers,
                body,
                _request_timeout=TIMEOUT_SECONDS,
            )
            content = answer.read() or b""  # type: ignore[no-untyped-call]
            code = str(answer.status)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise UpstreamUnavailableError(
                f"the Kubernetes API at {self._api.configuration.host} did not answer {verb} {path}: {_reason(error)}"
            ) from error
        finally:
            self._seen(verb, code)
        return _understood(verb, path, answer.status, content)


def path_of(api_version: str, plural: str, namespace: str, name: str = "", part: str = "") -> str:
    """Return the path of an object, of its ``part`` such as ``"scale"``, or without a name of all in a namespace."""
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    tail = [quote(each, safe="") for each in (name, part) if each]
    return "/".join([root, "namespaces", quote(namespace, safe=""), plural, *tail])


def _understood(verb: str, path: str, status: int, content: bytes) -> Object | None:
    if 200 <= status < 300:
        try:
            found = json.loads(content)
        except ValueError as error:
            raise UpstreamUnavailableError(f"{verb} {path}: {status}, but not JSON: {content[:80]!r}") from error
        if not isinstance(found, dict):
            raise UpstreamRejectedError(f"{verb} {path}: {status}, but no object: {content[:80]!r}")
        return found
    said = _message(content)
    told = f"Kubernetes answered {status} to {verb} {path}: {said}"
    if status == 404 and verb == "GET":
        return None
    if status == 409:
        raise UpstreamConflictError(told)
    if status >= 500 or status in _TOLD_LATER:
        raise UpstreamUnavailableError(told)
    if status == 403:
        raise UpstreamRejectedError(f"{told}. The operator's role lacks this permission: add it to the chart's rbac")
    raise UpstreamRejectedError(told)


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])[:_SHOWN_CHARACTERS]
    except (ValueError, TypeError, KeyError):
        return content[:_SHOWN_CHARACTERS].decode(errors="replace").strip()


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__
