"""How many more pods a target could have: what quotas of its namespace and the nodes of the cluster leave room for.

What the scheduler goes by beside requests, node selectors, taints and the number of pods (affinity, spread, ports,
volumes) is left out: where a target has such, there is room for fewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity

from aiops.adapters.kubernetes_http import KubernetesHttp, Object, path_of
from aiops.errors import UpstreamRejectedError

PODS: Final = "pods"
_PAGE: Final = "500"  # pods a request: some megabytes
_LIVING: Final = "status.phase!=Succeeded,status.phase!=Failed"
_REPELS: Final = frozenset({"NoSchedule", "NoExecute"})

Amounts = Mapping[str, Decimal]
"""Of resources by name: cores, bytes, or a count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNeeds:
    """What one pod of a target takes.

    Attributes:
        requests: What is set aside for it; ``pods`` is 1.
        limits: What it may use at most; a resource without a limit is missing.
        node_selector: Labels that its node has.
        tolerations: Of taints, as in a pod.
        priority_class: Name; empty if none is named.
    """

    requests: Amounts
    limits: Amounts = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Object, ...] = ()
    priority_class: str = ""

    @classmethod
    def parse(cls, pod: Object) -> PodNeeds:
        """Read the ``spec`` of a pod or of a pod template."""
        return cls(
            requests={**_amounts(pod, "requests"), PODS: Decimal(1)},
            limits=_amounts(pod, "limits"),
            node_selector=pod.get("nodeSelector") or {},
            tolerations=tuple(pod.get("tolerations") or ()),
            priority_class=str(pod.get("priorityClassName") or ""),
        )

    @property
    def best_effort(self) -> bool:
        """Whether nothing is set aside for it."""
        return not any(each for name, each in (*self.requests.items(), *self.limits.items()) if name != PODS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a ResourceQuota leaves.

    Attributes:
        name: Its name.
        left: Hard limit less what is used, by the name that quotas have for it: ``requests.cpu``, ``pods``.
        scopes: Which pods it counts, as its ``scopeSelector`` writes it; all if empty.
    """

    name: str
    left: Amounts
    scopes: tuple[Object, ...] = ()

    @classmethod
    def parse(cls, found: Object) -> Quota:
        """Read what the API says of it."""
        spec, status = found.get("spec") or {}, found.get("status") or {}
        used = status.get("used") or {}
        hard = status.get("hard") or spec.get("hard") or {}
        scopes = [{"scopeName": each, "operator": "Exists"} for each in spec.get("scopes") or []]
        scopes += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
        return cls(
            name=found["metadata"]["name"],
            left={name: _quantity(str(most)) - _quantity(str(used.get(name, "0"))) for name, most in hard.items()},
            scopes=tuple(scopes),
        )

    def fits(self, pod: PodNeeds) -> tuple[int, str] | None:
        """Return how many more such pods it allows, and which resource says so; None if it says nothing of them."""
        if not all(_counts(each, pod) for each in self.scopes):
            return None
        found = [
            (int(left // need), name) for name, left in self.left.items() if (need := _needed(name, pod)) is not None
        ]
        return min(((max(count, 0), name) for count, name in found), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a node has left.

    Attributes:
        free: Allocatable less what its pods request.
        labels: Its labels.
        taints: Those that keep pods away.
    """

    free: Amounts
    labels: Mapping[str, str]
    taints: tuple[Object, ...]

    def fits(self, pod: PodNeeds) -> int:
        """Return how many more such pods it takes."""
        if any(self.labels.get(name) != value for name, value in pod.node_selector.items()):
            return 0
        if not all(any(_tolerates(each, taint) for each in pod.tolerations) for taint in self.taints):
            return 0
        return max(min(int(self.free.get(name, Decimal(0)) // need) for name, need in pod.requests.items() if need), 0)


async def quotas(http: KubernetesHttp, namespace: str) -> list[Quota]:
    """Return the quotas of a namespace.

    Raises:
        UpstreamError: If they may not be listed, or the API did not answer.
    """
    found = await http.get(path_of("v1", "resourcequotas", namespace)) or {}
    return [Quota.parse(each) for each in found.get("items") or []]


async def nodes(http: KubernetesHttp) -> list[Node]:
    """Return the nodes that take pods, with what the pods on them leave.

    Raises:
        UpstreamError: If nodes or pods may not be listed, or the API did not answer.
    """
    listed = (await http.get("/api/v1/nodes") or {}).get("items") or []
    taken: dict[str, dict[str, Decimal]] = {each["metadata"]["name"]: {} for each in listed}
    after = ""
    while True:
        asked = {"fieldSelector": _LIVING, "limit": _PAGE, **({"continue": after} if after else {})}
        page = await http.get("/api/v1/pods", **asked) or {}
        for pod in page.get("items") or []:
            here = taken.get(pod["spec"].get("nodeName") or "")
            if here is not None:
                _add(here, PodNeeds.parse(pod["spec"]).requests)
        after = (page.get("metadata") or {}).get("continue") or ""
        if not after:
            break
    return [_node(each, taken[each["metadata"]["name"]]) for each in listed if _takes_pods(each)]


async def may_list(http: KubernetesHttp, resource: str, namespace: str = "") -> bool:
    """Return whether we may list a resource of the core API in a namespace, or in all: asked, and not tried.

    What is refused is counted, and people are told of it: only a request that should have been granted may be.

    Raises:
        UpstreamUnavailableError: If the API did not answer.
    """
    attributes = {"verb": "list", "resource": resource, **({"namespace": namespace} if namespace else {})}
    review: Object = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await http.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    except UpstreamRejectedError:
        return False
    return bool((answer.get("status") or {}).get("allowed"))


def _amounts(pod: Object, kind: str) -> dict[str, Decimal]:
    """Return what the scheduler counts for a pod: its containers together, or the greediest of those that start it."""
    total: dict[str, Decimal] = {}
    for each in pod.get("containers") or []:
        _add(total, _of(each, kind))
    starting: dict[str, Decimal] = {}
    beside: dict[str, Decimal] = {}
    for each in pod.get("initContainers") or []:
        own = _of(each, kind)
        if each.get("restartPolicy") == "Always":  # stays beside the others
            _add(beside, own)
            own = {}
        for name in {*own, *beside}:
            at_once = own.get(name, Decimal(0)) + beside.get(name, Decimal(0))
            starting[name] = max(starting.get(name, Decimal(0)), at_once)
    _add(total, beside)
    found = {name: max(total.get(name, Decimal(0)), starting.get(name, Decimal(0))) for name in {*total, *starting}}
    _add(found, {name: _quantity(str(each)) for name, each in (pod.get("overhead") or {}).items()})
    return found


def _of(container: Object, kind: str) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    given = resources.get(kind) or {}
    if kind == "requests":
        given = {**(resources.get("limits") or {}), **given}  # a limit alone is a request as well
    return {name: _quantity(str(each)) for name, each in given.items()}


def _node(found: Object, taken: Amounts) -> Node:
    allocatable = (found.get("status") or {}).get("allocatable") or {}
    taints = (found.get("spec") or {}).get("taints") or []
    return Node(
        free={name: _quantity(str(each)) - taken.get(name, Decimal(0)) for name, each in allocatable.items()},
        labels=found["metadata"].get("labels") or {},
        taints=tuple(each for each in taints if each.get("effect") in _REPELS),
    )


def _takes_pods(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
    return ready and not (node.get("spec") or {}).get("unschedulable")


def _counts(scope: Object, pod: PodNeeds) -> bool:
    """Return whether a scope of a quota holds for pods that run until they are stopped, as those of a target do."""
    values = scope.get("values") or []
    match scope.get("scopeName"), scope.get("operator"):
        case "BestEffort", _:
            return pod.best_effort
        case "NotBestEffort", _:
            return not pod.best_effort
        case "NotTerminating", _:
            return True
        case "PriorityClass", "In":
            return pod.priority_class in values
        case "PriorityClass", "NotIn":
            return pod.priority_class not in values
        case "PriorityClass", operator:
            return bool(pod.priority_class) == (operator == "Exists")
    return False


def _needed(name: str, pod: PodNeeds) -> Decimal | None:
    """Return what one pod takes of what a quota calls ``name``; None if nothing."""
    kind, _, resource = name.partition(".")
    if name in (PODS, "count/pods"):
        found = Decimal(1)
    elif kind == "limits":
        found = pod.limits.get(resource, Decimal(0))
    else:
        found = pod.requests.get(resource if kind == "requests" else name, Decimal(0))
    return found or None


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return (toleration.get("key"), toleration.get("value") or "") == (taint["key"], taint.get("value") or "")


def _add(total: dict[str, Decimal], more: Iterable[Any] | Amounts) -> None:
    for name, amount in dict(more).items():
        total[name] = total.get(name, Decimal(0)) + amount


@lru_cache(4096)
def _quantity(text: str) -> Decimal:
    return Decimal(parse_quantity(text))  # type: ignore[no-untyped-call]
