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
from aiops.api.v1.forecasting_pb2 import ForecastRequest
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
    Case(
        what="no token",
        method=SCORE,
        status=Status.UNAUTHENTICATED,
        said="send a token",
        call=lambda p: with_token(p, ""),
    ),
    Case(
        what="a wrong token",
        method=SCORE,
        status=Status.UNAUTHENTICATED,
        said="not known here",
        call=lambda p: with_token(p, f"Bearer {TOKEN}x"),
    ),
    Case(
        what="a token that is not called Bearer",
        method=SCORE,
        status=Status.UNAUTHENTICATED,
        said="authorization: Bearer",
        call=lambda p: with_token(p, f"Basic {TOKEN}"),
    ),
    Case(
        what="bytes that are no message",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="no message of this method",
        call=lambda p: raw(p, SCORE, b"\xff\xff\xff"),
    ),
    Case(
        what="bytes that are no message",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="no message of this method",
        call=lambda p: raw(p, FORECAST, b"\x0a\xff"),
    ),
    Case(
        what="text that is not UTF-8",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="no message of this method",
        call=lambda p: raw(p, FORECAST, b"\x0a\x01\xff"),
    ),
    Case(
        what="a message of more than 1 MiB",
        method=SCORE,
        status=Status.RESOURCE_EXHAUSTED,
        said="larger than max",
        call=lambda p: raw(p, SCORE, bytes(2 << 20)),
    ),
    Case(
        what="more than 10 000 points",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="at most, got 10001: send several",
        call=lambda p: score(
            p, series_index=[0] * 10_001, timestamp_ms=[1_700_000_000_000] * 10_001, value=[1.0] * 10_001
        ),
    ),
    Case(
        what="columns of different length",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="got 2, 2 and 1",
        call=lambda p: score(p, value=[1.0]),
    ),
    Case(
        what="an index without a series",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="series indices lie in 0..0",
        call=lambda p: score(p, series_index=[0, 1]),
    ),
    Case(
        what="a series that is named twice",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="names each series once",
        call=lambda p: score(p, series=[WireKey(name="a"), WireKey(name="a")]),
    ),
    Case(
        what="a series with neither name nor labels",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="a name or at least one label",
        call=lambda p: score(p, series=[WireKey()]),
    ),
    Case(
        what="an infinite value",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="found an infinity",
        call=lambda p: score(p, value=[1.0, float("inf")]),
    ),
    Case(
        what="stamps in seconds",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="counts milliseconds since 1970",
        call=lambda p: score(p, timestamp_ms=[1_790_000_000, 1_790_000_060]),
    ),
    Case(
        what="stamps in microseconds",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="counts milliseconds since 1970",
        call=lambda p: score(p, timestamp_ms=[1_790_000_000_000_000] * 2),
    ),
    Case(
        what="a stamp in the future",
        method=SCORE,
        status=Status.INVALID_ARGUMENT,
        said="ahead of our clock",
        call=in_the_future,
    ),
    Case(
        what="more new series than are kept",
        method=SCORE,
        status=Status.RESOURCE_EXHAUSTED,
        said="3 new series are pushed",
        call=beyond_the_pushed,
    ),
    Case(
        what="a deadline that has passed",
        method=FORECAST,
        status=Status.DEADLINE_EXCEEDED,
        said="Deadline Exceeded",
        call=lambda p: p.server.forecasting.Forecast(
            ForecastRequest(query="load", window=timedelta(minutes=5)), timeout=0
        ),
    ),
    Case(
        what="more calls under way than `--queue` lets wait",
        method=FORECAST,
        status=Status.RESOURCE_EXHAUSTED,
        said="1 calls wait here already",
        call=beyond_the_bound,
    ),
    Case(
        what="neither a query nor a series",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="give one of them",
        call=lambda p: forecast(p, query=""),
    ),
    Case(
        what="neither a path nor a window",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="a path (horizon), a window, or both",
        call=lambda p: forecast(p, window=timedelta(0)),
    ),
    Case(
        what="levels that do not increase",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="levels must increase",
        call=lambda p: forecast(p, levels=[0.9, 0.5]),
    ),
    Case(
        what="a level that is no number",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="levels must increase",
        call=lambda p: forecast(p, levels=[float("nan")]),
    ),
    Case(
        what="a step of nothing",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="step must be positive",
        call=lambda p: forecast(p, step=timedelta(0)),
    ),
    Case(
        what="a length of time that is none",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="window is no length of time",
        call=lambda p: forecast(p, window=Duration(seconds=1 << 50)),
    ),
    Case(
        what="an instant that is none",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="now is no instant",
        call=lambda p: forecast(p, now=Timestamp(seconds=1 << 50)),
    ),
    Case(
        what="a model that the catalog does not have",
        method=FORECAST,
        status=Status.INVALID_ARGUMENT,
        said="oracle",
        call=lambda p: forecast(p, window_model="oracle"),
    ),
    Case(
        what="a series that is neither watched nor pushed",
        method=FORECAST,
        status=Status.NOT_FOUND,
        said="neither watched nor pushed",
        call=lambda p: forecast(p, query="", series=WireKey(name="nobody")),
    ),
    Case(
        what="a query that gives nothing",
        method=FORECAST,
        status=Status.FAILED_PRECONDITION,
        said="matches nothing",
        call=lambda p: forecast(p, query="nothing"),
    ),
    Case(
        what="a query that gives several series",
        method=FORECAST,
        status=Status.FAILED_PRECONDITION,
        said="gives 2 series",
        call=lambda p: forecast(p, query="more_*"),
    ),
    Case(
        what="a query that Prometheus refuses",
        method=FORECAST,
        status=Status.FAILED_PRECONDITION,
        said="parse error",
        call=of_wrong_promql,
    ),
    Case(
        what="more queries than `--adopt` lets be kept",
        method=FORECAST,
        status=Status.RESOURCE_EXHAUSTED,
        said="raise --adopt",
        call=beyond_the_adopted,
    ),
    Case(
        what="a Prometheus that does not answer",
        method=FORECAST,
        status=Status.UNAVAILABLE,
        said="is being read: ask again",
        call=of_silent_prometheus,
    ),
    Case(
        what="a Prometheus that is not there",
        method=FORECAST,
        status=Status.UNAVAILABLE,
        said="Connection refused",
        call=of_dead_prometheus,
    ),
    Case(
        what="a method that there is not",
        method="/aiops.api.v1.ScoringService/Guess",
        status=Status.UNIMPLEMENTED,
        said="Method not found",
        call=lambda p: raw(p, "/aiops.api.v1.ScoringService/Guess", b""),
    ),
)
