"""PredictiveScalers in the Kubernetes API: reading them, their status, their finalizer, and Events about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from aiops.adapters.kubernetes_http import KubernetesHttp, Object, Patch, path_of
from aiops.errors import ConfigError, UpstreamConflictError
from aiops.scaling.resource import API_VERSION, FIELD_MANAGER, FINALIZER, KIND, PLURAL

_EVENT_MESSAGE_CHARACTERS: Final = 1024  # the API refuses longer ones


class EventType(StrEnum):
    """How Kubernetes sorts Events."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """One PredictiveScaler, as it was read.

    Attributes:
        namespace: Where it is.
        name: Its name.
        uid: Another one of the same name is another PredictiveScaler.
        version: Its resource version.
        generation: Counts changes of its spec.
        created: When it was made.
        deleting: Whether somebody has asked for its deletion.
        finalizers: What has to happen before it may go.
        spec: As its owner wrote it, defaults filled in by the API.
        status: As we wrote it; empty at first.
    """

    namespace: str
    name: str
    uid: str
    version: str
    generation: int
    created: str
    deleting: bool
    finalizers: tuple[str, ...]
    spec: Object
    status: Object

    @classmethod
    def parse(cls, found: Object) -> Scaler:
        """Read what the API says of it."""
        meta = found["metadata"]
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            version=meta["resourceVersion"],
            generation=int(meta.get("generation", 1)),
            created=meta["creationTimestamp"],
            deleting=meta.get("deletionTimestamp") is not None,
            finalizers=tuple(meta.get("finalizers") or ()),
            spec=found.get("spec") or {},
            status=found.get("status") or {},
        )

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.namespace, self.name)


class KubernetesScalers:
    """Reads and writes PredictiveScalers.

    Args:
        http: Fenced, so that only the holder of the lease changes anything.
        identity: Who we are, for Events.
    """

    def __init__(self, http: KubernetesHttp, identity: str) -> None:
        self._http = http
        self._identity = identity

    async def all(self, namespaces: Sequence[str] = ()) -> list[Scaler]:
        """Return those of some namespaces; of all if none is named.

        Raises:
            ConfigError: If the cluster does not know the kind.
            UpstreamError: If the API did not answer, or refused.
        """
        paths = [path_of(API_VERSION, PLURAL, each) for each in namespaces] or [f"/apis/{API_VERSION}/{PLURAL}"]
        found = []
        for path in paths:
            listed = await self._http.get(path)
            if listed is None:
                raise ConfigError(
                    f"the cluster has no {PLURAL}.{API_VERSION}: install the CRD, which the chart does unless "
                    "crds.install is false"
                )
            found += [Scaler.parse(each) for each in listed["items"]]
        return found

    async def read(self, namespace: str, name: str) -> Scaler | None:
        """Return one; None if there is none of this name."""
        found = await self._http.get(path_of(API_VERSION, PLURAL, namespace, name))
        return None if found is None else Scaler.parse(found)

    async def write_status(self, scaler: Scaler, status: Object) -> Scaler:
        """Replace its status, unless it was changed since it was read; return it as it is then.

        What others wrote into ``status.state`` is theirs to the API, and would outlast ours: it is removed.

        Raises:
            UpstreamConflictError: If it was changed, or is gone.
            UpstreamError: If the API did not answer, or refused.
        """
        body: Object = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": scaler.name,
                "namespace": scaler.namespace,
                "uid": scaler.uid,
                "resourceVersion": scaler.version,
            },
            "status": status,
        }
        path = path_of(API_VERSION, PLURAL, scaler.namespace, scaler.name, "status")
        found = await self._http.patch(path, body, Patch.APPLY, fieldManager=FIELD_MANAGER, force="true")
        surplus = _surplus(found.get("status", {}).get("state") or {}, status.get("state") or {})
        if surplus:
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            removal: Object = {"metadata": version, "status": {"state": surplus}}
            found = await self._http.patch(path, removal, Patch.MERGE, fieldManager=FIELD_MANAGER)
        return Scaler.parse(found)

    async def hold(self, scaler: Scaler, *, held: bool) -> Scaler:
        """Have its deletion wait for us, or no more; return it as it is then.

        Raises:
            UpstreamConflictError: If it was changed since it was read.
            UpstreamError: If the API did not answer, or refused.
        """
        others = [each for each in scaler.finalizers if each != FINALIZER]
        wanted = [*others, FINALIZER] if held else others
        if wanted == list(scaler.finalizers):
            return scaler
        body: Object = {"metadata": {"resourceVersion": scaler.version, "finalizers": wanted}}
        path = path_of(API_VERSION, PLURAL, scaler.namespace, scaler.name)
        return Scaler.parse(await self._http.patch(path, body, Patch.MERGE, fieldManager=FIELD_MANAGER))

    async def tell(
        self,
        scaler: Scaler,
        kind: EventType,
        reason: str,
        message: str,
        *,
        at: datetime,
        about: str,
        concerning: Object | None = None,
    ) -> None:
        """Post an Event, once for each ``about``, however often this is called.

        Args:
            scaler: Who has it to say.
            kind: How Kubernetes sorts it.
            reason: One word.
            message: A sentence.
            at: When it happened.
            about: What makes it different from others of this reason.
            concerning: The object that it is shown with, in the namespace of the scaler; the scaler itself if None.

        Raises:
            UpstreamError: If the API did not take it.
        """
        shown_with = concerning or {"apiVersion": API_VERSION, "kind": KIND, "name": scaler.name, "uid": scaler.uid}
        identity = hashlib.sha256(f"{shown_with['uid']} {reason} {about}".encode()).hexdigest()[:16]
        stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{scaler.name[:200]}.{identity}", "namespace": scaler.namespace},
            "involvedObject": {**shown_with, "namespace": scaler.namespace},
            "type": str(kind),
            "reason": reason,
            "message": message[:_EVENT_MESSAGE_CHARACTERS],
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._identity,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._http.create(path_of("v1", "events", scaler.namespace), body)
        except UpstreamConflictError:
            return  # told already, maybe by the process before us


def _surplus(found: Object, wanted: Object) -> Object:
    """Return the merge patch that removes what is found beyond what is wanted; empty if nothing is."""
    patch: Object = {}
    for key, value in found.items():
        if key not in wanted:
            patch[key] = None
        elif isinstance(value, dict) and isinstance(wanted[key], dict):
            inner = _surplus(value, wanted[key])
            if inner:
                patch[key] = inner
    return patch
