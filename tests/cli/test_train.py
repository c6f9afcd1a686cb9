"""``aiops train`` as a user starts it: table, files, exit codes; and telemetry from a real Prometheus."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pytest

from aiops.adapters.bundle_files import read_bundle
from aiops.adapters.mlflow_models import MlflowModels
from aiops.adapters.remote_write import RemoteWriter
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings
from testbed.mlflow import kill, mlflow
from testbed.server import free_port
from tests.cli import program
from tests.cli.program import end

STEP = 1800


begin = partial(program.begin, "train", "--workers", "1", "--horizon", "1d", MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")


def run(*arguments, cwd):
    return end(begin(*arguments, cwd=cwd))


def values(level, count, seed):
    noise = np.random.default_rng(seed).lognormal(0, 0.1, count)
    return level * (1.5 + np.sin(np.arange(count) * STEP * 2 * np.pi / 86400)) * noise


@pytest.fixture
def traces(tmp_path):
    root = tmp_path / "traces"
    root.mkdir()
    for number, name in enumerate(("search", "shop")):
        rows = [f"{1_790_000_000 + STEP * row},{each}" for row, each in enumerate(values(100, 14 * 48, number))]
        (root / f"{name}.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
    return root


def test_a_run_its_rerun_from_the_snapshot_and_a_partial_one(traces, tmp_path):
    first = run("--source", "traces", "--format", "json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert [row["series_id"] for row in json.loads(first.stdout)] == ["search", "shop"]
    assert "version 1 of aiops-forecasts is the champion: there was no champion" in first.stderr
    assert "INFO" not in first.stderr
    assert "Warning" not in first.stderr
    (snapshot,) = (tmp_path / "training" / "snapshots").iterdir()
    (bundle,) = (tmp_path / "training" / "bundles").iterdir()
    kept = {path.name: path.read_bytes() for path in bundle.iterdir()}

    again = run("--snapshot", snapshot, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == kept
    assert "version 1 of aiops-forecasts is registered, and aiops-forecasts keeps version 1" in again.stderr

    rows = (traces / "shop.csv").read_text().splitlines()
    (traces / "young.csv").write_text("\n".join([rows[0], *rows[-40:]]) + "\n")
    partial = run("--source", "traces", "--format", "csv", "--output", "table.csv", cwd=tmp_path)
    assert partial.returncode == 5, partial.stderr
    assert "left out: young: too short: 40 points, and 240" in partial.stderr
    assert (tmp_path / "table.csv").read_text().startswith("series_id,recipe,folds,mase,crps")


def test_an_mlflow_that_is_away_is_4_and_the_bundle_is_kept(traces, tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    said = run("--source", "traces", "--registry", url, cwd=tmp_path)
    assert said.returncode == 4, said.stderr
    assert url in said.stderr
    assert "Traceback" not in said.stderr
    (bundle,) = (tmp_path / "training" / "bundles").iterdir()
    assert bundle.name in said.stderr
    assert len(read_bundle(bundle).entries) == 2


def test_an_mlflow_that_is_killed_in_the_middle_is_4_and_a_rerun_recovers(traces, tmp_path):
    with mlflow(tmp_path) as server:
        process = begin("--source", "traces", "--registry", server.url, cwd=tmp_path)
        while "registered-models/get" not in server.log_tail():  # it was asked who is champion; now the fitting begins
            assert process.poll() is None, end(process).stderr
            time.sleep(0.02)
        kill(server)
    said = end(process)
    assert said.returncode == 4, said.stderr
    assert "is not registered: run again with --snapshot" in said.stderr
    assert "Traceback" not in said.stderr
    (bundle,) = (tmp_path / "training" / "bundles").iterdir()
    (snapshot,) = (tmp_path / "training" / "snapshots").iterdir()
    with mlflow(tmp_path) as server:
        again = run("--snapshot", snapshot, "--registry", server.url, cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert "version 1 of aiops-forecasts is the champion" in again.stderr
        champion = asyncio.run(MlflowModels(server.url).champion("aiops-forecasts"))
        assert champion is not None
        assert champion.digest[:16] == bundle.name


@pytest.mark.slow  # tests/adapters/test_ray_mapper.py compares what comes of a shard
@pytest.mark.timeout(300)
def test_ray_gives_the_same_bundle(traces, tmp_path):
    here = run("--source", "traces", "--folder", "here", "--registry", "sqlite:///here/mlflow.db", cwd=tmp_path)
    assert here.returncode == 0, here.stderr
    (snapshot,) = (tmp_path / "here" / "snapshots").iterdir()
    there = run(
        "--snapshot", snapshot, "--folder", "there", "--registry", "sqlite:///there/mlflow.db", "--engine", "ray",
        cwd=tmp_path,
    )  # fmt: skip
    assert there.returncode == 0, there.stderr
    bundles = [next((tmp_path / folder / "bundles").iterdir()) for folder in ("here", "there")]
    assert bundles[0].name == bundles[1].name
    contents = [{path.name: path.read_bytes() for path in bundle.iterdir()} for bundle in bundles]
    assert contents[0] == contents[1]
    without_path = [line for line in there.stderr.splitlines() if not line.startswith(("bundle: ", "snapshot: "))]
    assert without_path == ["version 1 of aiops-forecasts is the champion: there was no champion"], "Ray says nothing"


def test_an_address_of_ray_needs_ray(traces, tmp_path):
    said = run("--source", "traces", "--ray-address", "ray://head:10001", cwd=tmp_path)
    assert said.returncode == 2
    assert "--ray-address goes with --engine ray" in said.stderr


def test_a_prometheus_is_trained_on_up_to_its_last_whole_step(prometheus, tmp_path):
    now = datetime.now(UTC)
    end = now - timedelta(seconds=now.timestamp() % STEP)
    step = timedelta(seconds=STEP)
    series = [
        Series(
            key=SeriesKey.of("trained_load", {"pod": pod}),
            start=end - 8 * 48 * step,
            step=step,
            values=values(50, 8 * 48, number),
        )
        for number, pod in enumerate("ab")
    ]
    RemoteWriter(PrometheusSettings(url=prometheus.url)).write(series)
    said = run(
        "--source", prometheus.url, "--query", "trained_load", "--step", "30m", "--history", "8d", "--folder", "kept",
        "--registry", "sqlite:///kept/mlflow.db", "--end", end.isoformat(), cwd=tmp_path,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    (folder,) = (tmp_path / "kept" / "bundles").iterdir()
    found = read_bundle(folder)
    assert found.cutoff == end - step
    assert found.lineage.query == "trained_load"
    assert found.lineage.until == end
