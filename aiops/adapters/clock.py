"""Where entry points get the time from: the machine, a rehearsal of the past, or a simulation."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from aiops.series.grid import require_utc


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, at: datetime) -> None:
        """Return at ``at``, or at once if it has passed."""
        require_utc(at, "at")
        while (left := (at - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - the machine's time can be set back
            await asyncio.sleep(left)


class RehearsalClock:
    """The machine's time, moved to another start and sped up: several processes with the same arguments agree on it.

    Args:
        start: What it reads at ``anchor``. Timezone-aware, UTC.
        anchor: A real instant. Timezone-aware, UTC.
        speed: How many times as fast as real time it runs.

    Raises:
        DataError: If an instant is not UTC.
        ValueError: If ``speed`` is not positive.
    """

    def __init__(self, start: datetime, anchor: datetime, speed: float = 1.0) -> None:
        require_utc(start, "start")
        require_utc(anchor, "anchor")
        if not speed > 0:
            raise ValueError(f"speed must be positive, got {speed}")
        self._start = start
        self._anchor = anchor
        self._speed = speed

    def now(self) -> datetime:
        """Return the present rehearsed instant, UTC."""
        return self._start + self._speed * (datetime.now(UTC) - self._anchor)

    async def sleep_until(self, at: datetime) -> None:
        """Return at ``at``, or at once if it has passed."""
        require_utc(at, "at")
        while (left := (at - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - the machine's time can be set back
            await asyncio.sleep(left / self._speed)


class SimulatedClock:
    """Time that passes only when it is told to: the same run gives the same instants, however fast the machine.

    Args:
        start: The first instant. Timezone-aware, UTC.
        speed: How many times faster than real time ``sleep_until`` is; None jumps at once. Work between two sleeps
            counts against the next one, so that the whole run keeps the pace as long as it can.

    Raises:
        DataError: If ``start`` is not UTC.
        ValueError: If ``speed`` is not positive.
    """

    def __init__(self, start: datetime, speed: float | None = None) -> None:
        require_utc(start, "start")
        if speed is not None and not speed > 0:
            raise ValueError(f"speed must be positive, got {speed}")
        self._now = self._started = start
        self._speed = speed
        self._started_real = time.monotonic()

    def now(self) -> datetime:
        """Return the present simulated instant."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move on at once.

        Raises:
            ValueError: If ``by`` is negative.
        """
        if by < timedelta(0):
            raise ValueError(f"a clock does not run backwards, got {by}")
        self._now += by

    async def sleep_until(self, at: datetime) -> None:
        """Move on to ``at``, waiting for as long as ``speed`` says; return at once if it has passed."""
        require_utc(at, "at")
        if self._speed is not None:
            due = self._started_real + (at - self._started).total_seconds() / self._speed
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
        else:
            await asyncio.sleep(0)  # other tasks get their turn, as they would in a real sleep
        self._now = max(self._now, at)
