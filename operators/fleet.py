"""One task a PredictiveScaler: each takes its turns at its own interval, and at once when its spec was changed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from aiops.ports import Clock
from aiops.series import epoch_seconds, from_epoch

Key = tuple[str, str]
_log = structlog.get_logger()


@dataclass(slots=True)
class _Member:
    """One PredictiveScaler that takes turns."""

    seen: tuple[int, bool]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Fleet:
    """Has every PredictiveScaler take its turns, a bounded number at a time.

    Args:
        turn: Takes one turn of (namespace, name); returns the time to the next, or None if the resource is gone.
        clock: What time it is.
        at_once: Most turns under way at a time.
    """

    def __init__(self, turn: Callable[[str, str], Awaitable[timedelta | None]], clock: Clock, at_once: int) -> None:
        self._turn = turn
        self._clock = clock
        self._room = asyncio.Semaphore(at_once)
        self._members: dict[Key, _Member] = {}

    def look(self, namespace: str, name: str, generation: int, gone: bool) -> None:
        """Take a turn soon if the resource is new, its spec was changed, or its deletion is asked for."""
        key, seen = (namespace, name), (generation, gone)
        member = self._members.get(key)
        if member is None:
            member = self._members[key] = _Member(seen=seen)
            member.task = asyncio.create_task(self._live(key, member), name=f"{namespace}/{name}")
        elif member.seen != seen:
            member.seen = seen
            member.wake.set()

    async def stop(self) -> None:
        """End all tasks where they are; what a turn had begun, the next one finds and finishes."""
        tasks = [member.task for member in self._members.values() if member.task is not None]
        self._members.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, key: Key, member: _Member) -> None:
        while True:
            member.wake.clear()
            async with self._room:
                interval = await self._turn(*key)
            if interval is None:
                if member.wake.is_set():
                    continue  # another one of this name came while we were told that it is gone
                if self._members.get(key) is member:
                    del self._members[key]
                return
            await self._rest(member, due(key, interval, self._clock.now()))

    async def _rest(self, member: _Member, until: datetime) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep_until(until))
        woken = asyncio.ensure_future(member.wake.wait())
        try:
            await asyncio.wait((sleep, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            woken.cancel()


def due(key: Key, interval: timedelta, now: datetime) -> datetime:
    """Return the next instant of a turn: every ``interval``, at a place in it that depends on the name alone.

    So a hundred PredictiveScalers spread over the interval, and a restart does not bunch them.
    """
    period = interval.total_seconds()
    offset = zlib.crc32("/".join(key).encode()) / 2**32 * period
    passed = (epoch_seconds(now) - offset) // period
    found = from_epoch(offset + (passed + 1) * period)
    return found if found > now else found + interval
