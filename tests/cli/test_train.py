"""``aiops train`` as a user starts it: table, files, exit codes; and telemetry from a real Prometheus."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters.bundle_files import read_bundle
from aiops.adapters.remote_write import RemoteWriter
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings
from testbed.server import free_port

STEP = 1800


def run(*arguments, cwd):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIOPS_")}
    return subprocess.run(
        [sys.executable, "-m", "aiops", "train", "--workers", "1", "--horizon", "1d", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=clean | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"},
        timeout=110,
    )


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
