"""The champion in use: its alias is watched, and a new bundle takes the place of the old one whole or not at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from aiops import telemetry
from aiops.detection.band_table import BandTable
from aiops.errors import ModelError, UpstreamError
from aiops.forecasting.bundle import Bundle
from aiops.ports import Clock, ModelStore, ModelVersion
from aiops.series import epoch_seconds
from aiops.usecases.reachable import Reachable

_log = structlog.get_logger(__name__)

_INTERVAL = timedelta(minutes=1)
_JITTER = 0.2  # share of the interval: replicas that start together do not ask together for ever


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Champion:
    """A bundle that serves.

    Attributes:
        version: Which one it is.
        bundle: What it says; every byte was checked against the version's digest.
    """

    version: ModelVersion
    bundle: Bundle

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.version.name} version {self.version.number}"


class ChampionWatch:
    """Looks at the alias every minute or so and loads what it names.

    Nothing that can go wrong takes the present bundle away: a registry that does not answer, an alias that is gone, a
    bundle with a wrong digest. What went wrong is said in ``trouble``, a metric and the log.

    Args:
        store: Where the champion is.
        name: Name of the model.
        clock: The time.
        registry: Told whether the store answers.
        steps: Returns the grids that forecasts are needed on.
        use: Called when there is a new champion, on the event loop.
        interval: From one look to the next.
    """

    def __init__(
        self,
        store: ModelStore,
        name: str,
        clock: Clock,
        registry: Reachable,
        *,
        steps: Callable[[], Iterable[timedelta]],
        use: Callable[[], None],
        interval: timedelta = _INTERVAL,
    ) -> None:
        self._store = store
        self._name = name
        self._clock = clock
        self._registry = registry
        self._steps = steps
        self._use = use
        self._interval = interval
        self._looking = asyncio.Lock()
        self._before: Champion | None = None
        self._tables: dict[tuple[str, timedelta], BandTable] = {}
        self.current: Champion | None = None
        self.trouble = ""

    def tables(self, step: timedelta) -> list[BandTable]:
        """Return what the champion says on a grid, after what the champion before it said; empty if there is none."""
        return [self._table(each, step) for each in (self._before, self.current) if each is not None]

    def expired(self, now: datetime) -> str:
        """Return a sentence if the champion's forecasts have all run out; empty if not."""
        if self.current is None or now < self.current.bundle.end:
            return ""
        return (
            f"the forecasts of {self.current.title} ran out at {self.current.bundle.end.isoformat()}: points are "
            "judged by their own level until a newer bundle is trained"
        )

    async def run(self) -> None:
        """Look again and again, the first time after one interval, until cancelled."""
        while True:
            share = 1 + random.uniform(-_JITTER, _JITTER)  # noqa: S311 - no secret
            await self._clock.sleep_until(self._clock.now() + share * self._interval)
            await self.look()

    async def look(self) -> None:
        """Look at the alias once, and take over what it names if that is new and sound."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        try:
            version = await self._store.champion(self._name)
            self._registry.answered(self._clock.now())
            if version is None:
                self._say("", f"{self._name} has no champion: train, or move the alias; {self._kept()}")
                return
            if self.current is not None and version == self.current.version:
                self._say("", "")
                return
            bundle = await self._store.load(version)
        except UpstreamError as error:
            self._registry.failed(self._clock.now(), str(error))
            return
        except ModelError as error:
            reason = "digest" if "SHA-256" in str(error) else "unreadable"
            telemetry.counter(telemetry.BUNDLE_REFUSED).labels(reason).inc()
            self._say("bundle refused", f"refused: {error}; {self._kept()}")
            return
        await self._take(Champion(version=version, bundle=bundle))

    async def _take(self, found: Champion) -> None:
        for step in set(self._steps()):
            key = (found.version.digest, step)
            self._tables[key] = await asyncio.to_thread(_table_of, found, step)
        if self.current is not None and self.current.version.digest != found.version.digest:
            self._before = self.current
        self.current = found
        kept = {each.version.digest for each in (self._before, self.current) if each is not None}
        self._tables = {key: table for key, table in self._tables.items() if key[0] in kept}
        self._say("", "")
        self._use()
        _log.info(
            "champion loaded", model=found.version.name, version=found.version.number, digest=found.version.digest
        )
        info = telemetry.gauge(telemetry.BUNDLE_INFO)
        info.clear()
        info.labels(found.version.name, found.version.number, found.version.digest).set(1)
        telemetry.gauge(telemetry.BUNDLE_CUTOFF).set(epoch_seconds(found.bundle.cutoff))
        telemetry.gauge(telemetry.BUNDLE_END).set(epoch_seconds(found.bundle.end))

    def _table(self, champion: Champion, step: timedelta) -> BandTable:
        key = (champion.version.digest, step)
        if key not in self._tables:
            self._tables[key] = _table_of(champion, step)
        return self._tables[key]

    def _kept(self) -> str:
        return f"{self.current.title} stays" if self.current is not None else "there is no forecast band until then"

    def _say(self, event: str, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            _log.warning(event or "no champion", model=self._name, reason=trouble)
        self.trouble = trouble


def _table_of(champion: Champion, step: timedelta) -> BandTable:
    return BandTable.of(champion.bundle, step, champion.title)
