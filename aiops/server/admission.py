"""How much work is let in: calls beyond a bound are sent away at once, the others take turns."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from types import TracebackType

import grpc

from aiops.server.statuses import Refusal

_SHORTEST_WAIT, _LONGEST_WAIT = 0.01, 5.0
_MEMORY = 0.05
"""Share of a call's length that goes into the mean of all."""

_LISTEN_AFTER = 0.001
_QUIET_LOOKS = 5
"""Turns of the loop without a new call after which there is none: gRPC takes about three to hand one over."""


class Admission:
    """The calls of one method that are under way, at most ``limit``.

    A queue that grows answers everybody late; one that is full answers some at once, and tells them when to come back.

    Args:
        limit: Calls that are worked on or wait for it.
        turns: Told of every call.
    """

    def __init__(self, limit: int, turns: Turns) -> None:
        self._limit = limit
        self._turns = turns
        self._under_way = 0
        self._mean_seconds = 0.001

    def enter(self) -> Refusal | None:
        """Let the call of the current task in until the task ends, or return why not."""
        self._turns.arrived()
        if self._under_way >= self._limit:
            wait = min(max(self._limit * self._mean_seconds, _SHORTEST_WAIT), _LONGEST_WAIT)
            return Refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._under_way} calls wait here already; come again in {wait:.2g} s, or ask another replica",
                wait_milliseconds=round(wait * 1000),
            )
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - gRPC runs every call in a task of its own
        self._under_way += 1
        task.add_done_callback(self._leave)
        return None

    def took(self, seconds: float) -> None:
        """Learn how long a call kept the processor."""
        self._mean_seconds += _MEMORY * (seconds - self._mean_seconds)

    def _leave(self, _: asyncio.Task[None]) -> None:
        self._under_way -= 1


class Turns:
    """Lets one piece of work after another onto the event loop, first come, first served.

    Between two of them the loop looks at the network: a burst of batches does not silence health checks, and a caller
    who gave up while he waited costs nothing. gRPC hands over one new call each few turns of the loop, and those that
    it has not handed over wait inside it, where nobody counts them. So after a millisecond of work the loop listens
    until no more calls arrive, for as long as it has worked at most: then ``Admission`` sees how many there are.
    """

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._began = 0.0
        self._worked = 0.0  # seconds since the loop last listened
        self._arrived = 0  # calls since the last look
        self._quiet = 0  # looks at which there were none

    def arrived(self) -> None:
        """Note that gRPC has handed over a call."""
        self._arrived += 1

    async def __aenter__(self) -> None:
        if not self._taken:
            self._taken = True
        else:
            await self._turn()
        self._began = time.perf_counter()

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        now = time.perf_counter()
        self._worked += now - self._began
        if self._worked < _LISTEN_AFTER:
            asyncio.get_running_loop().call_soon(self._pass_on)
        else:
            self._quiet, until, self._worked = 0, now + self._worked, 0.0
            asyncio.get_running_loop().call_soon(self._listen, until)

    def _listen(self, until: float) -> None:
        self._quiet = 0 if self._arrived else self._quiet + 1
        self._arrived = 0
        if self._quiet < _QUIET_LOOKS and time.perf_counter() < until:
            asyncio.get_running_loop().call_soon(self._listen, until)
        else:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
