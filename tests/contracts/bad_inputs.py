"""Everything that can be wrong with what comes in, one case each: how to bring it about, and the class of its error.

`test_bad_input.py` runs them through the command line; `docs/reference/errors.md` is made from what it saw.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from aiops.adapters.remote_write import RemoteWriter
from aiops.errors import (
    AiopsError,
    ConfigError,
    DataError,
    NoSeriesError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
)
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings
from testbed.server import Server, free_port
from tests.adapters.certificates import make_certificates
from tests.adapters.peer import Asked, Reply, peer

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
ARROW = b"PAR1 but not really"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a case happens: an empty working folder, a real Prometheus, the environment."""

    folder: Path
    prometheus: Server
    environment: pytest.MonkeyPatch

    def traces(self, name: str, content: str | bytes) -> list[str]:
        """Write one file into the folder ``traces``, and read that folder."""
        path = self.folder / "traces" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return ["--source", "traces"]

    def query(self, query: str, url: str | None = None, *more: str) -> list[str]:
        """Ask a Prometheus for an hour; the real one unless told."""
        end = NOW.isoformat()
        return ["--source", url or self.prometheus.url, "--query", query, "--history", "1h", "--end", end, *more]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadInput:
    """One case.

    Attributes:
        what: The input, in words; its row in the page.
        arrange: Brings it about, and yields the arguments of ``aiops inspect``.
        error: The class of the error; None if the command does what it can and says what it could not.
    """

    what: str
    arrange: Callable[[Place], AbstractContextManager[list[str]]]
    error: type[AiopsError] | None


@dataclass(slots=True)
class _Cases:
    found: list[BadInput] = field(default_factory=list)

    def __call__(
        self, what: str, error: type[AiopsError] | None
    ) -> Callable[[Callable[[Place], Iterator[list[str]]]], None]:
        def keep(arrange: Callable[[Place], Iterator[list[str]]]) -> None:
            self.found.append(BadInput(what=what, arrange=contextmanager(arrange), error=error))

        return keep

    def file(self, what: str, name: str, content: str | bytes, error: type[AiopsError] | None = DataError) -> None:
        @self(what, error)
        def _(place: Place) -> Iterator[list[str]]:
            yield place.traces(name, content)


case = _Cases()
HEADER = "timestamp,value\n"
GOOD = HEADER + "".join(f"{1_790_000_000 + 60 * row},{row % 7}\n" for row in range(100))
ZIPPED = gzip.compress(GOOD.encode())


@case("a folder that does not exist", DataError)
def _(place: Place) -> Iterator[list[str]]:
    yield ["--source", "traces"]


@case("a folder with nothing in it", DataError)
def _(place: Place) -> Iterator[list[str]]:
    (place.folder / "traces").mkdir()
    yield ["--source", "traces"]


case.file("an empty file", "web.csv", "")
case.file("a header and no rows", "web.csv", HEADER)
case.file("one point", "web.csv", HEADER + "1790000000,1\n")
case.file("the wrong header", "web.csv", "time,requests\n1790000000,1\n1790000060,2\n")
case.file("no header", "web.csv", "1790000000,1\n1790000060,2\n1790000120,3\n")
case.file("unsorted timestamps", "web.csv", HEADER + "1790000000,1\n1790000120,2\n1790000060,3\n")
case.file("all rows at one timestamp", "web.csv", HEADER + "1790000000,1\n1790000000,2\n")
case.file("a value that is no number", "web.csv", HEADER + "1790000000,1\n1790000060,n/k\n")
case.file("a timestamp that is none", "web.csv", HEADER + "1790000000,1\nyesterday,2\n")
case.file("a row without a timestamp", "web.csv", HEADER + "1790000000,1\n,2\n")
case.file("timestamps in milliseconds", "web.csv", HEADER + "1790000000000,1\n1790000060000,2\n")
case.file("a stray timestamp", "web.csv", HEADER + "0,1\n1790000000,1\n1790000060,2\n1790000120,3\n")
case.file("no value at all (NaN only)", "web.csv", HEADER + "1790000000,NaN\n1790000060,\n")
case.file("an infinite value", "web.csv", HEADER + "1790000000,1\n1790000060,inf\n")
case.file("a row with too many columns", "web.csv", HEADER + "1790000000,1\n1790000060,2,3\n")
case.file("gzip that breaks off", "web.csv.gz", ZIPPED[: len(ZIPPED) // 2])
case.file("gzip that is none", "web.csv.gz", GOOD)
case.file("Parquet that is none", "web.parquet", ARROW)
case.file("bytes that are no text", "web.csv", HEADER.encode() + b"\xff\xfe,\xff\n")
case.file("a row without its series id", "fleet.csv", "series_id,timestamp,value\na,1790000000,1\n,1790000060,2\n")


@case("an index that names a missing file", DataError)
def _(place: Place) -> Iterator[list[str]]:
    yield place.traces("index.csv", "name,file\nweb,web.csv.gz\n")


@case("an index that names a series its file does not hold", DataError)
def _(place: Place) -> Iterator[list[str]]:
    place.traces("fleet.csv", "series_id,timestamp,value\na,1790000000,1\na,1790000060,2\n")
    yield place.traces("index.csv", "series_id,file\nb,fleet.csv\n")


@case("an index whose step is not that of the rows", DataError)
def _(place: Place) -> Iterator[list[str]]:
    place.traces("web.csv", GOOD)
    yield place.traces("index.csv", "name,step_s\nweb,300\n")


case.file("an index without names", "index.csv", "file,step_s\nweb.csv,60\n")
case.file("an index with nothing in it", "index.csv", "name,file\n")
case.file("an index with a step that is none", "index.csv", "name,step_s\nweb,often\n")
case.file("an index that leads out of its folder", "index.csv", "name,file\nweb,../secret.csv\n")
case.file("an index with a short row", "index.csv", "name,file,step_s\nweb,web.csv\n")


@case("an index that lists a series twice", DataError)
def _(place: Place) -> Iterator[list[str]]:
    place.traces("web.csv", GOOD)
    yield place.traces("index.csv", "name,file\nweb,web.csv\nweb,web.csv\n")


@case("a pattern that fits no series of the folder", DataError)
def _(place: Place) -> Iterator[list[str]]:
    yield [*place.traces("web.csv", GOOD), "--query", "wsd_*"]


@case("a bad file among good ones", None)
def _(place: Place) -> Iterator[list[str]]:
    place.traces("good.csv", GOOD)
    yield place.traces("bad.csv", "")


ROWS = GOOD.splitlines(keepends=True)
case.file("duplicated timestamps: the first is kept", "web.csv", "".join(ROWS[:50] + ROWS[49:]), None)


@case("a query that matches nothing", NoSeriesError)
def _(place: Place) -> Iterator[list[str]]:
    yield place.query('http_requests{job="shpo"}')


@case("a query for 50 000 series", DataError)
def _(place: Place) -> Iterator[list[str]]:
    values = np.array([1.0])
    RemoteWriter(PrometheusSettings(url=place.prometheus.url)).write(
        [
            Series(
                key=SeriesKey.of("temperature", {"sensor": str(number)}),
                start=NOW - timedelta(minutes=1),
                step=timedelta(minutes=1),
                values=values,
            )
            for number in range(50_000)
        ]
    )
    yield place.query("temperature")


@case("a raw counter", DataError)
def _(place: Place) -> Iterator[list[str]]:
    yield place.query("http_requests_total")


@case("a query that is no PromQL", UpstreamRejectedError)
def _(place: Place) -> Iterator[list[str]]:
    yield place.query("sum(up")


@case("a Prometheus without a query", ConfigError)
def _(place: Place) -> Iterator[list[str]]:
    yield ["--source", place.prometheus.url]


@case("Prometheus is down", UpstreamUnavailableError)
def _(place: Place) -> Iterator[list[str]]:
    yield place.query("up", f"http://localhost:{free_port()}")


@case("Prometheus is slow", UpstreamUnavailableError)
def _(place: Place) -> Iterator[list[str]]:
    place.environment.setenv("AIOPS_PROMETHEUS__TIMEOUT", "1s")
    with peer(lambda _: Reply(pause=60)) as server:
        yield place.query("up", server.url)


def replies(what: str, error: type[AiopsError], reply: Reply) -> None:
    """Keep a case in which the server gives one answer to everything."""

    @case(what, error)
    def _(place: Place) -> Iterator[list[str]]:
        with peer(lambda _: reply) as server:
            yield place.query("up", server.url)


def said(status: int, message: str) -> Reply:
    """Answer as Prometheus does when it cannot."""
    return Reply(status=status, body=json.dumps({"status": "error", "error": message}).encode())


replies("Prometheus answers 400", UpstreamRejectedError, said(400, "query expression too long"))
replies("Prometheus answers 422", UpstreamRejectedError, said(422, "query would load too many samples into memory"))
replies("Prometheus answers 401", UpstreamRejectedError, Reply(status=401, body=b"Unauthorized"))
replies("Prometheus answers 500", UpstreamUnavailableError, Reply(status=500, body=b"out of file descriptors"))
replies("Prometheus answers 503", UpstreamUnavailableError, said(503, "query timed out in expression evaluation"))
replies("the answer is HTML", UpstreamRejectedError, Reply(body=b"<!doctype html><title>Sign in</title>"))
replies("the answer breaks off", UpstreamUnavailableError, Reply(body=b'{"status":"success","da', claimed_length=9000))
replies(
    "the answer is a redirect", UpstreamRejectedError, Reply(status=302, headers={"Location": "https://login.example"})
)


@case("a certificate that nobody vouches for", UpstreamRejectedError)
def _(place: Place) -> Iterator[list[str]]:
    with peer(lambda _: Reply(), tls=make_certificates(place.folder).server_context()) as server:
        yield place.query("up", server.url)


@case("Prometheus has a part of the range only", None)
def _(place: Place) -> Iterator[list[str]]:
    def answer(asked: Asked) -> Reply:
        start, end, step = (float(asked.form[name]) for name in ("start", "end", "step"))
        if end < NOW.timestamp() - 1 and "count" not in asked.form["query"]:
            return said(503, "store is unreachable")
        points = [[start + column * step, str(column % 7)] for column in range(round((end - start) / step) + 1)]
        rows = [{"metric": {"__name__": "up"}, "values": points}]
        data = {"resultType": "matrix", "result": rows}
        return Reply(body=json.dumps({"status": "success", "data": data}).encode())

    with peer(answer) as server:
        yield place.query("up", server.url, "--history", "20d")


@case("an address that is none", ConfigError)
def _(place: Place) -> Iterator[list[str]]:
    yield ["--source", "prometheus://shop", "--query", "up"]


@case("an unknown setting in the environment", ConfigError)
def _(place: Place) -> Iterator[list[str]]:
    place.environment.setenv("AIOPS_PROMETHEUS_URL", "http://localhost:9090")
    yield place.traces("web.csv", GOOD)


@case("a setting with a wrong value", ConfigError)
def _(place: Place) -> Iterator[list[str]]:
    place.environment.setenv("AIOPS_PROMETHEUS__TIMEOUT", "soon")
    yield place.traces("web.csv", GOOD)


CASES = tuple(case.found)
