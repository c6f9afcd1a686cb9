"""One turn of one PredictiveScaler: read the world, decide, write down, apply, tell.

Nothing that a turn needs is left by the turn before, but for what the status holds. It may end at any point, killed or
cut off, and the next one goes on from what it finds. The order of writes sees to that:

1. the finalizer, so that what we are about to change can be given back;
2. the status: decision, trial, and what the target had of its own;
3. the change itself;
4. what people are told: Event, alert.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

import structlog

from aiops.adapters.kubernetes_control import Adoption, give_back
from aiops.adapters.kubernetes_scalers import EventType, Scaler
from aiops.errors import AiopsError, ConfigError, UpstreamConflictError, UpstreamRejectedError
from aiops.ports import Obstacle
from aiops.scaling.policy_file import spec_from
from aiops.scaling.resource import FINALIZER, SHORT_NAMES, PredictiveScalerSpec
from aiops.scaling.state import ScalingState
from aiops.series.duration import parse_duration
from aiops.usecases.scale import DemandQuery, Scaled, scale
from operators import status
from operators.alerts import Alerts
from operators.conditions import Kind
from operators.memory import Key, Memories
from operators.neighbours import older_rival
from operators.outlook import Outlooks
from operators.survey import UnreadyError, fitted, survey
from operators.telling import Telling
from operators.world import World

_SOON: Final = timedelta(seconds=1)
"""After somebody else wrote while a turn was under way."""
_REFUSED_FOR: Final = timedelta(minutes=10)

_log = structlog.get_logger()


class Turns:
    """Takes turns.

    Args:
        world: What is outside.
        alerts: Who hears of roll-backs and of too little room.
        interval: Time to the next turn where the spec does not say, or cannot be read.
    """

    def __init__(self, world: World, alerts: Alerts, interval: timedelta) -> None:
        self._world = world
        self.outlooks = Outlooks(world)
        """What the weeks ahead bring; somebody has to ``run`` it."""
        self._alerts = alerts
        self._telling = Telling(world, alerts)
        self._interval = interval
        self._memories = Memories()
        self._intervals: dict[Key, timedelta] = {}
        self._refusals: dict[Key, tuple[datetime, Obstacle]] = {}

    async def take(self, namespace: str, name: str) -> timedelta | None:
        """Take one turn; return the time to the next, or None if there is no such PredictiveScaler any more."""
        key, began = (namespace, name), time.monotonic()
        world, log = self._world, _log.bind(namespace=namespace, scaler=name)
        interval = self._intervals.get(key, self._interval)
        try:
            scaler = await world.scalers.read(namespace, name)
            if scaler is None:
                self._forget(key)
                return None
            interval = self._intervals[key] = _interval(scaler, self._interval)
            if scaler.deleting:
                if FINALIZER not in scaler.finalizers:
                    return interval  # others have not let go of it yet
                return _SOON if await self._release_or_say(scaler) else interval
            await self._turn(scaler)
        except UpstreamConflictError as error:
            log.info("turn met another writer", error=str(error))
            world.record.failed(error)
            return min(interval, _SOON)
        except UpstreamRejectedError as error:
            log.error("Kubernetes refused", error=str(error))
            world.record.failed(error)
        except AiopsError as error:
            log.warning("turn failed", error=str(error))
            world.record.failed(error)
        except Exception as error:
            log.exception("turn failed")
            world.record.failed(error)
        finally:
            world.record.took(time.monotonic() - began)
        return interval

    async def _turn(self, scaler: Scaler) -> None:
        world, now = self._world, self._world.clock.now()
        state, held = self._memories.recall(scaler, now)
        try:
            spec = spec_from(scaler.spec, f"{scaler.namespace}/{scaler.name}")
        except ConfigError as error:
            await self._fail(scaler, "InvalidSpec", error, state, held, now)
            return
        rival = older_rival(scaler, await world.all_scalers.of(scaler.namespace))
        try:
            if not _holds(spec) or (held is not None and held.name != _controlled(spec)):
                scaler, _ = await self._let_go(scaler, spec, held, rival, state)
                held = None
            control, hpa, selector = await survey(world, scaler, spec, held, rival, self._refusal(scaler.key))
            spec, lead_time = await fitted(world, scaler, spec, selector)
        except UnreadyError as error:
            await self._fail(scaler, error.reason, error, state, held, now)
            return
        outlook = self.outlooks.of(scaler, spec, hpa)
        seen = scaler  # by now, as our own writes left it

        async def keep(scaled: Scaled) -> None:
            nonlocal seen, held
            if _holds(spec) and rival is None and (control.adoption.held or scaled.changes):
                held = control.adoption
            if held is not None:
                seen = await world.scalers.hold(seen, held=True)
            room = None if outlook is None else outlook.condition(status.condition(scaler.status, Kind.ROOM_AHEAD))
            after = status.of_turn(
                scaler.status,
                scaler.generation,
                spec,
                scaled,
                held,
                has_hpa=hpa is not None,
                lead_time=lead_time,
                stop=_stop(scaler),
                outlook=None if outlook is None else outlook.to_status(),
                room=room,
            )
            seen = await self._write(seen, after)
            if held is None:
                seen = await world.scalers.hold(seen, held=False)
            self._memories.keep(seen, scaled.state, held)

        asked = DemandQuery(query=spec.load.query, step=spec.load.step, history=spec.load.history)
        try:
            scaled = await scale(world.source, control, world.forecasts, spec, asked, state, now, keep=keep)
        except ConfigError as error:
            await self._fail(scaler, "InvalidQuery", error, state, held, now)
            return
        except UpstreamConflictError:
            raise
        except UpstreamRejectedError as error:
            self._refusals[scaler.key] = (now + _REFUSED_FOR, Obstacle(reason="Refused", message=str(error)))
            raise
        finally:
            if held is not None:  # setting replicas tells whether they are ours
                self._memories.holds(scaler.key, control.adoption)
        world.record.turn(scaler.key, spec, scaled, now)
        world.record.outlook(scaler.key, outlook)
        await self._telling.turn(scaler, seen, spec, scaled)

    def _refusal(self, key: Key) -> Obstacle | None:
        """Return what the API refused lately: it is not asked the same at every turn."""
        until, found = self._refusals.get(key, (None, None))
        if until is None or self._world.clock.now() < until:
            return found
        del self._refusals[key]
        return None

    def _forget(self, key: Key) -> None:
        self._intervals.pop(key, None)
        self._refusals.pop(key, None)
        self._alerts.end(key, self._world.clock.now())
        self._memories.forget(key)
        self.outlooks.forget(key)
        self._world.record.forget(key)

    async def _release_or_say(self, scaler: Scaler) -> bool:
        """Release it and return True; where Kubernetes refuses that, say so in its status and return False."""
        try:
            await self.release(scaler)
        except UnreadyError as error:
            now = self._world.clock.now()
            state, held = self._memories.recall(scaler, now)
            await self._fail(scaler, error.reason, error, state, held, now)
            return False
        return True

    async def release(self, scaler: Scaler) -> str:
        """Give back what is held for a PredictiveScaler, and have its deletion wait for us no more.

        Returns:
            What was given back, as a sentence; empty if nothing was held.

        Raises:
            UnreadyError: If Kubernetes refuses to give it back.
            UpstreamError: If it did not answer, or somebody else wrote meanwhile.
        """
        now = self._world.clock.now()
        state, held = self._memories.recall(scaler, now)
        try:
            spec = spec_from(scaler.spec)
        except ConfigError:
            spec = None
        rival = older_rival(scaler, await self._world.all_scalers.of(scaler.namespace))
        scaler, said = await self._let_go(scaler, spec, held, rival, state)
        self._alerts.end(scaler.key, now)
        await self._world.scalers.hold(scaler, held=False)
        return said

    async def _let_go(
        self,
        scaler: Scaler,
        spec: PredictiveScalerSpec | None,
        held: Adoption | None,
        rival: Scaler | None,
        state: ScalingState,
    ) -> tuple[Scaler, str]:
        """Give back what is held, also where the status does not say so any more.

        Raises:
            UnreadyError: If Kubernetes refuses it; what is held stays remembered.
        """
        world = self._world
        name = held.name if held is not None else None
        if name is None and rival is None and spec is not None and spec.hpa is not None:
            name = spec.hpa.name
        try:
            said = "" if name is None else await give_back(world.hpas, scaler.namespace, name, held)
        except UpstreamConflictError:
            raise
        except UpstreamRejectedError as error:
            _log.error("give-back refused", namespace=scaler.namespace, scaler=scaler.name, error=str(error))
            raise UnreadyError(
                "GiveBackRefused", f"minReplicas of the HPA {name} cannot be given back: {error}"
            ) from error
        if said:
            _log.info("gave back", namespace=scaler.namespace, scaler=scaler.name, what=said)
            await self._telling.event(scaler, EventType.NORMAL, "GaveBack", said, about=scaler.version)
        if held is None:
            return scaler, said
        remembered = {key: value for key, value in scaler.status["state"].items() if key != "adopted"}
        scaler = await world.scalers.write_status(scaler, {**scaler.status, "state": remembered})
        self._memories.keep(scaler, state, None)
        return scaler, said

    async def _write(self, scaler: Scaler, after: status.Status) -> Scaler:
        if not status.differs(scaler.status, after):
            return scaler
        return await self._world.scalers.write_status(scaler, after)

    async def _fail(
        self, scaler: Scaler, reason: str, error: Exception, state: ScalingState, held: Adoption | None, now: datetime
    ) -> None:
        """Say in the status why there is no decision; what is held stays held."""
        after = status.of_failure(scaler.status, scaler.generation, now, reason, str(error), state, held)
        found = await self._write(scaler, after)
        self._memories.keep(found, state, held)
        self._world.record.unready(scaler.key, reason)
        self._alerts.undecided(scaler.key, state, now)
        if status.condition(scaler.status, Kind.READY).get("reason") != reason:
            await self._telling.event(scaler, EventType.WARNING, reason, str(error), about=found.version)


def _holds(spec: PredictiveScalerSpec) -> bool:
    """Whether decisions change the world."""
    return spec.mode.applies and not spec.suspend


def _controlled(spec: PredictiveScalerSpec) -> str:
    return spec.target.name if spec.hpa is None else spec.hpa.name


def _stop(scaler: Scaler) -> str:
    patch = '{"spec":{"suspend":true}}'
    return f"kubectl patch {SHORT_NAMES[0]} {scaler.name} --namespace {scaler.namespace} --type=merge --patch '{patch}'"


def _interval(scaler: Scaler, default: timedelta) -> timedelta:
    try:
        return parse_duration(str(scaler.spec.get("interval"))) or default
    except ConfigError:
        return default
