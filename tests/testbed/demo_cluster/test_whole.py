"""make demo-cluster as a user starts it: it comes to its end, or is stopped, and leaves nothing running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.catalog import find

DEMO = [sys.executable, "-m", "testbed.demo_cluster"]
pytestmark = [pytest.mark.slow, pytest.mark.e2e]


@pytest.fixture(autouse=True)
def _needs_the_cluster():
    find("kube-apiserver")


def start(report, **more):
    return subprocess.Popen(
        [*DEMO, f"--report={report}"],
        env={name: value for name, value in os.environ.items() if name != "AIOPS_DATA_DIR"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def of_session(leader):
    """Return the command lines of every process of a session: whatever was started belongs to it."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def test_the_whole_story_is_told_and_nothing_is_left(tmp_path):
    report = tmp_path / "demo.html"
    began = time.monotonic()
    with start(report) as process:
        said, _ = process.communicate(timeout=900)
    print(said)
    print(f"the whole demo took {time.monotonic() - began:.0f} s")
    assert process.returncode == 0
    assert of_session(process.pid) == []

    for chapter in ("What is played", "Train", "Install", "Play", "A change that does harm", "Side by side"):
        assert chapter in said
    assert "30 times as fast as it was" in said
    assert "assemble success" in said
    assert "the service serves version 1" in said
    assert sum("█" in line for line in said.splitlines()) == 24

    page = json.loads(report.with_suffix(".json").read_text())
    race, rollback, made = page["sections"]
    by_scaler = {row["scaler"]: row for row in race["tables"][0]["rows"]}
    assert set(by_scaler) == {"plain HPA", "with the floor"}
    for row in by_scaler.values():
        assert 0 <= row["unmet_percent"] < 50
        assert row["pod_hours"] > 10
        assert row["changes"] > 0
    reasons = [row["reason"] for row in rollback["tables"][0]["rows"]]
    assert reasons[-1] == "RolledBack"
    assert "taken back" in rollback["text"]
    assert len(made["tables"][0]["rows"]) == 6
    assert report.read_text().startswith("<!doctype html>")
    assert "<svg" in report.with_suffix(".svg").read_text()


@pytest.mark.parametrize(
    ("chapter", "number"),
    [("Real servers", signal.SIGINT), ("Train", signal.SIGINT), ("Install", signal.SIGTERM), ("Play", signal.SIGINT)],
)
def test_it_can_be_stopped_at_any_moment(tmp_path, chapter, number):
    with start(tmp_path / "demo.html", stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert any(chapter in line for line in process.stdout)
        time.sleep(3)  # into the middle of it
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal sends Ctrl-C to the whole group
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "nothing is left running" in errors
    assert of_session(process.pid) == []
