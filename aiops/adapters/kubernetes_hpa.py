"""HorizontalPodAutoscalers: whose ``minReplicas`` it is, raising it, and giving it back.

Kubernetes itself keeps the books: ``metadata.managedFields`` says who wrote a field last. We write by server-side apply
under a name of our own. The first time we have to force it, since whoever made the HPA owns the field; from then on we
never force, and when the field is not ours any more, somebody else wants another number: that is reported and left
alone. What the HPA had before is kept as an annotation, written by the very request that changes the number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiops.adapters.kubernetes_http import KubernetesHttp, Object, Patch, path_of
from aiops.scaling.resource import FIELD_MANAGER, GROUP

API_VERSION: Final = "autoscaling/v2"
HPA_KIND: Final = "HorizontalPodAutoscaler"
OWN_MIN_REPLICAS: Final = f"{GROUP}/own-min-replicas"
"""Annotation of an HPA whose floor we hold: the ``minReplicas`` that it is given back."""

_PLURAL: Final = "horizontalpodautoscalers"
_DEFAULT_MIN_REPLICAS: Final = 1
_KEDA: Final = "ScaledObject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpa:
    """One HPA, as it was read.

    Attributes:
        name: Its name.
        namespace: Where it is.
        uid: Another one of the same name is another HPA.
        version: Its resource version, for changes that must not meet anybody else's.
        min_replicas: Its floor.
        max_replicas: Its ceiling.
        target: API group (without version), kind and name of what it scales.
        annotation: What our annotation says it had before us; None without one.
        ours: Whether we hold its ``minReplicas`` by server-side apply.
        writer: Who else wrote its ``minReplicas``; empty if nobody says so.
        traces: Whether it still says that we wrote any of its fields.
        scaled_object: The KEDA ScaledObject that makes and rewrites it; empty if none does.
    """

    name: str
    namespace: str
    uid: str
    version: str
    min_replicas: int
    max_replicas: int
    target: tuple[str, str, str]
    annotation: int | None
    ours: bool
    writer: str
    traces: bool
    scaled_object: str

    @classmethod
    def parse(cls, found: Object) -> Hpa:
        """Read what the API says of it."""
        meta, spec = found["metadata"], found["spec"]
        ref = spec["scaleTargetRef"]
        entries = [each for each in meta.get("managedFields") or [] if not each.get("subresource")]
        holders = [each for each in entries if "f:minReplicas" in ((each.get("fieldsV1") or {}).get("f:spec") or {})]
        others = [str(each["manager"]) for each in holders if not _is_ours(each)]
        floor = spec.get("minReplicas")
        return cls(
            name=meta["name"],
            namespace=meta["namespace"],
            uid=meta["uid"],
            version=meta["resourceVersion"],
            min_replicas=_DEFAULT_MIN_REPLICAS if floor is None else int(floor),
            max_replicas=int(spec["maxReplicas"]),
            target=target_of(str(ref.get("apiVersion") or ""), ref["kind"], ref["name"]),
            annotation=_count((meta.get("annotations") or {}).get(OWN_MIN_REPLICAS)),
            ours=any(_is_ours(each) and each["operation"] == "Apply" for each in holders),
            writer=", ".join(sorted(set(others))),
            traces=any(_is_ours(each) for each in entries),
            scaled_object=next(
                (str(each["name"]) for each in meta.get("ownerReferences") or [] if each["kind"] == _KEDA), ""
            ),
        )


def target_of(api_version: str, kind: str, name: str) -> tuple[str, str, str]:
    """Return what identifies a target within its namespace, whichever version of its API names it."""
    return (api_version.rpartition("/")[0], kind, name)


class KubernetesHpas:
    """Reads and changes HPAs.

    Args:
        http: Fenced, so that only the holder of the lease changes anything.
    """

    def __init__(self, http: KubernetesHttp) -> None:
        self._http = http

    async def read(self, namespace: str, name: str) -> Hpa | None:
        """Return one HPA; None if there is none of this name."""
        found = await self._http.get(path_of(API_VERSION, _PLURAL, namespace, name))
        return None if found is None else Hpa.parse(found)

    async def all(self, namespace: str | None) -> list[Hpa]:
        """Return those of a namespace, or of all, from the API server's cache: maybe a moment old."""
        path = path_of(API_VERSION, _PLURAL, namespace) if namespace else f"/apis/{API_VERSION}/{_PLURAL}"
        found = await self._http.get(path, resourceVersion="0") or {}
        return [Hpa.parse(each) for each in found.get("items") or []]

    async def set_floor(self, hpa: Hpa, replicas: int, *, own: int) -> None:
        """Set ``minReplicas``, and note beside it what the HPA has of its own.

        The first time takes the field from whoever owns it, provided that nothing changed since ``hpa`` was read.
        Later times never take anything from anybody.

        Raises:
            UpstreamConflictError: If another writer holds the field, or was faster.
            UpstreamError: If it could not be set.
        """
        meta: Object = {
            "name": hpa.name,
            "namespace": hpa.namespace,
            "uid": hpa.uid,  # without it an HPA deleted meanwhile would be made anew
            "annotations": {OWN_MIN_REPLICAS: str(own)},
        }
        if not hpa.ours:
            meta["resourceVersion"] = hpa.version
        body: Object = {
            "apiVersion": API_VERSION,
            "kind": HPA_KIND,
            "metadata": meta,
            "spec": {"minReplicas": replicas},
        }
        await self._http.patch(
            self._path(hpa), body, Patch.APPLY, fieldManager=FIELD_MANAGER, force=str(not hpa.ours).lower()
        )

    async def give_back(self, hpa: Hpa, own: int | None) -> None:
        """Set ``minReplicas`` to what the HPA had, if the number there is ours, and leave no trace of us.

        Two requests, since a field that we change is ours by that. Each may be repeated; nothing is taken from a writer
        who came after us.

        Args:
            own: What it had; None leaves the number as it is.

        Raises:
            UpstreamConflictError: If somebody else changed the HPA just now; the next turn looks again.
            UpstreamError: If it could not be done.
        """
        if hpa.ours or hpa.annotation is not None:
            body: Object = {"metadata": {"resourceVersion": hpa.version, "annotations": {OWN_MIN_REPLICAS: None}}}
            if hpa.ours and not hpa.writer and own is not None:
                body["spec"] = {"minReplicas": min(own, hpa.max_replicas)}
            found = await self._http.patch(self._path(hpa), body, Patch.MERGE, fieldManager=FIELD_MANAGER)
        elif hpa.traces:
            found = await self._http.get(self._path(hpa)) or {}
        else:
            return
        forget = list(_without_us(found))
        if forget:
            await self._http.patch(self._path(hpa), forget, Patch.JSON, fieldManager=FIELD_MANAGER)

    def _path(self, hpa: Hpa) -> str:
        return path_of(API_VERSION, _PLURAL, hpa.namespace, hpa.name)


def _without_us(found: Object) -> Iterator[Object]:
    """Yield the operations that remove our entries from the book of writers, the last first."""
    if not found:
        return
    yield {"op": "test", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]}
    for place, entry in reversed(list(enumerate(found["metadata"].get("managedFields") or []))):
        if _is_ours(entry):
            yield {"op": "remove", "path": f"/metadata/managedFields/{place}"}


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("manager") == FIELD_MANAGER)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
