"""What else is about: other PredictiveScalers and other HPAs, which may want the same target.

Both lists are read once for many turns. A turn that acts on one that is a few seconds old reports a newcomer one turn
later; what the turn itself is about is read afresh.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from aiops.adapters.kubernetes_hpa import Hpa, target_of
from aiops.adapters.kubernetes_scalers import Scaler
from aiops.ports import Obstacle
from aiops.scaling.policy import Mode
from aiops.scaling.resource import PredictiveScalerSpec, Target

FRESH_SECONDS: Final = 5.0

Place = TypeVar("Place", bound=Hashable)
Item = TypeVar("Item")


class Lists(Generic[Place, Item]):
    """Keeps a list a place, reading it again when it is older than that; one read serves all who wait.

    Args:
        read: Reads the list of a place.
        fresh_seconds: How old a list may be.
    """

    def __init__(self, read: Callable[[Place], Awaitable[list[Item]]], fresh_seconds: float = FRESH_SECONDS) -> None:
        self._read = read
        self._fresh_seconds = fresh_seconds
        self._kept: dict[Place, tuple[float, list[Item]]] = {}
        self._locks: dict[Place, asyncio.Lock] = {}

    async def of(self, place: Place) -> list[Item]:
        """Return the list of a place."""
        async with self._locks.setdefault(place, asyncio.Lock()):
            at, found = self._kept.get(place, (float("-inf"), []))
            if time.monotonic() - at > self._fresh_seconds:
                found = await self._read(place)
                self._kept[place] = (time.monotonic(), found)
            return found


def older_rival(mine: Scaler, others: Iterable[Scaler]) -> Scaler | None:
    """Return the PredictiveScaler that was here first for the same target; None if that is ``mine``."""
    target = _target(mine)
    first = min(
        (each for each in (mine, *others) if not each.deleting and _target(each) == target),
        key=lambda each: (each.created, each.uid),
        default=mine,
    )
    return None if first.uid == mine.uid else first


def obstacle(spec: PredictiveScalerSpec, hpa: Hpa | None, hpas: Iterable[Hpa], rival: Scaler | None) -> Obstacle | None:
    """Return why the target must be left alone; None if nothing is in the way."""
    target = _text(spec.target)
    if rival is not None:
        return Obstacle(
            reason="TargetTaken",
            message=f"the PredictiveScaler {rival.name} is older and has {target}: delete one of the two",
        )
    mine = target_of(spec.target.api_version, spec.target.kind, spec.target.name)
    others = sorted(each.name for each in hpas if each.target == mine and (hpa is None or each.uid != hpa.uid))
    if others and spec.mode is Mode.DIRECT:
        return Obstacle(
            reason="BesideHpa",
            message=f"the HPA {others[0]} scales {target} as well, and Direct goes without one: delete that HPA, or "
            f"write mode: Floor and hpa: {{name: {others[0]}}}",
        )
    if others:
        named = f"beside {hpa.name}" if hpa is not None else "and hpa names none"
        return Obstacle(
            reason="SecondHpa",
            message=f"the HPA {', '.join(others)} scales {target} as well, {named}: keep one HPA and name it in hpa",
        )
    if hpa is not None and hpa.scaled_object:
        return Obstacle(
            reason="OwnedByKeda",
            message=f"KEDA makes the HPA {hpa.name} from the ScaledObject {hpa.scaled_object} and would take a floor "
            "back at once: write an HPA of your own, or stay in mode Recommend",
        )
    return None


def _target(scaler: Scaler) -> tuple[str, str, str, str]:
    found = scaler.spec.get("target") or {}
    return (
        scaler.namespace,
        *target_of(
            str(found.get("apiVersion", "apps/v1")), str(found.get("kind", "Deployment")), str(found.get("name"))
        ),
    )


def _text(target: Target) -> str:
    return f"{target.kind} {target.name}"
