"""Each call that goes wrong ends with the status of docs/reference/grpc.md, and one that goes well with its answer.

The table of the page is made here: `make docs` runs this file with --write-reference.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from aiops import telemetry
from aiops.api.v1.forecasting_pb2 import ForecastRequest
from aiops.api.v1.scoring_pb2 import ScoreRequest
from aiops.server.statuses import PUSHBACK
from tests.server import calls
from tests.server.calls import CASES, FORECAST, SCORE, Place
from tests.server.serving import TOKEN, request, serving

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "grpc.md"
HEAD = "| call | what is wrong | status | message |\n|---|---|---|---|\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("state"), source=calls.known()) as running:
        yield running


@pytest.fixture(scope="module")
def page(request):
    """The rows by case; written to the page at the end if that was asked for."""
    rows: dict[int, str] = {}
    yield rows
    if request.config.getoption("--write-reference"):
        assert len(rows) == len(CASES), "the page is written from all cases"
        before, _, rest = PAGE.read_text().partition(HEAD)
        after = re.sub(r"\A(\|.*\n)*", "", rest)
        PAGE.write_text(before + HEAD + "".join(f"{rows[number]}\n" for number in sorted(rows)) + after)


def as_row(case, message):
    message = re.sub(r"127\.0\.0\.1:\d+", "localhost:9090", message)
    message = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", "2026-01-31T12:00:00", message)
    message = re.sub(r"in [\d.]+ s,", "in 0.26 s,", message)
    message = " ".join(message.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return f"| {case.method.rpartition('/')[2]} | {case.what} | {case.status.name} | {message} |"


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{each.what} ({each.method[-8:]})" for each in CASES])
def test_it_ends_with_its_status(number, server, tmp_path, prometheus, page, request):
    case = CASES[number]
    with pytest.raises(grpc.RpcError) as refused:
        case.call(Place(server=server, folder=tmp_path, prometheus=prometheus))
    said = refused.value.details() or ""
    assert refused.value.code() is case.status, said
    assert case.said in said
    assert TOKEN not in said
    page[number] = as_row(case, said)
    if not request.config.getoption("--write-reference"):
        assert page[number] in PAGE.read_text(), "run: make docs"


def test_who_is_sent_away_is_told_when_to_come_back(server, tmp_path, prometheus):
    shed = telemetry.counter(telemetry.REQUESTS_SHED)._value
    before = shed.get()
    with pytest.raises(grpc.RpcError) as refused:
        calls.beyond_the_bound(Place(server=server, folder=tmp_path, prometheus=prometheus))
    told: Any = refused.value.trailing_metadata()
    assert 10 <= int(dict(told)[PUSHBACK]) <= 5000
    assert shed.get() > before


def test_every_call_is_counted_by_its_status(server):
    counted = telemetry.counter(telemetry.REQUESTS)
    method = SCORE
    before = [counted.labels(method, code)._value.get() for code in ("OK", "INVALID_ARGUMENT")]
    server.scoring.Score(request([1.0], names=("counted",)))
    with pytest.raises(grpc.RpcError):
        server.scoring.Score(ScoreRequest(value=[1.0]))
    assert [counted.labels(method, code)._value.get() for code in ("OK", "INVALID_ARGUMENT")] == [
        before[0] + 1,
        before[1] + 1,
    ]


def test_a_fault_of_ours_says_where_to_find_it_and_nothing_else(server, monkeypatch, capsys):
    def broken(batch):
        raise ZeroDivisionError("an inside that is nobody's business")

    monkeypatch.setattr(server.live, "score", broken)
    with pytest.raises(grpc.RpcError) as refused:
        server.scoring.Score(request([1.0]))
    assert refused.value.code() is grpc.StatusCode.INTERNAL
    said = refused.value.details() or ""
    reference = said.rpartition(" ")[2]
    assert "nobody's business" not in said
    logged = capsys.readouterr()
    assert re.search(rf"call failed.*{reference}", logged.out + logged.err, re.DOTALL)


def test_points_are_scored_in_their_order(server):
    answer = server.scoring.Score(request([1.0, 2.0, float("nan"), 4.0], names=("a", "b")))
    assert len(answer.score) == len(answer.expected) == len(answer.outcome) == 4
    assert list(answer.detectors) == ["fleet"]
    assert all(answer.warming_up[index] for index in (0, 1, 3))


def test_late_points_and_duplicates_are_told_and_do_no_harm(server):
    sent = request([5.0] * 6, names=("slow",))
    server.scoring.Score(sent)
    again = server.scoring.Score(sent)
    assert set(again.outcome) == {2}
    earlier = ScoreRequest(
        series=sent.series, series_index=[0], timestamp_ms=[sent.timestamp_ms[0] - 60_000], value=[5.0]
    )
    assert list(server.scoring.Score(earlier).outcome) == [3]


def test_an_empty_batch_is_no_error(server):
    assert list(server.scoring.Score(ScoreRequest()).score) == []


def test_a_window_is_forecast_with_its_model(server):
    answer = server.forecasting.Forecast(ForecastRequest(query="load", window=timedelta(minutes=5)), timeout=20)
    assert answer.key.name == "load"
    assert list(answer.window_maximum.levels) == [0.5, 0.9, 0.95, 0.99]
    assert 20 < answer.window_maximum.values[0] < answer.window_maximum.values[3] < 200
    assert answer.window_maximum.model.name == "holt-winters"
    assert not answer.HasField("path_answer")
    assert timedelta(0) <= answer.data_age.ToTimedelta() < timedelta(minutes=5)


def test_why_there_is_no_path_is_said_beside_the_window(server):
    asked = ForecastRequest(query="load", window=timedelta(minutes=5), horizon=timedelta(hours=1))
    answer = server.forecasting.Forecast(asked, timeout=20)
    assert answer.HasField("window_maximum")
    assert "no champion" in answer.no_path_reason


def test_the_cases_cover_both_methods():
    assert {SCORE, FORECAST} <= {case.method for case in CASES}
