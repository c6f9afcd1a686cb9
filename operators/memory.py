"""What is remembered from turn to turn: the status holds it, and this process what came after."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from aiops.adapters.kubernetes_control import Adoption
from aiops.adapters.kubernetes_http import Object
from aiops.adapters.kubernetes_scalers import Scaler
from aiops.errors import DataError
from aiops.scaling.state import ScalingState

Key = tuple[str, str]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """What this process knows of one PredictiveScaler; it counts only while the status is the one that we left.

    Attributes:
        uid: Of the resource.
        written: ``status.state`` as it was when this was remembered.
        state: What the last turn left: newer than ``written`` by the passing of time alone.
        held: What we hold.
    """

    uid: str
    written: Object
    state: ScalingState
    held: Adoption | None


class Memories:
    """Remembers all PredictiveScalers."""

    def __init__(self) -> None:
        self._kept: dict[Key, _Memory] = {}

    def recall(self, scaler: Scaler, now: datetime) -> tuple[ScalingState, Adoption | None]:
        """Return the state and what we hold: from this process if nobody else has written since, else the status."""
        written = scaler.status.get("state") or {}
        memory = self._kept.get(scaler.key)
        if memory is not None and memory.uid == scaler.uid and memory.written == written:
            return memory.state, memory.held
        if not written:
            return ScalingState(), None
        log = _log.bind(namespace=scaler.namespace, scaler=scaler.name)
        state, problem = ScalingState.recover(written)
        if problem:
            log.warning("state was lost", problem=problem)
        try:
            held = Adoption.from_json(written.get("adopted"))
        except DataError as error:
            log.warning("adoption was lost", problem=str(error))
            held = None
        return resumed(state, now), held

    def keep(self, scaler: Scaler, state: ScalingState, held: Adoption | None) -> None:
        """Remember what a turn left, beside the status as it is now."""
        written = scaler.status.get("state") or {}
        self._kept[scaler.key] = _Memory(uid=scaler.uid, written=written, state=state, held=held)

    def holds(self, key: Key, held: Adoption) -> None:
        """Remember what a change has shown of what we hold; the next turn writes it down."""
        memory = self._kept.get(key)
        if memory is not None:
            self._kept[key] = replace(memory, held=held)

    def forget(self, key: Key) -> None:
        """Remember nothing of one that is gone."""
        self._kept.pop(key, None)


def resumed(state: ScalingState, now: datetime) -> ScalingState:
    """Return a state from the status as if its last turn had been now.

    A status is not written while nothing but time changes: what was needed last was needed up to now.
    """
    if state.decided_at is None or state.decided_at >= now:
        return state
    *earlier, (_, count) = state.needs
    return replace(state, decided_at=now, needs=(*earlier, (now, count)))
