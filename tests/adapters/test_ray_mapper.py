"""Work done by Ray comes back as work done here does; what dies is tried again; nothing is left running.

Ray takes over the process that imports it, so that each test has one of its own.
"""

import builtins
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from aiops.errors import ConfigError, UpstreamUnavailableError
from aiops.wiring import Engine, mapper
from testbed.server import free_port

ROOT = Path(__file__).parents[2]

SCRIPT = """
import datetime, hashlib, json, os, pathlib, sys, time
import numpy as np
from aiops.adapters.ray_mapper import RayMapper
from aiops.adapters.trained_files import write_trained
from aiops.backtest.training import Plan, Shard, train
from aiops.series import Frame, Series, SeriesKey

def shard():
    hours = np.arange(10 * 24)
    day, start = datetime.timedelta(days=1), datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
    series = [
        Series(key=SeriesKey.of(name), start=start, step=day / 24, values=(3 + np.sin(hours * np.pi / 12)) * noise)
        for name in ("mail", "shop")
        for noise in [np.random.default_rng(len(name)).lognormal(0, 0.1, len(hours))]
    ]
    return Shard(frame=Frame.of(series), champions=(None, None), plan=Plan(forecasters=("holt-winters",), horizon=day))

def digest(trained, folder):
    write_trained([trained], folder, "")
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in sorted(folder.iterdir())}

def work(item):
    kind, said = item
    print("noise of", kind)
    if kind == "dies":
        os._exit(9)
    if kind == "dies once" and not pathlib.Path(said).exists():
        pathlib.Path(said).touch()
        os._exit(9)
    if kind == "fails":
        raise ValueError(said)
    if kind == "threads":
        import numpy, threadpoolctl
        return max(each["num_threads"] for each in threadpoolctl.threadpool_info())
    if kind == "sleeps":
        time.sleep(said)
    return train(said) if kind == "shard" else said

if __name__ == "__main__":
    items = json.loads(sys.argv[1])
    here = pathlib.Path(sys.argv[0]).parent
    if ["shard", ""] in items:
        items[items.index(["shard", ""])][1] = shard()
    for index, found in RayMapper(2).map(work, items):
        if items[index][0] == "shard":
            found = digest(found, here / "there") == digest(train(shard()), here / "here") and len(found.entries)
        kind = type(found).__name__
        print("RESULT", json.dumps([index, kind, str(found) if isinstance(found, Exception) else found]), flush=True)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


@contextlib.contextmanager
def started(script, items, mark):
    with subprocess.Popen(
        [sys.executable, str(script), json.dumps(items)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MARK": mark},
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)


def left_over(mark):
    """Return the living processes that inherited our mark: what they run, by their id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARK={mark}".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has ended, or is not ours
    return found


@pytest.mark.timeout(300)  # 15 s of one core, which others may want at the same time
def test_results_failures_and_deaths_come_back_quietly_and_nothing_is_left(script, tmp_path):
    mark = uuid.uuid4().hex
    items = [
        ("says", 1), ("fails", "no such thing"), ("dies once", str(tmp_path / "died")), ("dies", ""), ("threads", ""),
        ("shard", ""),
    ]  # fmt: skip
    with started(script, items, mark) as running:
        said, complained = running.communicate(timeout=280)
    assert running.returncode == 0, complained
    lines = [line for line in said.splitlines() if line]
    found = {index: (kind, result) for index, kind, result in (json.loads(line.split(" ", 1)[1]) for line in lines)}
    assert found[0] == ("int", 1)
    assert found[1] == ("ValueError", "no such thing")
    assert found[2] == ("str", str(tmp_path / "died"))
    assert found[3][0] == "FitFailedError"
    assert "its worker died 2 times" in found[3][1]
    assert found[4] == ("int", 1), "one thread a worker"
    assert found[5] == ("int", 2), "the very bytes that are made here"
    assert complained == ""
    assert left_over(mark) == {}


@pytest.mark.slow
def test_ctrl_c_ends_ray_at_once(script):
    mark = uuid.uuid4().hex
    with started(script, [("says", 1), ("sleeps", 60), ("sleeps", 60), ("sleeps", 60)], mark) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("RESULT")
        began = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=40)
    assert time.monotonic() - began < 20
    assert said.count("Traceback") == 1, said
    deadline = time.monotonic() + 5
    while left_over(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_over(mark) == {}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cluster_by_its_address(script):
    port = free_port()
    mark = uuid.uuid4().hex
    environment = {**os.environ, "MARK": mark, "PYTHONPATH": str(ROOT), "RAY_AUTH_TOKEN": uuid.uuid4().hex * 2}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    folder = tempfile.mkdtemp(prefix="aiops-ray-")  # of pytest's it would be too long for Ray's sockets
    head = subprocess.Popen(
        [
            Path(sys.executable).parent / "ray", "start", "--head", "--block", f"--port={port}", "--num-cpus=1",
            "--include-dashboard=false", f"--temp-dir={folder}", "--node-ip-address=127.0.0.1",
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    there = script.with_name("cluster.py")
    there.write_text(SCRIPT.replace("RayMapper(2)", f"RayMapper(2, '127.0.0.1:{port}')"))
    try:
        assert head.stdout is not None
        assert any("Ray runtime started" in line for line in head.stdout)
        done = subprocess.run(
            [sys.executable, there, json.dumps([("says", 1), ("threads", ""), ("shard", "")])],
            check=False, capture_output=True, text=True, env=environment, timeout=120,
        )  # fmt: skip
    finally:
        for process in left_over(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with head:
            head.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    found = sorted(json.loads(line.split(" ", 1)[1]) for line in done.stdout.splitlines() if line)
    assert found == [[0, "int", 1], [1, "int", 1], [2, "int", 2]]


def test_a_cluster_that_does_not_answer_is_named_at_once():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(UpstreamUnavailableError, match=f"no Ray answers at {address}"):
        list(mapper(Engine.RAY, 1, address).map(builtins.int, ["1"]))
    with pytest.raises(ConfigError, match="'head' is no address of a Ray"):
        list(mapper(Engine.RAY, 1, "head").map(builtins.int, ["1"]))


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"install aiops\[ray\]"):
        mapper(Engine.RAY, 1)


def test_ray_is_not_imported_until_there_is_work():
    assert list(mapper(Engine.RAY, 1).map(builtins.int, [])) == []
    assert "ray" not in sys.modules
