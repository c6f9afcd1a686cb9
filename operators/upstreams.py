"""The systems that a turn asks, with patience bounded and every answer noted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from aiops.errors import AiopsError, UpstreamUnavailableError
from aiops.forecasting.fleet.exhaustion import Exhaustion
from aiops.ports import Clock, ForecastSource, LimitQuery, MetricSource, Peak, PeakQuery, Telemetry
from aiops.usecases.reachable import Reachable

PATIENCE_SECONDS: Final = 10.0
"""A turn that waits longer decides without the answer, which never takes replicas away."""


class _Noted:
    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self.reachable = Reachable(name)

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield
        except TimeoutError as error:
            said = f"{self._name} did not answer within {PATIENCE_SECONDS:.0f} s"
            self.reachable.failed(self._clock.now(), said)
            raise UpstreamUnavailableError(said) from error
        except UpstreamUnavailableError as error:
            self.reachable.failed(self._clock.now(), str(error))
            raise
        except AiopsError:
            self.reachable.answered(self._clock.now())
            raise
        self.reachable.answered(self._clock.now())


class NotedMetrics(_Noted):
    """A MetricSource that notes whether it answers.

    Args:
        source: The one that is asked.
        clock: What time it is.
    """

    def __init__(self, source: MetricSource, clock: Clock) -> None:
        super().__init__("prometheus", clock)
        self._source = source

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Telemetry:
        """Ask the source; see ``ports.MetricSource``."""
        async with self._asked():
            return await self._source.range(query, start, end, step)


class NotedForecasts(_Noted):
    """A ForecastSource that notes whether it answers; arguments as for ``NotedMetrics``."""

    def __init__(self, source: ForecastSource, clock: Clock) -> None:
        super().__init__("forecasts", clock)
        self._source = source

    async def peak(self, asked: PeakQuery, now: datetime) -> Peak:
        """Ask the source; see ``ports.ForecastSource``."""
        async with self._asked():
            return await self._source.peak(asked, now)

    async def exhaustion(self, asked: LimitQuery, now: datetime) -> Exhaustion:
        """Ask the source; see ``ports.ForecastSource``. It may take its time: no turn waits, so nothing is noted."""
        return await self._source.exhaustion(asked, now)
