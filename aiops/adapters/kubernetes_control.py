"""The one number of a workload that we control: an HPA's floor, or a target's replicas.

``Adoption`` says that we hold it and what it was; it outlives us in the status of the PredictiveScaler.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from aiops.adapters.kubernetes_hpa import Hpa, KubernetesHpas
from aiops.adapters.kubernetes_workload import KubernetesTarget, Scale
from aiops.errors import DataError, UpstreamConflictError
from aiops.ports import Obstacle, Replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What we took into our hands.

    Attributes:
        name: Of the HPA, or of the target in mode Direct.
        uid: Of the same: another one of this name was not adopted.
        own: The HPA's own ``minReplicas``; None in mode Direct, where nothing is given back.
        held: Whether our first change has been seen. Until then, nothing was taken from anybody.
        lost_to: Who took it from us afterwards; empty if nobody did. Kept until we let go.
    """

    name: str
    uid: str
    own: int | None = None
    held: bool = False
    lost_to: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain data; ``from_json`` reads it."""
        found: dict[str, Any] = {"name": self.name, "uid": self.uid, "held": self.held}
        if self.own is not None:
            found["own"] = self.own
        if self.lost_to:
            found["lostTo"] = self.lost_to
        return found

    @classmethod
    def from_json(cls, data: object) -> Adoption | None:
        """Read what ``to_json`` wrote; None for nothing.

        Raises:
            DataError: If it is anything else.
        """
        if data is None:
            return None
        match data:
            case {"name": str(name), "uid": str(uid), "held": bool(held), **rest}:
                own, lost_to = rest.get("own"), rest.get("lostTo", "")
                if isinstance(own, int | None) and isinstance(lost_to, str):
                    return cls(name=name, uid=uid, own=own, held=held, lost_to=lost_to)
        raise DataError(f"not an adoption: {data!r}")


class FloorControl:
    """A ``ports.Workload`` whose number is the ``minReplicas`` of an HPA.

    Args:
        hpas: Changes it.
        hpa: As it was read just now.
        scale: Of the target, as it was read just now.
        adoption: What is remembered of this HPA; None if nothing is.
        obstacle: Why it must be left alone; None if it may be changed as far as the caller knows.
    """

    def __init__(
        self, hpas: KubernetesHpas, hpa: Hpa, scale: Scale, adoption: Adoption | None, obstacle: Obstacle | None = None
    ) -> None:
        self._hpas = hpas
        self._hpa = hpa
        self._scale = scale
        self.adoption = _grip(hpa, adoption)
        self._obstacle = obstacle or _lost(hpa, self.adoption)

    async def read(self) -> Replicas:
        """Return the floor, and what runs above it."""
        return Replicas(
            current=self._hpa.min_replicas,
            ready=self._scale.ready,
            asked=self._scale.asked,
            ceiling=self._hpa.max_replicas,
            baseline=self.adoption.own,
            obstacle=self._obstacle,
        )

    async def apply(self, desired: int) -> None:
        """Set the floor.

        Raises:
            UpstreamError: If it could not be set.
        """
        own = self.adoption.own
        await self._hpas.set_floor(self._hpa, desired, own=self._hpa.min_replicas if own is None else own)


class DirectControl:
    """A ``ports.Workload`` whose number is the replicas of a target; arguments as for ``FloorControl``."""

    def __init__(
        self,
        target: KubernetesTarget,
        name: str,
        scale: Scale,
        adoption: Adoption | None,
        obstacle: Obstacle | None = None,
    ) -> None:
        self._target = target
        self._scale = scale
        if adoption is None or (adoption.name, adoption.uid) != (name, scale.uid):
            adoption = Adoption(name=name, uid=scale.uid)
        self.adoption = adoption
        self._obstacle = obstacle or (_taken("replicas", name, adoption.lost_to) if adoption.lost_to else None)

    async def read(self) -> Replicas:
        """Return the replicas that the target is asked to run."""
        return Replicas(
            current=self._scale.asked, ready=self._scale.ready, asked=self._scale.asked, obstacle=self._obstacle
        )

    async def apply(self, desired: int) -> None:
        """Set the replicas; a number that somebody else has set meanwhile is left alone, and remembered as lost.

        Raises:
            UpstreamConflictError: If another writer holds them.
            UpstreamError: If they could not be set.
        """
        try:
            await self._target.set(desired, force=not self.adoption.held)
        except UpstreamConflictError as error:
            self.adoption = replace(self.adoption, lost_to=_writer(str(error)))
            raise
        self.adoption = replace(self.adoption, held=True)


async def give_back(hpas: KubernetesHpas, namespace: str, name: str, held: Adoption | None) -> str:
    """Give an HPA what it had of its own, and return that as a sentence; empty if we hold nothing of it."""
    hpa = await hpas.read(namespace, name)
    if hpa is None or (held is not None and hpa.uid != held.uid):
        return ""
    if not (hpa.ours or hpa.traces or hpa.annotation is not None):
        return ""
    own = hpa.annotation if hpa.annotation is not None or held is None else held.own
    await hpas.give_back(hpa, own)
    if not hpa.ours or own is None:
        return f"the HPA {name} keeps minReplicas {hpa.min_replicas}, which is not ours any more"
    return f"the HPA {name} has its own minReplicas {own} again, instead of {hpa.min_replicas}"


def _grip(hpa: Hpa, remembered: Adoption | None) -> Adoption:
    """Return what we hold of an HPA, from its own books first, and from memory where those were wiped."""
    if remembered is not None and (remembered.name, remembered.uid) != (hpa.name, hpa.uid):
        remembered = None
    own = hpa.annotation
    if own is None and remembered is not None:
        own = remembered.own
    if own is None:
        own = hpa.min_replicas
    held = hpa.ours or hpa.annotation is not None or (remembered is not None and remembered.held)
    if not held:
        own = hpa.min_replicas  # nothing was changed yet: what is there now is its own
    return Adoption(name=hpa.name, uid=hpa.uid, own=own, held=held)


def _lost(hpa: Hpa, adoption: Adoption) -> Obstacle | None:
    if adoption.held and (hpa.writer or not hpa.ours):
        return _taken("minReplicas", f"the HPA {hpa.name}", hpa.writer or "somebody")
    return None


def _taken(field: str, where: str, writer: str) -> Obstacle:
    return Obstacle(
        reason="Conflict",
        message=f"{field} of {where} was set by {writer} after us, and is left alone: leave the field out of what "
        f"{writer} applies, then set spec.suspend to true and back to false",
    )


def _writer(said: str) -> str:
    """Return who holds a field, from what the API says of the conflict."""
    _, found, rest = said.partition('conflict with "')
    return rest.partition('"')[0] if found else "somebody"
