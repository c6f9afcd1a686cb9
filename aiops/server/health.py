"""The health service of gRPC: SERVING when calls can be answered, for the whole server and for each service of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_LOOK_SECONDS = 0.5


class HealthServicer(aio.HealthServicer):  # type: ignore[misc]  # grpc_health ships no types
    """Tells what ``ready`` says; after ``drain`` that nothing is served any more, and lets its watchers go.

    Args:
        services: Full names, beside the empty name of the whole.
    """

    def __init__(self, services: tuple[str, ...]) -> None:
        super().__init__()
        self._services = ("", *services)
        self._watching: set[asyncio.Timeout] = set()
        for service in self._services:
            self._server_status[service] = _NOT_SERVING

    async def follow(self, ready: Callable[[], bool]) -> None:
        """Keep the status what ``ready`` says, until cancelled."""
        while True:
            status = _SERVING if ready() else _NOT_SERVING
            for service in self._services:
                await self.set(service, status)
            await asyncio.sleep(_LOOK_SECONDS)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the name of the method on the wire
        """Tell each change until the client has seen enough or the server drains."""
        try:
            async with asyncio.timeout(None) as until_drained:
                self._watching.add(until_drained)
                try:
                    await super().Watch(request, context)
                finally:
                    self._watching.discard(until_drained)
        except TimeoutError:
            return

    async def drain(self) -> None:
        """Say that nothing is served from now on, and end the watches once they have told it."""
        await self.enter_graceful_shutdown()
        await asyncio.sleep(0.05)
        for until_drained in self._watching:
            until_drained.reschedule(asyncio.get_running_loop().time())
