"""How many replicas a target can have at the most, and what says so: its maxReplicas, a quota, or the nodes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aiops.adapters.kubernetes_hpa import Hpa
from aiops.adapters.kubernetes_room import PodNeeds, may_list, quotas
from aiops.adapters.kubernetes_scalers import Scaler
from aiops.adapters.kubernetes_workload import KubernetesTarget
from aiops.scaling.policy import MaxBreach
from aiops.scaling.resource import PredictiveScalerSpec
from operators.world import World


class Limit(StrEnum):
    """What keeps a target from having more replicas."""

    MAX_REPLICAS = "MaxReplicas"
    QUOTA = "Quota"
    NODES = "Nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The most replicas that can exist.

    Attributes:
        limit: What says so.
        replicas: How many.
        what: The limit in words, such as ``bounds.maxReplicas``.
    """

    limit: Limit
    replicas: int
    what: str


def ceiling(spec: PredictiveScalerSpec, hpa: Hpa | None) -> tuple[int, str] | None:
    """Return the least maxReplicas and whose it is; None if nothing is one: Direct with ``RaiseWithBuffer``."""
    found = []
    if spec.bounds.on_max_breach is MaxBreach.HONOR:
        found.append((spec.bounds.max_replicas, "bounds.maxReplicas"))
    if hpa is not None:
        found.append((hpa.max_replicas, f"maxReplicas of the HPA {hpa.name}"))
    return min(found, default=None)


async def room(
    world: World, scaler: Scaler, spec: PredictiveScalerSpec, most: tuple[int, str] | None
) -> tuple[Room | None, str]:
    """Return the tightest limit, None if there is none, and what of the limits is not known.

    Args:
        world: Where to look.
        scaler: Of whose target.
        spec: Of it.
        most: What ``ceiling`` says.

    Raises:
        UpstreamError: If the API did not answer, or refused.
    """
    found = [] if most is None else [Room(limit=Limit.MAX_REPLICAS, replicas=most[0], what=most[1])]
    target = KubernetesTarget(world.http, world.kinds, scaler.namespace, spec.target)
    scale, template = await target.scale(), await target.template()
    if scale is None or template is None:
        return _least(found), f"quotas and nodes: {spec.target.kind} {spec.target.name} shows no pod template"
    pod, unknown = PodNeeds.parse(template), []
    if await may_list(world.http, "resourcequotas", scaler.namespace):
        for quota in await quotas(world.http, scaler.namespace):
            fits = quota.fits(pod)
            if fits is not None:
                what = f"{fits[1]} of the ResourceQuota {quota.name}"
                found.append(Room(limit=Limit.QUOTA, replicas=scale.running + fits[0], what=what))
    else:
        unknown.append("quotas, which may not be listed (operator.allow.quotas of the chart)")
    if await may_list(world.http, "nodes") and await may_list(world.http, "pods"):
        nodes = await world.nodes.of("")
        if nodes:
            fit = sum(node.fits(pod) for node in nodes)
            found.append(Room(limit=Limit.NODES, replicas=scale.running + fit, what="the nodes that there are"))
        else:
            unknown.append("nodes: there are none yet")
    else:
        unknown.append("nodes, which may not be listed with the pods on them (operator.allow.nodes of the chart)")
    return _least(found), "; ".join(unknown)


def _least(found: list[Room]) -> Room | None:
    return min(found, key=lambda each: each.replicas, default=None)
