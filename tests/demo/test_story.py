"""The demo's whole loop against a real, empty Prometheus, on fewer hours than the demo itself."""

import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np

from aiops.adapters.remote_write import RemoteWriter
from aiops.demo.cast import LOADED
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings

MINUTE = timedelta(minutes=1)
AIOPS = [sys.executable, "-m", "aiops"]


def play(prometheus, folder, environment, *arguments):
    return subprocess.run(
        [*AIOPS, "demo", *map(str, arguments), "--report", str(folder / "demo.html")],
        check=False,
        capture_output=True,
        text=True,
        timeout=115,
        env={**environment, "AIOPS_PROMETHEUS__URL": prometheus.url},
    )


def test_the_generated_fleet_is_trained_streamed_and_judged(fresh_prometheus, tmp_path, demo_environment):
    said = play(fresh_prometheus, tmp_path, demo_environment, "--hours", 3)
    assert said.returncode == 0, said.stderr
    assert re.search(r"samples of 10 series written", said.stdout)
    assert re.search(r"page +\w{3} \d\d:\d\d .*expected", said.stdout), said.stdout
    assert "why:" in said.stdout
    assert re.search(r"floor \d+ -> \d+: demand of up to", said.stdout)
    first = re.search(r"the first explained anomaly, (\d+\.\d) s after the start", said.stdout)
    assert first is not None
    assert float(first[1]) < 60
    document = json.loads((tmp_path / "demo.json").read_text())
    assert document["verdict"] in said.stdout
    assert "<svg" in (tmp_path / "demo.html").read_text()
    newest = httpx.get(
        f"{fresh_prometheus.url}/api/v1/query",
        params={"query": "time() - max(timestamp(service:http_requests:rate1m))"},
    )
    assert float(newest.json()["data"]["result"][0]["value"][1]) < 300


def test_a_prometheus_in_use_is_left_alone(fresh_prometheus, tmp_path, demo_environment):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    theirs = Series(key=SeriesKey.of("theirs"), start=now - MINUTE, step=MINUTE, values=np.array([1.0]))
    RemoteWriter(PrometheusSettings(url=fresh_prometheus.url)).write([theirs])
    said = play(fresh_prometheus, tmp_path, demo_environment, "--hours", 1)
    assert said.returncode == 4
    assert "holds data already" in said.stderr


def test_a_folder_plays_moved_to_now(fresh_prometheus, tmp_path, demo_environment):
    root = tmp_path / "traces"
    root.mkdir()
    stamps = np.arange(12 * 1440) * 60 + 1_500_000_000
    values = 100 * (1.5 + np.sin(stamps * 2 * np.pi / 86400)) * np.random.default_rng(1).lognormal(0, 0.05, len(stamps))
    lines = [f"{stamp},{value:.3f}" for stamp, value in zip(stamps, values, strict=True)]
    (root / "shop.csv").write_text("\n".join(["timestamp,value", *lines]) + "\n")
    said = play(fresh_prometheus, tmp_path, demo_environment, "--source", root, "--hours", 1)
    assert said.returncode == 0, said.stderr
    assert "1 series of" in said.stdout
    stamp = f"max_over_time(timestamp({LOADED})[8d:1m])"
    newest = httpx.get(f"{fresh_prometheus.url}/api/v1/query", params={"query": stamp}).json()["data"]["result"]
    assert newest[0]["metric"]["series_id"] == "shop"
    age = time.time() - float(newest[0]["value"][1])
    assert 0 <= age < 7 * 86400 + 120


def test_make_demo_starts_with_the_packages_of_the_demo_only(demo_environment):
    command = [sys.executable, "-m", "testbed", "--prometheus", "--", *AIOPS, "demo", "--help"]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=demo_environment)
    assert said.returncode == 0, said.stderr
    assert "Prometheus is ready" in said.stderr
