"""A server with the real live state behind it, on an event loop of its own, and what tests send to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np

from aiops.adapters.alertmanager import AlertmanagerSink
from aiops.adapters.clock import SystemClock
from aiops.adapters.outbox import Outbox
from aiops.api.v1 import forecasting_pb2_grpc, scoring_pb2_grpc
from aiops.api.v1.scoring_pb2 import ScoreRequest
from aiops.api.v1.series_pb2 import SeriesKey as WireKey
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.ports import MetricSource
from aiops.series import Series, SeriesKey
from aiops.series.grid import floor
from aiops.server.address import Address
from aiops.server.app import Options, Service
from aiops.usecases.live import Limits, Live

LOOPBACK = Options(listen=Address(host="127.0.0.1", port=0))
TOKEN = "a-token-of-sixteen-characters-or-more"
MINUTE = timedelta(minutes=1)


class Serving:
    """The running server, and what talks to it."""

    def __init__(self, service: Service, live: Live, loop: asyncio.AbstractEventLoop, channel: grpc.Channel) -> None:
        self.service = service
        self.live = live
        self.loop = loop
        self.channel = channel
        self.scoring = scoring_pb2_grpc.ScoringServiceStub(channel)
        self.forecasting = forecasting_pb2_grpc.ForecastServiceStub(channel)

    @property
    def target(self) -> str:
        return str(self.service.listen)

    def do(self, work: Any) -> Any:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@contextmanager
def serving(
    folder: Path,
    *,
    source: MetricSource | None = None,
    options: Options = LOOPBACK,
    limits: Limits | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    running: bool = True,
    **given: Any,
) -> Iterator[Serving]:
    """Serve while the block runs; ``given`` replaces options, and without ``running`` nothing runs beside the calls."""
    options = replace(options, **given)
    loop, started = asyncio.new_event_loop(), threading.Event()
    found: list[Service | Live | BaseException] = []
    stop = asyncio.Event()

    async def work() -> None:
        async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as client:  # the discard port: nobody is there
            clock = SystemClock()
            with closing(Outbox(folder / "outbox.sqlite", AlertmanagerSink(client), clock)) as outbox:
                scorer = Scorer([detector("fleet")])
                live = Live(clock=clock, scorer=scorer, outbox=outbox, source=source, limits=limits)
                service = Service(live, options)
                await service.start()
                found.extend((service, live))
                beside = asyncio.create_task(service.follow() if running else asyncio.sleep(0))
                started.set()
                await stop.wait()
                await service.drain()
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)
                service.close()

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(work())
        except BaseException as error:  # noqa: BLE001 - told to the test
            found.insert(0, error)
        finally:
            started.set()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(30)
    if isinstance(found[0], BaseException):
        thread.join()
        raise found[0]
    service, live = found
    assert isinstance(service, Service)
    assert isinstance(live, Live)
    target = str(service.listen)
    channel = grpc.insecure_channel(target) if credentials is None else grpc.secure_channel(target, credentials)
    try:
        yield Serving(service, live, loop, channel)
    finally:
        channel.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        assert not thread.is_alive()
        if isinstance(found[0], BaseException):
            raise found[0]


def request(
    values: Sequence[float], *, start: datetime | None = None, names: Sequence[str] = ("web",), step: timedelta = MINUTE
) -> ScoreRequest:
    """Return values of series in turn: the first of each at ``start``, an hour ago if None, then step by step."""
    first = start or floor(datetime.now(UTC), MINUTE) - timedelta(hours=1)
    n = len(names)
    return ScoreRequest(
        series=[WireKey(name="requests", labels={"app": name}) for name in names],
        series_index=[index % n for index in range(len(values))],
        timestamp_ms=[round((first + index // n * step).timestamp() * 1000) for index in range(len(values))],
        value=values,
    )


def wave(name: str, days: int = 3) -> Series:
    """Return a series of daily waves that ends now."""
    end = floor(datetime.now(UTC), MINUTE)
    n = days * 1440
    values = 100 + 50 * np.sin(np.arange(n) * 2 * np.pi / 1440) + np.random.default_rng(7).normal(0, 2, n)
    return Series(key=SeriesKey(name), start=end - n * MINUTE, step=MINUTE, values=values)


@contextmanager
def silent_server() -> Iterator[str]:
    """Serve a Prometheus that takes connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
