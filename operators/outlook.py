"""The early warning: how likely a target needs more replicas than it can have, looked at some times a day.

No turn waits for it. One target after the other is looked at beside the turns, and the next turn writes down what came
of it; the status keeps it over a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from aiops.adapters.kubernetes_hpa import Hpa
from aiops.adapters.kubernetes_scalers import Scaler
from aiops.errors import AiopsError
from aiops.forecasting.fleet.exhaustion import WINDOWS
from aiops.ports import LimitQuery
from aiops.scaling.resource import PredictiveScalerSpec
from operators.conditions import Condition, Kind, Truth
from operators.room import Limit, ceiling, room
from operators.status import Status, instant_text
from operators.world import World

EVERY: Final = timedelta(hours=6)
AGAIN: Final = timedelta(hours=1)
"""After a look that failed."""
SOON: Final = (0.2, 0.5)
"""Chances within each of ``WINDOWS`` from which on people are told; it is over when they are below half of them."""
NO_ROOM: Final = {
    Limit.MAX_REPLICAS: "MaxReplicasSoon",
    Limit.QUOTA: "QuotaSoon",
    Limit.NODES: "NodesSoon",
}
_REMEDY: Final = {
    Limit.MAX_REPLICAS: "raise it, if there is room for more",
    Limit.QUOTA: "have the quota raised",
    Limit.NODES: "add nodes, unless the cluster does that by itself",
}
Key = tuple[str, str]

_SUREST: Final = 0.99
_LEAST_STEP: Final = timedelta(minutes=1)
_QUEUED: Final = 10_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is known of the weeks ahead.

    Attributes:
        checked: When it was looked at last.
        generation: Of the spec that was looked at.
        most: The least maxReplicas at that time; None if there was none. Another one is looked at at once.
        made: When the chances were worked out; None if they never were, or there is no limit.
        limit: What is reached first; None if nothing is known to be a limit.
        replicas: How many that limit lets exist.
        what: The limit in words.
        chances: Of needing more, within each of ``WINDOWS`` after ``made``.
        dates: By when more is needed with a chance of 10, 50 and 90 %; None: not within the longest window.
        unknown: Which limits are not known, and why; empty if all are.
        trouble: Why the last look brought nothing new; empty if it did.
    """

    checked: datetime
    generation: int
    most: int | None = None
    made: datetime | None = None
    limit: Limit | None = None
    replicas: int | None = None
    what: str = ""
    chances: tuple[float, ...] = ()
    dates: tuple[datetime | None, ...] = ()
    unknown: str = ""
    trouble: str = ""

    def to_status(self) -> Status:
        """Return what the status says of it; ``from_status`` reads it."""
        found: Status = {
            "checkedTime": instant_text(self.checked),
            "observedGeneration": self.generation,
            "maxReplicas": self.most,
            "limit": None if self.limit is None else str(self.limit),
            "limitedBy": self.what or None,
            "replicas": self.replicas,
            "unknown": self.unknown or None,
            "trouble": self.trouble or None,
        }
        if self.made is not None:
            found["forecastTime"] = instant_text(self.made)
            found["chanceWithin7Days"], found["chanceWithin28Days"] = self.chances
            for name, at in zip(("earliest", "likely", "latest"), self.dates, strict=True):
                found[name] = None if at is None else instant_text(at)
        return {key: value for key, value in found.items() if value is not None}

    @classmethod
    def from_status(cls, found: Mapping[str, Any]) -> Outlook | None:
        """Read what ``to_status`` wrote; None for anything else, which is then looked at anew."""
        try:
            made = found.get("forecastTime")
            return cls(
                checked=datetime.fromisoformat(found["checkedTime"]),
                generation=int(found["observedGeneration"]),
                most=found.get("maxReplicas"),
                made=None if made is None else datetime.fromisoformat(made),
                limit=None if found.get("limit") is None else Limit(found["limit"]),
                replicas=found.get("replicas"),
                what=found.get("limitedBy", ""),
                chances=() if made is None else (found["chanceWithin7Days"], found["chanceWithin28Days"]),
                dates=() if made is None else tuple(_date(found.get(n)) for n in ("earliest", "likely", "latest")),
                unknown=found.get("unknown", ""),
                trouble=found.get("trouble", ""),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def due(self, generation: int, most: int | None, now: datetime) -> bool:
        """Return whether it is time to look again."""
        if (self.generation, self.most) != (generation, most) or now < self.checked:
            return True
        return now - self.checked >= (AGAIN if self.trouble else EVERY)

    def condition(self, before: Mapping[str, Any]) -> Condition:
        """Return what people read of it.

        Args:
            before: The condition as it was written last: what was told ends only when it is clearly over.
        """
        kind, more = Kind.ROOM_AHEAD, f"; not known: {self.unknown}" if self.unknown else ""
        if self.made is None or self.limit is None:
            if self.trouble:
                return Condition(kind=kind, truth=Truth.UNKNOWN, reason="NotKnown", message=f"{self.trouble}{more}")
            return Condition(kind=kind, truth=Truth.TRUE, reason="NoLimit", message=f"nothing limits it{more}")
        share = 0.5 if before.get("status") == Truth.FALSE else 1.0
        soon = any(chance >= share * enough for chance, enough in zip(self.chances, SOON, strict=True))
        week, weeks = map(_percent, self.chances)
        chances = f"{week} within {WINDOWS[0].days} days, {weeks} within {WINDOWS[1].days}"
        enough = f"more than {self.replicas} replicas ({self.what})"
        if soon:
            message = f"demand {self._needs(enough)}; the chance is {chances}; {_REMEDY[self.limit]}"
        else:
            message = f"demand needs {enough} with a chance of {chances}"
        if self.trouble:
            message += f"; as of {self.made:%Y-%m-%d %H:%M} UTC, since then: {self.trouble}"
        reason = NO_ROOM[self.limit] if soon else "EnoughRoom"
        return Condition(
            kind=kind, truth=Truth.FALSE if soon else Truth.TRUE, reason=reason, message=f"{message}{more}"
        )

    def _needs(self, enough: str) -> str:
        early, likely, late = (
            f"beyond {WINDOWS[1].days} days" if at is None else f"{at:%Y-%m-%d}" for at in self.dates
        )
        if self.dates[1] is None:
            return f"may need {enough}, by {early} with one chance in ten"
        return f"will likely need {enough} by {likely}" + ("" if early == late else f" (80 %: {early} to {late})")


class Outlooks:
    """Keeps the outlook of every target.

    Args:
        world: Where to look, and whom to ask.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: dict[Key, tuple[str, Outlook]] = {}
        self._waiting: dict[Key, tuple[Scaler, PredictiveScalerSpec, Hpa | None]] = {}
        self._news = asyncio.Event()

    def of(self, scaler: Scaler, spec: PredictiveScalerSpec, hpa: Hpa | None) -> Outlook | None:
        """Return what is known, None before the first look; have it looked at if it is due."""
        found, most = self._known(scaler), ceiling(spec, hpa)
        if found is None or found.due(scaler.generation, None if most is None else most[0], self._world.clock.now()):
            if len(self._waiting) < _QUEUED:
                self._waiting.setdefault(scaler.key, (scaler, spec, hpa))
            self._news.set()
        return found

    def forget(self, key: Key) -> None:
        """Forget one that is gone."""
        self._found.pop(key, None)

    def _known(self, scaler: Scaler) -> Outlook | None:
        uid, found = self._found.get(scaler.key, ("", None))
        return found if uid == scaler.uid else Outlook.from_status(scaler.status.get("outlook") or {})

    async def run(self) -> None:
        """Look at those that are due, one after the other, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                key, (scaler, spec, hpa) = next(iter(self._waiting.items()))
                self._found[key] = (scaler.uid, await self._look(scaler, spec, hpa))
                del self._waiting[key]

    async def _look(self, scaler: Scaler, spec: PredictiveScalerSpec, hpa: Hpa | None) -> Outlook:
        now, most = self._world.clock.now(), ceiling(spec, hpa)
        log = _log.bind(namespace=scaler.namespace, scaler=scaler.name)
        seen = Outlook(checked=now, generation=scaler.generation, most=None if most is None else most[0])
        try:
            tightest, unknown = await room(self._world, scaler, spec, most)
            seen = replace(seen, unknown=unknown)
            if tightest is None:
                return seen
            asked = LimitQuery(
                query=spec.load.query,
                step=max(spec.load.step, _LEAST_STEP),
                limit=tightest.replicas * spec.load.per_replica,
            )
            found = await self._world.forecasts.exhaustion(asked, now)
        except Exception as error:
            if isinstance(error, AiopsError):
                log.warning("no outlook", error=str(error))
            else:
                log.exception("no outlook")
            kept = self._known(scaler) or seen
            return replace(kept, checked=now, generation=seen.generation, most=seen.most, trouble=str(error))
        return replace(
            seen,
            made=now,
            limit=tightest.limit,
            replicas=tightest.replicas,
            what=tightest.what,
            chances=found.chances,
            dates=found.dates,
        )


def _percent(chance: float) -> str:
    if chance <= 0.0:
        return "under 1 %"
    return f"{100 * chance:.0f} %{' or more' if chance >= _SUREST else ''}"


def _date(found: str | None) -> datetime | None:
    return None if found is None else datetime.fromisoformat(found)
