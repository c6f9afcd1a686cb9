"""Each system that the operator needs goes away for a while: nothing is taken away, it is said, and it recovers."""

import re
import subprocess
import time

import pytest
from prometheus_client import REGISTRY

import testbed.apiserver
import testbed.prometheus
from testbed.api_proxy import api_proxy
from testbed.server import free_port
from tests.operators.conftest import with_crd
from tests.operators.process import Process
from tests.operators.service import service
from tests.operators.stage import Stage, stays, within

BLIND_SECONDS = 4.0  # eight minutes of the stage: more than twice its stabilization window
HIGH, LOW = 1000, 400


def up(upstream):
    return REGISTRY.get_sample_value("aiops_upstream_up", {"upstream": upstream})


def again(server):
    """Start a program anew: the same command, port and data."""
    with server.log.open("ab") as log:
        return subprocess.Popen(
            server.process.args, cwd=server.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )


@pytest.mark.parametrize(
    ("away_seconds", "keeps_lease"),
    [
        pytest.param(3.0, True, id="a moment"),
        pytest.param(11.0, False, id="longer than the lease", marks=pytest.mark.slow),
    ],
)
def test_the_api_away_and_back(stage, tmp_path, away_seconds, keeps_lease):
    knob = stage.knob("demand", otherwise=500)
    with api_proxy(stage.api) as way, Process(stage, way.kubeconfig(stage.api), tmp_path, "alone") as operator:
        stage.service(own=3)
        stage.scaler(query=knob.query)
        within(30, lambda: stage.floor() == 10)
        way.fail()
        time.sleep(away_seconds)
        knob.set(1000)
        assert stage.floor() == 10
        way.recover()
        took = within(20, lambda: stage.floor() > 10)
        print(f"\nthe API was away for {away_seconds:.0f} s; back -> floor raised: {took:.1f} s")
        assert operator.process.poll() is None
        log = operator.log.read_text()
        assert "did not answer" in log
        assert ("lease lost" not in log) is keeps_lease


@pytest.mark.slow
def test_kube_apiserver_killed_and_started_again(prometheus, tmp_path):
    with testbed.apiserver.apiserver() as api:
        stage = Stage(api=with_crd(api), prometheus=prometheus.url, name="restarted")
        knob = stage.knob("demand", otherwise=500)
        with Process(stage, api.kubeconfig, tmp_path, "alone") as operator:
            stage.service(own=3)
            stage.scaler(query=knob.query)
            within(30, lambda: stage.floor() == 10)
            server = api.servers[1]
            server.process.kill()
            server.process.wait()
            time.sleep(5)
            knob.set(1000)
            process = again(server)
            try:
                began = time.monotonic()
                within(60, lambda: reached(stage) and stage.floor() > 10)
                print(f"\nkube-apiserver started again -> floor raised: {time.monotonic() - began:.1f} s")
                assert operator.process.poll() is None
            finally:
                process.kill()
                process.wait()


def reached(stage):
    try:
        stage.read()
    except Exception:  # noqa: BLE001 - not yet
        return False
    return True


def test_prometheus_gone_takes_nothing_away_and_back_it_goes_on(cluster):
    with testbed.prometheus.prometheus() as server:
        stage = Stage(api=with_crd(cluster.api), prometheus=server.url, name="no-prometheus")
        knob = stage.knob("demand", otherwise=HIGH)
        with stage.operator():
            stage.service(own=3)
            stage.scaler(query=knob.query)
            within(30, lambda: stage.floor() == 20)
            knob.set(LOW)
            gone = time.monotonic()
            server.stop()
            within(15, lambda: stage.condition("ForecastAvailable").get("status") == "False")
            print(f"\nPrometheus gone -> condition: {time.monotonic() - gone:.1f} s")
            assert up("prometheus") == 0
            stays(BLIND_SECONDS, lambda: stage.floor() == 20)
            within(30, lambda: stage.ready() == 20)
            assert stage.status()["reason"] == "ForecastMissing"
            assert "cannot reach Prometheus" in stage.condition("ForecastAvailable")["message"]
            process = again(server)
            try:
                began = time.monotonic()
                within(40, lambda: stage.floor() < 20)
                print(f"Prometheus back -> first scale-down: {time.monotonic() - began:.1f} s")
                assert up("prometheus") == 1
            finally:
                process.kill()
                process.wait()
        stage.leave()


def test_the_service_gone_takes_nothing_away_and_back_it_goes_on(cluster, prometheus, tmp_path):
    stage = Stage(api=with_crd(cluster.api), prometheus=prometheus.url, name="no-service")
    knob = stage.knob("demand", otherwise=HIGH)
    port = free_port()
    with service(stage, tmp_path, port) as first:
        forecasts = first.forecasts()
        with stage.operator(forecasts=forecasts):
            stage.service(own=3)
            stage.scaler(query=knob.query)
            within(60, lambda: stage.floor() == 20)
            knob.set(LOW)
            gone = time.monotonic()
            first.server.stop()
            within(15, lambda: stage.condition("ForecastAvailable").get("status") == "False")
            print(f"\nservice gone -> condition: {time.monotonic() - gone:.1f} s")
            assert up("forecasts") == 0
            assert up("prometheus") == 1
            stays(BLIND_SECONDS, lambda: stage.floor() == 20)
            within(30, lambda: stage.ready() == 20)
            assert stage.status()["demand"] == LOW, "demand is read without the service"
            with service(stage, tmp_path, port):
                began = time.monotonic()
                within(60, lambda: stage.floor() < 20)
                print(f"service back -> first scale-down: {time.monotonic() - began:.1f} s")
    stage.leave()


def test_a_service_that_refuses_us_takes_nothing_away(stage, tmp_path):
    knob = stage.knob("demand", otherwise=HIGH)
    with service(stage, tmp_path) as running:
        with stage.operator(forecasts=running.forecasts()):
            stage.service(own=3)
            stage.scaler(query=knob.query)
            within(60, lambda: stage.floor() == 20)
        knob.set(LOW)
        with stage.operator(forecasts=running.forecasts("another-token-than-that-one")):
            within(20, lambda: stage.condition("ForecastAvailable").get("status") == "False")
            stays(BLIND_SECONDS, lambda: stage.floor() == 20)
            assert "token" in stage.condition("ForecastAvailable")["message"]


def test_a_forecast_that_is_too_old_is_none(stage):
    """The series ends; a model goes on from its last value, and each minute what it says is worth less."""
    with stage.operator():
        stage.service(own=3)
        end = stage.clock.now().timestamp() + 6 * 60
        stage.scaler(query=f"vector({HIGH}) unless on() (vector(time()) > {end})", forecast={"staleAfter": "3m"})
        within(30, lambda: stage.floor() == 20)
        within(15, lambda: stage.condition("ForecastAvailable").get("status") == "Unknown")  # old, not too old
        within(15, lambda: stage.condition("ForecastAvailable").get("status") == "False")
        message = stage.condition("ForecastAvailable")["message"]
        assert re.search(r"the forecast by holt-winters is \d+ s old, and forecast.staleAfter is 180 s", message)
        stays(BLIND_SECONDS, lambda: stage.floor() == 20)
