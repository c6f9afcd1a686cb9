"""What people are told after a turn: Events about the PredictiveScaler, a line in the log, alerts."""

from __future__ import annotations

import structlog

from aiops.adapters.kubernetes_hpa import API_VERSION, HPA_KIND
from aiops.adapters.kubernetes_http import Object
from aiops.adapters.kubernetes_scalers import EventType, Scaler
from aiops.errors import AiopsError
from aiops.scaling.reason import Reason
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.scaling.state import Phase
from aiops.usecases.scale import Scaled
from operators.alerts import Alerts
from operators.conditions import UNPROVEN, Kind, Truth
from operators.status import condition
from operators.world import World

_log = structlog.get_logger()


class Telling:
    """Tells, after what is told of has happened.

    Args:
        world: Where Events are posted.
        alerts: Who hears of roll-backs and of too little room.
    """

    def __init__(self, world: World, alerts: Alerts) -> None:
        self._world = world
        self._alerts = alerts

    async def turn(self, before: Scaler, after: Scaler, spec: PredictiveScalerSpec, scaled: Scaled) -> None:
        """Tell what a turn has changed or found.

        Args:
            before: As it was read.
            after: With the status that the turn has left.
            spec: That was followed.
            scaled: What the turn came to.
        """
        decision = scaled.decision
        if scaled.changes:
            kind = EventType.WARNING if decision.reason is Reason.ROLLED_BACK else EventType.NORMAL
            about = f"{scaled.at.isoformat()} {decision.current} {decision.desired}"
            _log.info(
                "scaled",
                namespace=before.namespace,
                scaler=before.name,
                current=decision.current,
                desired=decision.desired,
                reason=str(decision.reason),
            )
            await self.event(before, kind, str(decision.reason), decision.message, about=about)
            adopted = (after.status.get("state") or {}).get("adopted")
            if spec.hpa is not None and adopted is not None:
                # Whoever wonders about the number looks at the HPA.
                hpa = {"apiVersion": API_VERSION, "kind": HPA_KIND, "name": spec.hpa.name, "uid": adopted["uid"]}
                said = f"PredictiveScaler {before.name}: minReplicas {decision.message}"
                await self.event(before, kind, str(decision.reason), said, about=about, concerning=hpa)
        phase, told = scaled.state.phase, before.status.get("phase")
        active, was = (condition(each.status, Kind.SCALING_ACTIVE) for each in (after, before))
        if phase is Phase.DEGRADED and told != phase:
            said = f"present demand counts until forecasts do better: {scaled.state.skill.message}"
            await self.event(before, EventType.WARNING, str(phase), said, about=after.version)
        elif told in (Phase.LEARNING, Phase.PROVING, Phase.DEGRADED) and scaled.state.skill.trusted:
            said = f"forecasts count from now on: {scaled.state.skill.message}"
            await self.event(before, EventType.NORMAL, "Trusted", said, about=after.version)
        elif active.get("reason") == UNPROVEN and (was.get("reason") != UNPROVEN or told != phase):
            await self.event(before, EventType.NORMAL, UNPROVEN, str(active["message"]), about=after.version)
        if phase is Phase.LOCKED and told != phase:
            await self.event(before, EventType.WARNING, str(phase), decision.message, about=after.version)
        in_the_way = scaled.obstacle
        if in_the_way is not None and was.get("reason") != in_the_way.reason:
            await self.event(before, EventType.WARNING, in_the_way.reason, in_the_way.message, about=after.version)
        room, was = (condition(each.status, Kind.ROOM_AHEAD) for each in (after, before))
        changed = room.get("reason") != was.get("reason")
        if changed and Truth.FALSE in (room.get("status"), was.get("status")):
            kind = EventType.WARNING if room.get("status") == Truth.FALSE else EventType.NORMAL
            await self.event(before, kind, str(room["reason"]), str(room["message"]), about=after.version)
        self._alerts.tell(after, spec, scaled)

    async def event(
        self,
        scaler: Scaler,
        kind: EventType,
        reason: str,
        message: str,
        *,
        about: str,
        concerning: Object | None = None,
    ) -> None:
        """Post an Event, once for each ``about``; one that cannot be posted stops nothing."""
        try:
            await self._world.scalers.tell(
                scaler, kind, reason, message, at=self._world.clock.now(), about=about, concerning=concerning
            )
        except AiopsError as error:
            _log.warning("event was not posted", namespace=scaler.namespace, scaler=scaler.name, error=str(error))
