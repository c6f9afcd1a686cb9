"""The service from start to end: what is built, what runs beside the calls, and how it stops without a lost one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from aiops.adapters.probes import Heartbeat, Probes
from aiops.adapters.token_file import TokenFile
from aiops.errors import ConfigError
from aiops.server import servicer, tracing
from aiops.server.address import Address
from aiops.server.admission import Admission, Turns
from aiops.server.health import HealthServicer
from aiops.server.interceptors import Entrance
from aiops.server.journal import Journal
from aiops.server.tls import TlsFiles, credentials

if TYPE_CHECKING:
    from aiops.usecases.live import Live

_log = structlog.get_logger(__name__)

LARGEST_MESSAGE_BYTES = 1 << 20
"""Of a request: 20 000 points of a hundred series are far below it, and ``queue`` of them fit into memory."""

_CHANNEL = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a second server on the same port is an error, and does not take half of the calls
    ("grpc.keepalive_time_ms", 60_000),  # streams of clients that vanished end
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the service is reached and how much it takes.

    Attributes:
        listen: Where calls come in.
        metrics: Where probes and Prometheus ask; None for nowhere.
        tls: The certificate; None for plain text.
        token_file: Who may call, one token a line; None lets everybody.
        insecure: Whether to listen to the network without both of them.
        reflection: Whether to tell callers what can be called.
        queue: Most calls of a method that are under way; more are sent away.
        drain: How long calls under way may still take when the service stops.
        deadline: For calls that bring none.

    Raises:
        ConfigError: If it would be open to the network without saying so, or a number is wrong.
    """

    listen: Address
    metrics: Address | None = None
    tls: TlsFiles | None = None
    token_file: Path | None = None
    insecure: bool = False
    reflection: bool = False
    queue: int = 256
    drain: timedelta = timedelta(seconds=20)
    deadline: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        if not self.listen.loopback and not self.insecure and (self.tls is None or self.token_file is None):
            raise ConfigError(
                f"{self.listen} can be reached from the network: give a certificate with its key and a token file, "
                "listen on 127.0.0.1, or allow it with --insecure"
            )
        if self.queue < 1 or self.drain < timedelta(0) or self.deadline <= timedelta(0):
            raise ConfigError("queue counts from 1 on, drain from 0s on, and a deadline is longer than nothing")


class Service:
    """The gRPC server with what belongs to it. ``start`` it, let ``follow`` run beside it, and ``drain`` it.

    Args:
        live: What answers.
        options: How it is reached.

    Raises:
        ConfigError: If the token file or the certificate cannot be used.
    """

    def __init__(self, live: Live, options: Options) -> None:
        self._live = live
        self._options = options
        self._draining = False
        self._health = live.health()
        self._heartbeat = Heartbeat()
        self._journal = Journal()
        self._open = ExitStack()
        self._health_servicer = HealthServicer(servicer.SERVICES)
        turns = Turns()
        admissions = {method: Admission(options.queue, turns) for method in servicer.METHODS}
        self._scoring = servicer.ScoringServicer(live, admissions[servicer.SCORE], turns)
        tokens = None if options.token_file is None else TokenFile(options.token_file)
        entrance = Entrance(tokens=tokens, admissions=admissions, deadline=options.deadline, journal=self._journal)
        traced, self._end_traces = tracing.start()
        self._server = grpc.aio.server(interceptors=(*traced, entrance), options=_CHANNEL)
        servicer.add_to_server(self._scoring, servicer.ForecastServicer(live), self._server)
        add_HealthServicer_to_server(self._health_servicer, self._server)
        if options.reflection:
            from grpc_reflection.v1alpha import reflection

            health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
            reflection.enable_server_reflection(
                (*servicer.SERVICES, health_name, reflection.SERVICE_NAME), self._server
            )
        self.listen = options.listen
        self.metrics = options.metrics

    async def start(self) -> None:
        """Take calls; ``listen`` and ``metrics`` hold the ports that were free from now on.

        Raises:
            ConfigError: If an address cannot be had.
        """
        asked, tls = self._options.listen, self._options.tls
        try:
            if tls is None:
                port = self._server.add_insecure_port(str(asked))
            else:
                port = self._server.add_secure_port(str(asked), credentials(tls))
        except RuntimeError as error:
            raise ConfigError(f"cannot listen on {asked}: is it taken, or not of this machine?") from error
        self.listen = Address(host=asked.host, port=port)
        if self._options.metrics is not None:
            host = self._options.metrics.host
            probes = Probes(host, self._options.metrics.port, alive=self._heartbeat.trouble, ready=self._not_ready)
            self.metrics = Address(host=host, port=self._open.enter_context(probes).port)
        await self._server.start()
        _log.info("service started", listen=str(self.listen), metrics=str(self.metrics), tls=tls is not None)

    async def follow(self) -> None:
        """Poll, send, look after health and write down calls, until cancelled.

        Raises:
            Exception: Whatever ended the work beside the calls; the service is of no use then.
        """
        work = [self._live.run(), self._heartbeat.run(), self._journal.run(), self._health_servicer.follow(self._ready)]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            await asyncio.gather(*tasks)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def drain(self) -> None:
        """Say that no more calls are taken, let those under way end, and stop."""
        self._draining = True
        _log.info("service drains", seconds=self._options.drain.total_seconds())
        await self._health_servicer.drain()
        self._scoring.drain()
        await self._server.stop(self._options.drain.total_seconds())

    def close(self) -> None:
        """End what ``start`` began, when nothing runs any more."""
        self._open.close()
        self._end_traces()
        _log.info("service stopped")

    def _ready(self) -> bool:
        self._health = self._live.health()
        return self._health.ready and not self._draining

    def _not_ready(self) -> str:
        if self._draining:
            return "draining: calls under way end, new ones go elsewhere"
        waiting = [each.name for each in self._health.monitors if each.data_age is None and not each.trouble]
        return "" if self._health.ready else f"history is being read: {', '.join(waiting) or 'it begins'}"


async def serve(live: Live, options: Options, started: Callable[[Service], None] = lambda _: None) -> None:
    """Serve until SIGTERM or Ctrl-C, and end without a lost call; a second signal ends at once.

    Args:
        live: What answers.
        options: How it is reached.
        started: Called when calls are taken.

    Raises:
        ConfigError: If it cannot start so.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    service = Service(live, options)
    await service.start()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    beside = asyncio.create_task(service.follow())
    stopping = asyncio.create_task(stop.wait())
    try:
        started(service)
        await asyncio.wait({beside, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
        stopping.cancel()
        await service.drain()
        failed = beside.exception() if beside.done() and not beside.cancelled() else None
        beside.cancel()
        await asyncio.gather(beside, stopping, return_exceptions=True)
        service.close()
    if failed is not None:
        raise failed
