"""One folder of every trouble that telemetry has, and workers that die: each costs what it must, and nobody else's."""

import csv
import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from aiops.cli.output import PARTIAL
from tests.cli.program import begin, end, run

STEP = 1800
END = 1_790_000_000
DAYS = 12
ROWS = DAYS * 48


def load(count=ROWS, scale=1.0, step=STEP, seed=1):
    noise = np.random.default_rng(seed).lognormal(0, 0.1, count)
    return scale * (1.5 + np.sin(np.arange(count) * step * 2 * np.pi / 86400)) * noise


def rows(values, step=STEP):
    """Stamp values so that the last one ends at ``END``."""
    return [f"{END - step * (len(values) - row)},{value:.6g}" for row, value in enumerate(values)]


def negative():
    values = load()
    values[::50] = -7.0
    return rows(values)


GOOD = {"mail": rows(load(seed=2)), "shop": rows(load(seed=3))}
# Of each kind: its rows, what `forecast` and what `train` say of it; None if it gets its forecast.
KINDS = {
    "short": (rows(load(1)), "holds one row", "holds one row"),
    "nothing": ([f"{END - STEP * row}," for row in range(ROWS, 0, -1)], "has no value in any", "has no value in any"),
    "jump": ([*rows(load()), f"{END - 40 * STEP},1"], "line", "line"),
    "leap": ([*rows(load()), "4790000000,1"], "leap.csv", "leap.csv"),
    "endless": ([*rows(load()), f"{END},inf"], "inf", "inf"),
    "broken": (['"'], "broken.csv", "broken.csv"),
    "irregular": ([f"{END - STEP * row + 13 * (row % 7)},{3 + row % 5}" for row in range(ROWS, 0, -1)], None, None),
    "constant": (rows(np.full(ROWS, 5.0)), None, "flat"),
    "negative": (negative(), None, None),
    "huge": (rows(load(scale=1e17)), None, None),
    "million": (rows(load(1_000_000, step=60), step=60), None, None),
}


def write(folder, series):
    folder.mkdir()
    for name, lines in series.items():
        (folder / f"{name}.csv").write_text("\n".join(["timestamp,value", *lines]) + "\n")
    (folder / "index.csv").write_text("\n".join(["name,kind", *(f"{name},rate" for name in series)]) + "\n")


def forecasts(path):
    with path.open(newline="") as text:
        found: dict[str, list[list[float]]] = {}
        for row in csv.DictReader(text):
            found.setdefault(row["series_id"], []).append([float(row[name]) for name in row if name.startswith("q")])
    return {name: np.array(values) for name, values in found.items()}


TRAIN = ("train", "--source", "traces", "--horizon", "1d", "--format", "json")
FORECAST = ("forecast", "--source", "traces")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """Both commands, run once on all of it."""
    folder = tmp_path_factory.mktemp("troubled")
    write(folder / "traces", GOOD | {name: lines for name, (lines, *_) in KINDS.items()})
    return folder, {
        "forecast": run(*FORECAST, cwd=folder),
        "train": run(*TRAIN, cwd=folder),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("command", "place"), [("forecast", 1), ("train", 2)])
def test_a_troubled_series_is_forecast_or_left_out_with_its_reason(troubled, command, place, kind):
    folder, said = troubled
    reason = KINDS[kind][place]
    assert said[command].returncode == PARTIAL, said[command].stderr
    left_out = re.search(rf"left out: {kind}: (.*)", said[command].stderr)
    if reason is not None:
        assert left_out is not None
        assert reason in left_out[1]
        return
    assert left_out is None
    if command == "train":
        assert kind in {row["series_id"] for row in json.loads(said[command].stdout)}
        return
    quantiles = forecasts(folder / "forecasts.csv")[kind]
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()
    assert len(quantiles) == (1440 if kind == "million" else 48)


def test_the_rest_of_a_troubled_fleet_is_forecast_as_if_it_were_alone(troubled, tmp_path):
    folder, _ = troubled
    write(tmp_path / "traces", GOOD)
    said = run(*FORECAST, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    among, alone = forecasts(folder / "forecasts.csv"), forecasts(tmp_path / "forecasts.csv")
    for name in GOOD:
        np.testing.assert_array_equal(among[name], alone[name])


def killed_worker(process):
    """Kill the first process that a command starts for work of its own."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        by_thread = [path.read_text() for path in Path(f"/proc/{process.pid}/task").glob("*/children")]
        for child in " ".join(by_thread).split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
                return int(child)
        time.sleep(0.01)
    raise AssertionError(f"no worker to kill: {end(process)}")


@pytest.fixture
def fleet(tmp_path):
    """More series than one worker gets at once."""
    write(tmp_path / "traces", {f"s{number:03}": rows(load(seed=number)) for number in range(100)})
    return tmp_path


def test_a_worker_that_is_killed_midway_costs_no_forecast(fleet):
    calm = run(*FORECAST, "--workers", 1, "--output", "calm.csv", cwd=fleet)
    process = begin(*FORECAST, "--workers", 2, cwd=fleet)
    killed_worker(process)
    said = end(process)
    assert (calm.returncode, said.returncode) == (0, 0), said.stderr
    assert (fleet / "forecasts.csv").read_bytes() == (fleet / "calm.csv").read_bytes()


def test_a_worker_that_is_killed_midway_costs_no_training(fleet):
    process = begin(*TRAIN, "--workers", 2, "--forecaster", "seasonal-naive", cwd=fleet)
    killed_worker(process)
    said = end(process)
    assert said.returncode == 0, said.stderr
    assert len(json.loads(said.stdout)) == 100


def test_training_on_a_full_disk_says_so_and_leaves_no_half_bundle(fleet):
    said = run(*TRAIN, cwd=fleet, most_bytes_a_file=64 * 1024)
    assert said.returncode == 2, said.stderr
    assert "cannot write" in said.stderr
    assert "Traceback" not in said.stderr
    assert not list((fleet / "training").glob("bundles/*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_forecast_that_is_terminated_ends_quietly_and_leaves_nothing_behind(fleet, workers):
    process = begin(*FORECAST, "--workers", workers, cwd=fleet)
    until = time.monotonic() + 60
    while len(list(fleet.iterdir())) == 1 and time.monotonic() < until:
        time.sleep(0.01)
    process.terminate()
    said = end(process)
    assert (said.returncode, said.stderr) == (143, "")
    assert [path.name for path in fleet.iterdir()] == ["traces"]
