"""Work done by Ray comes back as work done here does; what dies is tried again; nothing is left running.

Ray takes over the process that imports it, so that each test has one of its own.
"""

import builtins
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from aiops.adapters import ray_mapper
from aiops.errors import ConfigError
from aiops.wiring import Engine, mapper

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, os, pathlib, sys, time
from aiops.adapters.ray_mapper import RayMapper

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
    return said

if __name__ == "__main__":
    for index, found in RayMapper(2).map(work, json.loads(sys.argv[1])):
        kind = type(found).__name__
        print("RESULT", json.dumps([index, kind, str(found) if isinstance(found, Exception) else found]), flush=True)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def started(script, items, mark):
    return subprocess.Popen(
        [sys.executable, str(script), json.dumps(items)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MARK": mark},
    )


def left_over(mark):
    """Return the command lines of living processes that inherited our mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARK={mark}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended, or is not ours
    return found


def test_results_failures_and_deaths_come_back_quietly_and_nothing_is_left(script, tmp_path):
    mark = uuid.uuid4().hex
    items = [
        ("says", 1), ("fails", "no such thing"), ("dies once", str(tmp_path / "died")), ("dies", ""), ("threads", ""),
    ]  # fmt: skip
    with started(script, items, mark) as running:
        said, complained = running.communicate(timeout=110)
    assert running.returncode == 0, complained
    lines = [line for line in said.splitlines() if line]
    found = {index: (kind, result) for index, kind, result in (json.loads(line.split(" ", 1)[1]) for line in lines)}
    assert found[0] == ("int", 1)
    assert found[1] == ("ValueError", "no such thing")
    assert found[2] == ("str", str(tmp_path / "died"))
    assert found[3][0] == "FitFailedError"
    assert "its worker died 2 times" in found[3][1]
    assert found[4] == ("int", 1), "one thread a worker"
    assert complained == ""
    assert left_over(mark) == []


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
    assert left_over(mark) == []


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(ray_mapper.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"install aiops\[ray\]"):
        mapper(Engine.RAY, 1)


def test_ray_is_not_imported_until_there_is_work():
    assert list(mapper(Engine.RAY, 1).map(builtins.int, [])) == []
    assert "ray" not in sys.modules
