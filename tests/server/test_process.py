"""``aiops serve`` as a process: how it starts, how it refuses to, and how it ends with calls under way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from aiops.api.v1 import forecasting_pb2_grpc, scoring_pb2_grpc
from aiops.api.v1.forecasting_pb2 import ForecastRequest
from aiops.api.v1.scoring_pb2 import ScoreStreamRequest
from tests.server.serving import request, silent_server
from tests.server.test_stream import Batches

ANY = "127.0.0.1:0"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Process:
    """A running service.

    Attributes:
        listen: Its address.
        metrics: That of its probes.
        channel: To it.
    """

    def __init__(self, process, log):
        self.process = process
        self.log = log
        started = self.wait_for("service started")
        self.listen, self.metrics = started["listen"], started["metrics"]
        self.channel = grpc.insecure_channel(self.listen)

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def wait_for(self, event):
        until = time.monotonic() + 60
        while True:
            found = [each for each in self.lines() if each["event"] == event]
            if found:
                return found[0]
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


def command(*arguments):
    return [sys.executable, "-m", "aiops", "serve", "--listen", ANY, "--metrics", ANY, *arguments]


def environment(**given):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIOPS_", "OTEL_"))}
    return (
        clean | {"AIOPS_ALERTMANAGER__URL": "http://127.0.0.1:9", "AIOPS_PROMETHEUS__URL": "http://127.0.0.1:9"} | given
    )


@contextmanager
def served(folder, *arguments, **given) -> Iterator[Process]:
    """Serve in a process until the block ends."""
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(*arguments), cwd=folder, env=environment(**given), stdout=output, stderr=output
        )
    try:
        running = Process(process, log)
        yield running
        running.channel.close()
    finally:
        process.kill()
        process.wait()


def test_calls_under_way_are_answered_after_sigterm(tmp_path):
    with silent_server() as url, served(tmp_path, AIOPS_PROMETHEUS__URL=url) as service:
        health = health_pb2_grpc.HealthStub(service.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        while next(watch).status != SERVING:
            pass
        assert httpx.get(f"http://{service.metrics}/readyz").status_code == 200
        batches = Batches()
        stream = scoring_pb2_grpc.ScoringServiceStub(service.channel).ScoreStream(batches, timeout=60)
        batches.send(request([1.0]))
        assert list(next(stream).scored.outcome) == [1]
        asked = ForecastRequest(query="load", window=timedelta(minutes=5))
        under_way = forecasting_pb2_grpc.ForecastServiceStub(service.channel).Forecast.future(asked, timeout=60)
        service.wait_for("query adopted")
        began = time.monotonic()
        code = service.end()
        took = time.monotonic() - began
        assert under_way.code() is grpc.StatusCode.UNAVAILABLE
        assert "the history of 'load' is being read" in under_way.details()  # an answer of ours, after its second
        with pytest.raises(grpc.RpcError):
            next(stream)
        assert stream.code() is grpc.StatusCode.UNAVAILABLE
        assert "open the stream again" in stream.details()
        assert [each.status for each in watch] == [NOT_SERVING]
        assert code == 0
        assert took < 10  # a Prometheus that does not answer holds nothing up
        events = [each["event"] for each in service.lines()]
        assert events.index("service drains") < events.index("service stopped")


def test_a_drain_does_not_last_for_ever(tmp_path):
    with served(tmp_path, "--reflection", "--drain", "1s") as service:
        reflection = reflection_pb2_grpc.ServerReflectionStub(service.channel)
        idle = reflection.ServerReflectionInfo(Batches())
        time.sleep(0.2)
        began = time.monotonic()
        assert service.end(signal.SIGINT) == 0
        assert 1 <= time.monotonic() - began < 10
        assert idle.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def test_log_lines_are_json_and_count_calls(tmp_path):
    with served(tmp_path) as service:
        scoring = scoring_pb2_grpc.ScoringServiceStub(service.channel)
        for index in range(50):
            scoring.Score(request([1.0], names=(f"s{index}",)), timeout=10)
        list(scoring.ScoreStream(iter([ScoreStreamRequest()]), timeout=10))
        assert service.end() == 0
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
        counted = {
            each["method"].rpartition("/")[2]: each["calls"] for each in lines if each["event"] == "calls answered"
        }
        assert counted == {"Score": 50, "ScoreStream": 1}
        assert len(lines) < 20


def test_a_rehearsed_past_is_the_present_of_the_service(tmp_path):
    rehearsal = {"AIOPS_CLOCK__START": "2026-01-31T12:00:00Z", "AIOPS_CLOCK__ANCHOR": "2026-01-31T12:00:00Z"}
    with served(tmp_path, **rehearsal, AIOPS_CLOCK__SPEED="0.001") as service, pytest.raises(grpc.RpcError) as refused:
        scoring_pb2_grpc.ScoringServiceStub(service.channel).Score(request([1.0]), timeout=10)
    assert "ahead of our clock, 2026-01-31T" in (refused.value.details() or "")


def refused(folder, *arguments):
    """Return what a service that does not start says."""
    done = subprocess.run(
        command(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "0.0.0.0:0"], "can be reached from the network"),
        (["--listen", "50051"], "is no address"),
        (["--tls-key", "tls.key"], "come together"),
        (["--tls-key", "tls.key", "--tls-certificate", "tls.crt"], "cannot read tls.crt"),
        (["--token-file", "token"], "token file token: No such file"),
        (["--watch", "monitors.yaml"], "monitors.yaml"),
        (["--queue", "0"], "--queue"),
        (["--drain", "soon"], "not a length of time"),
    ],
)
def test_what_is_wrong_is_said_before_it_serves(tmp_path, arguments, said):
    assert said in refused(tmp_path, *arguments)


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for option, said in (("--listen", f"cannot listen on {address}"), ("--metrics", "for probes and metrics")):
            assert said in refused(tmp_path, option, address)


def test_two_services_do_not_share_a_state_folder(tmp_path):
    with served(tmp_path):
        assert "give each its own --state" in refused(tmp_path)
