"""The operator from start to end: it waits for the lease, works while it holds it, and gives it up when it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from kubernetes.client import ApiClient

from aiops.adapters.kubernetes_control import give_back
from aiops.adapters.kubernetes_hpa import KubernetesHpas
from aiops.adapters.kubernetes_http import KubernetesHttp
from aiops.adapters.kubernetes_lease import Lease
from aiops.adapters.kubernetes_pods import startups
from aiops.adapters.kubernetes_room import nodes
from aiops.adapters.kubernetes_scalers import KubernetesScalers, Scaler
from aiops.adapters.kubernetes_workload import Kinds
from aiops.adapters.outbox import Outbox
from aiops.errors import AiopsError, ConfigError
from aiops.ports import AlertSink, Clock, ForecastSource, MetricSource
from operators.alerts import Alerts
from operators.fleet import Fleet
from operators.neighbours import Lists
from operators.record import Record
from operators.rollback_alert import RUNBOOK
from operators.turn import Turns
from operators.upstreams import NotedForecasts, NotedMetrics
from operators.watch import Watch
from operators.world import World

_AT_ONCE: Final = 16
_AGAIN_SECONDS: Final = 2.0
HELD_OFF_SECONDS: Final = 120
"""How long no operator works after everything was given back: an uninstall removes it meanwhile."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Who we are and what we look after.

    Attributes:
        identity: Of this process; no other one may ever have it.
        lease_namespace: Where the Lease is.
        lease_name: What it is called; operators of one name take turns.
        namespaces: Whose PredictiveScalers are served; all if empty.
        interval: Time between two turns, where a spec cannot be read.
        runbook: Where people read what to do when a change was rolled back.
    """

    identity: str
    lease_namespace: str
    lease_name: str = "aiops-operator"
    namespaces: tuple[str, ...] = ()
    interval: timedelta = timedelta(seconds=30)
    runbook: str = RUNBOOK


class Operator:
    """Works while it holds the lease.

    Args:
        api: The cluster.
        options: Who we are.
        source: Where demand and SLOs are read.
        forecasts: Who knows what comes.
        alertmanagers: Who hears of roll-backs and of too little room: every replica, by its name.
        clock: What time it is.
    """

    def __init__(
        self,
        api: ApiClient,
        options: Options,
        *,
        source: MetricSource,
        forecasts: ForecastSource,
        alertmanagers: Mapping[str, AlertSink],
        clock: Clock,
    ) -> None:
        self._options = options
        self._record = Record()
        self._lease = Lease(
            KubernetesHttp(api, seen=self._record.asked_kubernetes),
            namespace=options.lease_namespace,
            name=options.lease_name,
            identity=options.identity,
        )
        http = KubernetesHttp(api, may_write=self._lease.held, seen=self._record.asked_kubernetes)
        self._api = api
        self._clock = clock
        self._alertmanagers = alertmanagers
        self._scalers = KubernetesScalers(http, options.identity)
        self._hpas = KubernetesHpas(http)
        self._world = World(
            http=http,
            scalers=self._scalers,
            hpas=self._hpas,
            kinds=Kinds(http),
            all_scalers=Lists(self._scalers_of),
            all_hpas=Lists(self._hpas.all),
            startups=Lists(lambda place: startups(http, *place), fresh_seconds=60.0),
            nodes=Lists(lambda _: nodes(http), fresh_seconds=300.0),
            source=NotedMetrics(source, clock),
            forecasts=NotedForecasts(forecasts, clock),
            record=self._record,
            clock=clock,
        )
        self._watches: list[Watch] = []
        self.trouble = "not started"

    async def run(self) -> None:
        """Work, until cancelled; then give the lease up."""
        self._record.leading(False)
        try:
            while True:
                self.trouble = ""  # a candidate is ready: it takes over when it has to
                await self._lease.acquire()
                _log.info("lease acquired", identity=self._options.identity)
                self._record.leading(True)
                try:
                    await self._lead()
                finally:
                    self._record.leading(False)
                _log.warning("lease lost", identity=self._options.identity)
                await self._watches_ended()
        finally:
            await asyncio.shield(self._lease.release())
            await self._watches_ended()

    async def give_back_all(self) -> int:
        """Give back everything that any operator holds, and keep all of them from starting again for a while.

        Returns:
            How many HPAs got their own ``minReplicas`` back.

        Raises:
            AiopsError: If something could not be given back; what could is.
        """
        await self._lease.seize()
        keeper = asyncio.create_task(self._lease.keep())
        failures: list[str] = []
        count = 0
        try:
            for name, act in await self._to_give_back():
                try:
                    said = await act()
                except AiopsError as error:
                    failures.append(f"{name}: {error}")
                    continue
                if said:
                    count += 1
                    _log.info("gave back", what=said)
        finally:
            keeper.cancel()
            await self._lease.release(after_seconds=HELD_OFF_SECONDS)
        if failures:
            raise ConfigError("not given back: " + "; ".join(failures))
        return count

    async def _to_give_back(self) -> list[tuple[str, Callable[[], Awaitable[str]]]]:
        turns = self._turns(self._outbox())
        found: list[tuple[str, Callable[[], Awaitable[str]]]] = []
        for scaler in await self._scalers_if_any():
            found.append((f"{scaler.namespace}/{scaler.name}", _releasing(turns, scaler)))
        for namespace in self._options.namespaces or (None,):
            for hpa in await self._hpas.all(namespace):
                if hpa.traces or hpa.annotation is not None:
                    found.append((f"{hpa.namespace}/{hpa.name}", _returning(self._hpas, hpa.namespace, hpa.name)))
        return found

    async def _scalers_if_any(self) -> list[Scaler]:
        try:
            return await self._scalers.all(self._options.namespaces)
        except ConfigError:  # the CRD is gone, and the PredictiveScalers with it; HPAs tell the rest
            return []

    async def _lead(self) -> None:
        """Work until the lease is lost."""
        outbox = self._outbox()  # of this time: what an earlier leadership told is its successor's to end
        turns = self._turns(outbox)
        fleet = Fleet(turns.take, self._clock, _AT_ONCE)
        keeper = asyncio.create_task(self._lease.keep(), name="lease")
        async with _ended_with(keeper):
            worker = asyncio.create_task(self._work(fleet), name="work")
            teller = asyncio.create_task(outbox.run(), name="alerts")
            looker = asyncio.create_task(turns.outlooks.run(), name="outlooks")
            async with _ended_with(worker), _ended_with(teller), _ended_with(looker):
                await asyncio.wait((keeper, worker, teller, looker), return_when=asyncio.FIRST_COMPLETED)
                for each in (worker, teller, looker):
                    if each.done():
                        each.result()

    def _outbox(self) -> Outbox:
        """Return one without a file: what has to be told is in the statuses, and the next leader puts it anew."""
        return Outbox(None, self._alertmanagers, self._clock)

    def _turns(self, outbox: Outbox) -> Turns:
        return Turns(self._world, Alerts(outbox, self._options.runbook), self._options.interval)

    async def _work(self, fleet: Fleet) -> None:
        watch = Watch(self._api, self._options.namespaces, fleet.look)
        self._watches.append(watch)
        try:
            for scaler in await self._first_list():
                fleet.look(scaler.namespace, scaler.name, scaler.generation, scaler.deleting)
            watch.start()
            await asyncio.Event().wait()
        finally:
            watch.stop()
            await fleet.stop()

    async def _watches_ended(self) -> None:
        """Wait for what was stopped: it takes a moment, and holds up nobody else meanwhile."""
        watches, self._watches = self._watches, []
        for each in watches:
            await each.ended()

    async def _first_list(self) -> list[Scaler]:
        while True:
            try:
                found = await self._scalers.all(self._options.namespaces)
            except AiopsError as error:
                if self.trouble != str(error):
                    _log.error("cannot list PredictiveScalers", error=str(error))
                self.trouble = str(error)
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                self.trouble = ""
                return found

    async def _scalers_of(self, namespace: str) -> list[Scaler]:
        return await self._scalers.all((namespace,))


def _releasing(turns: Turns, scaler: Scaler) -> Callable[[], Awaitable[str]]:
    return lambda: turns.release(scaler)


def _returning(hpas: KubernetesHpas, namespace: str, name: str) -> Callable[[], Awaitable[str]]:
    return lambda: give_back(hpas, namespace, name, None)


@contextlib.asynccontextmanager
async def _ended_with(task: asyncio.Task[None]) -> AsyncIterator[None]:
    """End the task with the block."""
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
