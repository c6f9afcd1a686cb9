"""Calls that go wrong, each with the status that its caller gets: what docs/reference/grpc.md is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from aiops.adapters.memory import MemorySource
from aiops.adapters.prometheus import PrometheusSource
from aiops.api.v1.forecasting_pb2 import ExhaustionRequest, ForecastRequest
from aiops.api.v1.scoring_pb2 import ScoreRequest
from aiops.api.v1.series_pb2 import SeriesKey as WireKey
from aiops.ports import MetricSource
from aiops.series import SeriesKey
from aiops.settings import PrometheusSettings
from aiops.usecases.live import Limits
from testbed.server import Server
from tests.server.serving import LOOPBACK, MINUTE, TOKEN, Serving, request, serving, silent_server, wave

Status = grpc.StatusCode
SCORE, FORECAST = "/aiops.api.v1.ScoringService/Score", "/aiops.api.v1.ForecastService/Forecast"
EXHAUSTION = "/aiops.api.v1.ForecastService/Exhaustion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a case may use.

    Attributes:
        server: A server that knows the series ``load``, ``more_1`` and ``more_2``.
        folder: An empty folder.
        prometheus: A real one.
    """

    server: Serving
    folder: Path
    prometheus: Server


@dataclass(frozen=True, slots=True)
class Case:
    """A call that is refused.

    Attributes:
        what: What is wrong with it.
        method: Of which service and method.
        status: How it ends.
        said: A part of the message.
        call: Makes it.
    """

    what: str
    method: str
    status: grpc.StatusCode
    said: str
    call: Callable[[Place], object]


def known() -> MetricSource:
    """Return what the server of the cases reads."""
    load = wave("load")
    more = [replace(load, key=SeriesKey(f"more_{number}")) for number in (1, 2)]
    return MemorySource([load, *more])


def raw(place: Place, method: str, message: bytes) -> object:
    send: Any = place.server.channel.unary_unary(method)
    return send(message, timeout=10)


def forecast(place: Place, **given: Any) -> object:
    asked = {"query": "load", "window": timedelta(minutes=5), "step": MINUTE, **given}
    return place.server.forecasting.Forecast(ForecastRequest(**asked), timeout=20)


def exhaustion(place: Place, **given: Any) -> object:
    asked = {"query": "load", "limit": 100.0, **given}
    return place.server.forecasting.Exhaustion(ExhaustionRequest(**asked), timeout=20)


def asking(given: dict[str, Any]) -> Callable[[Place], object]:
    return lambda place: exhaustion(place, **given)


def score(place: Place, **given: Any) -> object:
    good = request([1.0, 2.0])
    columns = {name: list(getattr(good, name)) for name in ("series", "series_index", "timestamp_ms", "value")}
    return place.server.scoring.Score(ScoreRequest(**{**columns, **given}), timeout=10)


@contextmanager
def reading(place: Place, url: str) -> Iterator[Place]:
    """Serve from a Prometheus."""
    source = PrometheusSource(PrometheusSettings(url=url, attempts=1, timeout=timedelta(seconds=2)))
    with serving(place.folder, source=source) as server:
        yield replace(place, server=server)


def with_token(place: Place, given: str) -> object:
    path = place.folder / "token"
    path.touch(mode=0o600)
    path.write_text(TOKEN)
    with serving(place.folder, token_file=path) as server:
        metadata = (("authorization", given),) if given else ()
        return server.scoring.Score(request([1.0]), timeout=10, metadata=metadata)


def of_dead_prometheus(place: Place) -> object:
    with reading(place, "http://127.0.0.1:9") as there:
        return forecast(there)


def of_silent_prometheus(place: Place) -> object:
    with silent_server() as url, reading(place, url) as there:
        return forecast(there)


def of_wrong_promql(place: Place) -> object:
    with reading(place, place.prometheus.url) as there:
        return forecast(there, query="sum by (")


def beyond_the_bound(place: Place) -> None:
    """Ask twice at once where one call may wait for a Prometheus that does not answer."""
    with silent_server() as url:
        source = PrometheusSource(PrometheusSettings(url=url, attempts=1, timeout=timedelta(seconds=2)))
        with serving(place.folder, source=source, options=replace(LOOPBACK, queue=1)) as server:
            asked = ForecastRequest(query="load", window=timedelta(minutes=5))
            both = [server.forecasting.Forecast.future(asked, timeout=20) for _ in range(2)]
            ended = {each.code(): each.exception() for each in both}
            raise ended[Status.RESOURCE_EXHAUSTED]


def beyond_the_adopted(place: Place) -> object:
    with serving(place.folder, source=known(), limits=Limits(adopt=1)) as server:
        there = replace(place, server=server)
        forecast(there)
        return forecast(there, query="more_1")


def beyond_the_pushed(place: Place) -> object:
    with serving(place.folder, limits=Limits(pushed=2)) as server:
        return server.scoring.Score(request([1.0] * 3, names=("a", "b", "c")), timeout=10)


def in_the_future(place: Place) -> object:
    return place.server.scoring.Score(request([1.0], start=datetime.now(UTC) + timedelta(hours=1)), timeout=10)


CASES = (
    Case("no token", SCORE, Status.UNAUTHENTICATED, "send a token", lambda p: with_token(p, "")),
    Case("a wrong token", SCORE, Status.UNAUTHENTICATED, "not known here", lambda p: with_token(p, f"Bearer {TOKEN}x")),
    Case(
        "a token that is not called Bearer",
        SCORE,
        Status.UNAUTHENTICATED,
        "authorization: Bearer",
        lambda p: with_token(p, f"Basic {TOKEN}"),
    ),
    Case(
        "bytes that are no message",
        SCORE,
        Status.INVALID_ARGUMENT,
        "no message of this method",
        lambda p: raw(p, SCORE, b"\xff\xff\xff"),
    ),
    Case(
        "bytes that are no message",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "no message of this method",
        lambda p: raw(p, FORECAST, b"\x0a\xff"),
    ),
    Case(
        "text that is not UTF-8",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "no message of this method",
        lambda p: raw(p, FORECAST, b"\x0a\x01\xff"),
    ),
    Case(
        "a message of more than 1 MiB",
        SCORE,
        Status.RESOURCE_EXHAUSTED,
        "larger than max",
        lambda p: raw(p, SCORE, bytes(2 << 20)),
    ),
    Case(
        "more than 10 000 points",
        SCORE,
        Status.INVALID_ARGUMENT,
        "at most, got 10001: send several",
        lambda p: score(p, series_index=[0] * 10_001, timestamp_ms=[1_700_000_000_000] * 10_001, value=[1.0] * 10_001),
    ),
    Case(
        "columns of different length", SCORE, Status.INVALID_ARGUMENT, "got 2, 2 and 1", lambda p: score(p, value=[1.0])
    ),
    Case(
        "an index without a series",
        SCORE,
        Status.INVALID_ARGUMENT,
        "series indices lie in 0..0",
        lambda p: score(p, series_index=[0, 1]),
    ),
    Case(
        "a series that is named twice",
        SCORE,
        Status.INVALID_ARGUMENT,
        "names each series once",
        lambda p: score(p, series=[WireKey(name="a"), WireKey(name="a")]),
    ),
    Case(
        "a series with neither name nor labels",
        SCORE,
        Status.INVALID_ARGUMENT,
        "a name or at least one label",
        lambda p: score(p, series=[WireKey()]),
    ),
    Case(
        "an infinite value",
        SCORE,
        Status.INVALID_ARGUMENT,
        "found an infinity",
        lambda p: score(p, value=[1.0, float("inf")]),
    ),
    Case(
        "stamps in seconds",
        SCORE,
        Status.INVALID_ARGUMENT,
        "counts milliseconds since 1970",
        lambda p: score(p, timestamp_ms=[1_790_000_000, 1_790_000_060]),
    ),
    Case(
        "stamps in microseconds",
        SCORE,
        Status.INVALID_ARGUMENT,
        "counts milliseconds since 1970",
        lambda p: score(p, timestamp_ms=[1_790_000_000_000_000] * 2),
    ),
    Case("a stamp in the future", SCORE, Status.INVALID_ARGUMENT, "ahead of our clock", in_the_future),
    Case(
        "more new series than are kept", SCORE, Status.RESOURCE_EXHAUSTED, "3 new series are pushed", beyond_the_pushed
    ),
    Case(
        "a deadline that has passed",
        FORECAST,
        Status.DEADLINE_EXCEEDED,
        "Deadline Exceeded",
        lambda p: p.server.forecasting.Forecast(ForecastRequest(query="load", window=timedelta(minutes=5)), timeout=-1),
    ),
    Case(
        "more calls under way than `--queue` lets wait",
        FORECAST,
        Status.RESOURCE_EXHAUSTED,
        "1 calls wait here already",
        beyond_the_bound,
    ),
    Case(
        "neither a query nor a series",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "give one of them",
        lambda p: forecast(p, query=""),
    ),
    Case(
        "neither a path nor a window",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "a path (horizon), a window, or both",
        lambda p: forecast(p, window=timedelta(0)),
    ),
    Case(
        "levels that do not increase",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "levels must increase",
        lambda p: forecast(p, levels=[0.9, 0.5]),
    ),
    Case(
        "a level that is no number",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "levels must increase",
        lambda p: forecast(p, levels=[float("nan")]),
    ),
    Case(
        "a step of nothing",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "step must be positive",
        lambda p: forecast(p, step=timedelta(0)),
    ),
    Case(
        "a length of time that is none",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "window is no length of time",
        lambda p: forecast(p, window=Duration(seconds=1 << 50)),
    ),
    Case(
        "an instant that is none",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "now is no instant",
        lambda p: forecast(p, now=Timestamp(seconds=1 << 50)),
    ),
    Case(
        "a model that the catalog does not have",
        FORECAST,
        Status.INVALID_ARGUMENT,
        "oracle",
        lambda p: forecast(p, window_model="oracle"),
    ),
    Case(
        "a series that is neither watched nor pushed",
        FORECAST,
        Status.NOT_FOUND,
        "neither watched nor pushed",
        lambda p: forecast(p, query="", series=WireKey(name="nobody")),
    ),
    Case(
        "a query that gives nothing",
        FORECAST,
        Status.FAILED_PRECONDITION,
        "matches nothing",
        lambda p: forecast(p, query="nothing"),
    ),
    Case(
        "a query that gives several series",
        FORECAST,
        Status.FAILED_PRECONDITION,
        "gives 2 series",
        lambda p: forecast(p, query="more_*"),
    ),
    Case("a query that Prometheus refuses", FORECAST, Status.FAILED_PRECONDITION, "parse error", of_wrong_promql),
    Case(
        "more queries than `--adopt` lets be kept",
        FORECAST,
        Status.RESOURCE_EXHAUSTED,
        "raise --adopt",
        beyond_the_adopted,
    ),
    Case(
        "a Prometheus that does not answer",
        FORECAST,
        Status.UNAVAILABLE,
        "is being read: ask again",
        of_silent_prometheus,
    ),
    Case("a Prometheus that is not there", FORECAST, Status.UNAVAILABLE, "Connection refused", of_dead_prometheus),
    *(
        Case(what, EXHAUSTION, status, said, asking(given))
        for what, status, said, given in (
            ("no query", Status.INVALID_ARGUMENT, "it is empty", {"query": ""}),
            ("a limit that is no number", Status.INVALID_ARGUMENT, "a limit is a number", {"limit": float("nan")}),
            ("a history of nothing", Status.INVALID_ARGUMENT, "history must hold", {"history": timedelta(0)}),
            ("several series", Status.FAILED_PRECONDITION, "gives 2 series", {"query": "more_*"}),
            (
                "less than two weeks of history",
                Status.FAILED_PRECONDITION,
                "give two weeks or more",
                {"history": timedelta(days=1)},
            ),
        )
    ),
    Case(
        "a method that there is not",
        "/aiops.api.v1.ScoringService/Guess",
        Status.UNIMPLEMENTED,
        "Method not found",
        lambda p: raw(p, "/aiops.api.v1.ScoringService/Guess", b""),
    ),
)
