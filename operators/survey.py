"""What a spec names, as it is in the cluster: there or not, in the way or not, and what we may change."""

from __future__ import annotations

from typing import NamedTuple

from aiops.adapters.kubernetes_control import Adoption, DirectControl, FloorControl
from aiops.adapters.kubernetes_hpa import Hpa, target_of
from aiops.adapters.kubernetes_scalers import Scaler
from aiops.adapters.kubernetes_workload import KubernetesTarget
from aiops.errors import ConfigError, UpstreamRejectedError
from aiops.ports import Obstacle
from aiops.scaling.lead_time import learnt
from aiops.scaling.policy import LeadSource
from aiops.scaling.resource import PredictiveScalerSpec
from operators.neighbours import obstacle
from operators.world import World


class UnreadyError(ConfigError):
    """The spec names something that is not there; ``reason`` is one word for the condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Surveyed(NamedTuple):
    """What was found.

    Attributes:
        control: What may be changed.
        hpa: The one that is wrapped; None without.
        selector: Label selector of the target's pods; empty if unknown.
    """

    control: FloorControl | DirectControl
    hpa: Hpa | None
    selector: str


async def survey(
    world: World,
    scaler: Scaler,
    spec: PredictiveScalerSpec,
    held: Adoption | None,
    rival: Scaler | None,
    refusal: Obstacle | None,
) -> Surveyed:
    """Read what the spec names, and return what may be changed.

    Raises:
        UnreadyError: If something that it names is not there.
    """
    wanted = spec.target
    target = KubernetesTarget(world.http, world.kinds, scaler.namespace, wanted)
    try:
        found = await target.scale()
    except ConfigError as error:
        raise UnreadyError("InvalidTarget", str(error)) from error
    if found is None:
        raise UnreadyError(
            "TargetMissing",
            f"there is no {wanted.kind} {wanted.name} in {scaler.namespace}: create it, or correct spec.target",
        )
    hpa = await _hpa(world, scaler, spec)
    hpas = await world.all_hpas.of(scaler.namespace)
    in_the_way = obstacle(spec, hpa, hpas, rival) or refusal
    if hpa is None:
        return Surveyed(DirectControl(target, wanted.name, found, held, in_the_way), None, found.selector)
    return Surveyed(FloorControl(world.hpas, hpa, found, held, in_the_way), hpa, found.selector)


async def fitted(
    world: World, scaler: Scaler, spec: PredictiveScalerSpec, selector: str
) -> tuple[PredictiveScalerSpec, str]:
    """Return the spec with the window that was learnt, if it wants that, and what was learnt in words."""
    if spec.forecast.lead_time is not LeadSource.LEARNT:
        return spec, ""
    if not selector:
        return spec, f"leadTime is Learnt, and {spec.target.kind} does not say which pods are its own"
    try:
        found = learnt(await world.startups.of((scaler.namespace, selector)), spec.interval)
    except UpstreamRejectedError as error:
        return spec, f"leadTime is Learnt, and pods may not be listed (operator.allow.pods of the chart): {error}"
    if found.window is None:
        return spec, found.says
    forecast = spec.forecast.model_copy(update={"window": found.window})
    return spec.model_copy(update={"forecast": forecast}), found.says


async def _hpa(world: World, scaler: Scaler, spec: PredictiveScalerSpec) -> Hpa | None:
    if spec.hpa is None:
        return None
    hpa = await world.hpas.read(scaler.namespace, spec.hpa.name)
    if hpa is None:
        raise UnreadyError(
            "HpaMissing",
            f"there is no HPA {spec.hpa.name} in {scaler.namespace}: create it, or correct spec.hpa.name",
        )
    if hpa.target != target_of(spec.target.api_version, spec.target.kind, spec.target.name):
        raise UnreadyError(
            "HpaOfAnotherTarget",
            f"the HPA {hpa.name} scales {hpa.target[1]} {hpa.target[2]}, and spec.target is {spec.target.kind} "
            f"{spec.target.name}: correct one of them",
        )
    return hpa
