"""More calls than the service takes, and calls that take longer than they may."""

import time
from collections import Counter
from datetime import timedelta

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aiops import telemetry
from aiops.adapters.prometheus import PrometheusSource
from aiops.api.v1.forecasting_pb2 import ForecastRequest
from aiops.server.statuses import PUSHBACK
from aiops.settings import PrometheusSettings
from tests.server.calls import FORECAST
from tests.server.serving import request, serving, silent_server

NAMES = [f"s{number}" for number in range(1000)]


def test_a_burst_is_shed_and_not_queued_without_end_and_health_answers_meanwhile(tmp_path):
    batch = request([1.0] * 5000, names=NAMES)
    with serving(tmp_path, queue=4) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        server.scoring.Score(batch, timeout=30)
        calls = [server.scoring.Score.future(batch, timeout=60) for _ in range(60)]
        began = time.monotonic()
        health.Check(health_pb2.HealthCheckRequest(), timeout=30)
        waited = time.monotonic() - began
        ended = Counter(each.code() for each in calls)
        assert set(ended) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert ended[grpc.StatusCode.OK] >= 4
        shed = [each for each in calls if each.code() is grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert all(PUSHBACK in dict(each.trailing_metadata()) for each in shed)
        assert all(set(each.result().outcome) == {2} for each in calls if each.code() is grpc.StatusCode.OK)
        assert waited < 10
        server.scoring.Score(batch, timeout=30)  # and there is room again


@pytest.fixture
def waiting(tmp_path):
    """A service whose Prometheus does not answer, which lets a call wait for a fraction of a second."""
    with silent_server() as url:
        settings = PrometheusSettings(url=url, attempts=1, timeout=timedelta(seconds=2))
        with serving(tmp_path, source=PrometheusSource(settings), deadline=timedelta(seconds=0.3)) as server:
            yield server


def test_a_call_that_brings_no_deadline_gets_ours(waiting):
    with pytest.raises(grpc.RpcError) as late:
        waiting.forecasting.Forecast(ForecastRequest(query="load", window=timedelta(minutes=5)))
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert late.value.details() == "the deadline has passed; ask for less, or give it more time"


def test_a_call_whose_deadline_passes_is_given_up_on_both_sides(waiting):
    counted = telemetry.counter(telemetry.REQUESTS)
    ends = [counted.labels(FORECAST, code)._value for code in ("DEADLINE_EXCEEDED", "CANCELLED")]
    before = [each.get() for each in ends]
    asked = ForecastRequest(query="load", window=timedelta(minutes=5))
    for _ in range(5):
        with pytest.raises(grpc.RpcError) as late:
            waiting.forecasting.Forecast(asked, timeout=0.2)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    call = waiting.forecasting.Forecast.future(asked, timeout=30)
    time.sleep(0.1)
    call.cancel()
    until = time.monotonic() + 5
    while sum(each.get() for each in ends) < sum(before) + 6 and time.monotonic() < until:
        time.sleep(0.02)
    assert [each.get() for each in ends] == [before[0] + 5, before[1] + 1]
