"""What is scaled, as the Kubernetes API shows it: any kind with the subresource ``scale``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from aiops.adapters.kubernetes_http import KubernetesHttp, Object, Patch, path_of
from aiops.errors import ConfigError, UpstreamRejectedError
from aiops.scaling.resource import FIELD_MANAGER, Target

_KINDS_FOR_SECONDS: Final = 600.0  # a kind that is not there may be installed later


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The replicas of a target.

    Attributes:
        uid: Of the target: another one of the same name is another target.
        asked: Replicas that it is asked to run.
        running: Pods that it has.
        ready: Those that serve; None if its kind does not say, or we may not see it.
        selector: Label selector of its pods; empty if its kind does not say.
    """

    uid: str
    asked: int
    running: int
    ready: int | None
    selector: str = ""


class Kinds:
    """Knows under which path the objects of a kind are found, from the API's own list."""

    def __init__(self, http: KubernetesHttp) -> None:
        self._http = http
        self._known: dict[str, tuple[float, dict[str, tuple[str, bool]]]] = {}

    async def plural(self, api_version: str, kind: str) -> str:
        """Return the plural of a kind that has the subresource ``scale``.

        Raises:
            ConfigError: If there is no such kind, or it cannot be scaled.
            UpstreamError: If the API did not say.
        """
        at, kinds = self._known.get(api_version, (0.0, {}))
        if kind not in kinds or time.monotonic() - at > _KINDS_FOR_SECONDS:
            kinds = await self._read(api_version)
            self._known[api_version] = (time.monotonic(), kinds)
        if kind not in kinds:
            names = ", ".join(sorted(name for name, (_, scales) in kinds.items() if scales)) or "none"
            raise ConfigError(
                f"target.kind: {api_version} has no {kind}: those that can be scaled there are {names}; "
                "check target.apiVersion and target.kind"
            )
        plural, scales = kinds[kind]
        if not scales:
            raise ConfigError(f"target.kind: {kind} of {api_version} has no subresource scale: it cannot be scaled")
        return plural

    async def _read(self, api_version: str) -> dict[str, tuple[str, bool]]:
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        found = await self._http.get(path) or {}
        listed = found.get("resources") or []
        scalable = {each["name"].removesuffix("/scale") for each in listed if each["name"].endswith("/scale")}
        return {each["kind"]: (each["name"], each["name"] in scalable) for each in listed if "/" not in each["name"]}


class KubernetesTarget:
    """One target: reads and sets its replicas.

    Args:
        http: Fenced, so that only the holder of the lease changes anything.
        kinds: Shared by all targets.
        namespace: Where the target is.
        target: What the policy says it is.
    """

    def __init__(self, http: KubernetesHttp, kinds: Kinds, namespace: str, target: Target) -> None:
        self._http = http
        self._kinds = kinds
        self._namespace = namespace
        self._target = target

    async def scale(self) -> Scale | None:
        """Return its replicas; None if there is no such object.

        Raises:
            ConfigError: If its kind does not exist or cannot be scaled.
            UpstreamError: If the API did not say.
        """
        found = await self._http.get(await self._path("scale"))
        if found is None:
            return None
        spec, status = found.get("spec") or {}, found.get("status") or {}
        return Scale(
            uid=str(found["metadata"].get("uid", "")),
            asked=int(spec.get("replicas") or 0),
            running=int(status.get("replicas") or 0),
            ready=await self._ready(),
            selector=str(status.get("selector") or ""),
        )

    async def template(self) -> Object | None:
        """Return the ``spec`` of its pod template; None if its kind has none, or we may not see it.

        Raises:
            UpstreamUnavailableError: If the API did not say.
        """
        found = await self._read()
        template = ((found or {}).get("spec") or {}).get("template") or {}
        return template.get("spec")

    async def set(self, replicas: int, *, force: bool) -> None:
        """Ask for this many replicas.

        Args:
            force: Whether to take the field from whoever owns it.

        Raises:
            UpstreamConflictError: If another writer owns the field, and ``force`` is not set.
            UpstreamError: If it could not be set.
        """
        path = await self._path("scale")
        body: Object = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": self._target.name, "namespace": self._namespace},
            "spec": {"replicas": replicas},
        }
        await self._http.patch(path, body, Patch.APPLY, fieldManager=FIELD_MANAGER, force=str(force).lower())

    async def _ready(self) -> int | None:
        found = await self._read()
        if found is None or "replicas" not in (found.get("status") or {}):
            return None
        return int(found["status"].get("readyReplicas") or 0)

    async def _read(self) -> Object | None:
        try:
            return await self._http.get(await self._path())
        except UpstreamRejectedError:
            return None  # a role that only scales may not look at the object itself

    async def _path(self, part: str = "") -> str:
        plural = await self._kinds.plural(self._target.api_version, self._target.kind)
        return path_of(self._target.api_version, plural, self._namespace, self._target.name, part)
