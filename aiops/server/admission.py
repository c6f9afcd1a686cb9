"""How much work is let in: calls beyond a bound are sent away at once, the others take turns."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

import grpc

from aiops.server.statuses import Refusal

_SHORTEST_WAIT, _LONGEST_WAIT = 0.01, 5.0
_MEMORY = 0.05
"""Share of a call's length that goes into the mean of all."""


class Admission:
    """The calls of one method that are under way, at most ``limit``.

    A queue that grows answers everybody late; one that is full answers some at once, and tells them when to come back.

    Args:
        limit: Calls that are worked on or wait for it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._under_way = 0
        self._mean_seconds = 0.001

    def enter(self) -> Refusal | None:
        """Let the call of the current task in until the task ends, or return why not."""
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
    who gave up while he waited costs nothing.
    """

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if not self._taken:
            self._taken = True
            return
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
        asyncio.get_running_loop().call_soon(self._pass_on)

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
