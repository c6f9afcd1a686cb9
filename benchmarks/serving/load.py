"""The client's side: calls one after another, timed; and calls without a pause while bundles change."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from aiops.api.v1.scoring_pb2 import ScoreRequest
from aiops.api.v1.scoring_pb2_grpc import ScoringServiceStub
from benchmarks.serving.echo import ECHO
from benchmarks.serving.fleet import SERIES, Fleet

_TIMEOUT_SECONDS = 30.0
Send = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One that is called.

    Attributes:
        send: Calls it.
        process: Its process.
    """

    send: Send
    process: int

    def cpu_seconds(self) -> float:
        """Return the time that it has kept a core so far."""
        after_name = Path(f"/proc/{self.process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What one server did in one round.

    Attributes:
        seconds: Of each call, as its client saw it.
        cpu_seconds: Of all of them, as the server spent them.
    """

    seconds: list[float]
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The same calls to both servers, one straight after the other; who is first changes from round to round."""

    echo: Calls
    service: Calls


@dataclass(slots=True, kw_only=True)
class Reload:
    """What calls without a pause came to.

    Attributes:
        calls: How many were answered.
        failed: What the others ended with.
        seconds: Of each single call.
        unscored: Points that were answered and not scored.
    """

    calls: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    unscored: int = 0


def to_echo(listen: str, process: int) -> Server:
    """Return the bare server; within a running loop."""
    send = grpc.aio.insecure_channel(listen).unary_unary(
        f"/{ECHO}/Score",
        request_serializer=ScoreRequest.SerializeToString,
        response_deserializer=ScoreRequest.FromString,
    )
    return Server(send=send, process=process)


def to_service(listen: str, process: int) -> Server:
    """Return ours; within a running loop."""
    return Server(send=ScoringServiceStub(grpc.aio.insecure_channel(listen)).Score, process=process)


async def warm(service: Server, fleet: Fleet, steps: int) -> None:
    """Send the first steps of all series, so that their detectors have something to say."""
    for _ in range(steps):
        answer = await service.send(fleet.batch(), timeout=_TIMEOUT_SECONDS)
    if any(answer.warming_up):
        raise RuntimeError(f"{sum(answer.warming_up)} of {SERIES} series are still warming up")


async def rounds(
    echo: Server, service: Server, requests: Iterator[ScoreRequest], count: int, calls: int
) -> Sequence[Round]:
    """Call one server and then the other, round after round: what the machine does meanwhile falls on both."""
    found = []
    for number in range(count):
        same = [next(requests) for _ in range(calls)]
        if number % 2:
            first = await _timed(service, same)
            found.append(Round(echo=await _timed(echo, same), service=first))
        else:
            first = await _timed(echo, same)
            found.append(Round(echo=first, service=await _timed(service, same)))
    return found


async def _timed(server: Server, requests: Sequence[ScoreRequest]) -> Calls:
    seconds, before = [], server.cpu_seconds()
    for each in requests:
        began = time.perf_counter()
        await server.send(each, timeout=_TIMEOUT_SECONDS)
        seconds.append(time.perf_counter() - began)
    return Calls(seconds=seconds, cpu_seconds=server.cpu_seconds() - before)


async def without_a_pause(service: Server, fleet: Fleet, until: asyncio.Event) -> Reload:
    """Send single points, and a batch now and then, until told to stop; a call that fails is not sent again."""
    found = Reload()
    singles = fleet.singles()
    while not until.is_set():
        for _ in range(SERIES):
            await _note(found, service, next(singles))
            if until.is_set():
                return found
        await _note(found, service, fleet.batch())
    return found


async def _note(found: Reload, service: Server, request: ScoreRequest) -> None:
    began = time.perf_counter()
    try:
        answer = await service.send(request, timeout=_TIMEOUT_SECONDS)
    except grpc.aio.AioRpcError as error:
        found.failed.append(f"{error.code().name}: {error.details()}")
        return
    found.calls += 1
    found.unscored += int((np.array(answer.outcome) != 1).sum())
    if len(request.value) == 1:
        found.seconds.append(time.perf_counter() - began)
