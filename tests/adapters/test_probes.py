"""What probes and Prometheus are told over HTTP."""

import asyncio
import socket
import time

import httpx
import pytest

from aiops import telemetry
from aiops.adapters import probes
from aiops.adapters.probes import Heartbeat, Probes
from aiops.errors import ConfigError


def test_probes_tell_whether_and_why_not():
    trouble = {"alive": "", "ready": "history is being read"}
    served = Probes("127.0.0.1", 0, alive=lambda: trouble["alive"], ready=lambda: trouble["ready"])
    with served, httpx.Client(base_url=f"http://127.0.0.1:{served.port}") as client:
        answer = client.get("/healthz")
        assert (answer.status_code, answer.text) == (200, "ok\n")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "history is being read\n")
        trouble["ready"] = ""
        assert client.get("/readyz").status_code == 200
        assert client.get("/elsewhere").status_code == 404


def test_our_metrics_are_served():
    telemetry.counter(telemetry.REQUESTS_SHED).inc(0)
    served = Probes("::1", 0, alive=lambda: "", ready=lambda: "")
    with served, httpx.Client(base_url=f"http://[::1]:{served.port}") as client:
        text = client.get("/metrics").text
    assert "# TYPE aiops_requests_shed_total counter" in text
    assert "process_resident_memory_bytes" in text


def test_an_address_that_is_taken_is_a_clear_error():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigError, match="cannot listen on"),
    ):
        Probes("127.0.0.1", taken.getsockname()[1], alive=lambda: "", ready=lambda: "")


def test_a_loop_that_stands_still_is_noticed(monkeypatch):
    monkeypatch.setattr(probes, "_DEAD_SECONDS", 0.2)
    monkeypatch.setattr(probes, "_BEAT_SECONDS", 0.01)

    async def work():
        heartbeat = Heartbeat()
        beating = asyncio.create_task(heartbeat.run())
        await asyncio.sleep(0.3)
        assert heartbeat.trouble() == ""
        time.sleep(0.3)  # noqa: ASYNC251 - a loop that stands still is what is tested
        assert "has not turned" in heartbeat.trouble()
        beating.cancel()

    asyncio.run(work())
