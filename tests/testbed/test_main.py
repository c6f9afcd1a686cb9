"""python -m testbed: what the command sees, and how everything ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.catalog import find

TESTBED = [sys.executable, "-m", "testbed"]


def run(*words, **environment):
    return subprocess.run(
        [*TESTBED, *words], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(autouse=True)
def _needs_both_programs():
    find("prometheus")
    find("alertmanager")


def test_the_command_finds_the_servers_and_its_exit_code_is_ours():
    look = (
        "import os, sys, urllib.request as web\n"
        "for name in ('PROMETHEUS', 'ALERTMANAGER'):\n"
        "    url = os.environ[f'AIOPS_{name}__URL']\n"
        "    assert web.urlopen(url + '/-/ready').status == 200\n"
        "    print(url)\n"
        "sys.exit(7)\n"
    )
    done = run("--prometheus", "--alertmanager", "--", sys.executable, "-c", look)
    assert done.returncode == 7, done.stderr
    prometheus, alertmanager = done.stdout.split()
    assert f"Prometheus is ready at {prometheus}" in done.stderr
    assert f"Alertmanager is ready at {alertmanager}" in done.stderr


def test_a_cluster_comes_with_the_programs_that_talk_to_it():
    script = "kubectl get nodes --output=name && helm list --all-namespaces --no-headers && echo done"
    done = run("--cluster", "--", "sh", "-c", script)
    assert done.stdout.split() == ["node/node-0", "node/node-1", "done"], done.stderr
    assert "Kubernetes is ready at https://127.0.0.1:" in done.stderr


def test_only_what_was_asked_for_is_started():
    done = run("--", sys.executable, "-c", "import os; print(sorted(n for n in os.environ if n.endswith('__URL')))")
    assert done.stdout == "[]\n"


def test_programs_beside_this_python_come_first():
    done = run("--", "sh", "-c", "command -v python", PATH="/usr/bin:/bin")
    assert done.stdout.strip() == str(Path(sys.executable).parent / "python")


def test_a_command_that_does_not_exist_is_named():
    done = run("--", "no-such-command")
    assert done.returncode == 127
    assert "cannot run no-such-command" in done.stderr


def test_a_command_that_was_killed_is_reported_as_a_shell_does():
    assert run("--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM


def test_a_missing_program_is_one_line_and_not_a_traceback(tmp_path):
    done = run("--prometheus", "--", "true", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("testbed: prometheus is not in ")
    assert done.stderr.endswith("get it with: make tools\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_everything_is_stopped_when_we_are_told_to_stop(request, number):
    say = "import os, time; print(os.getppid(), flush=True); time.sleep(60)"
    # A shell starts what runs in its background deaf to Ctrl-C, and children inherit that; a handler is not inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with subprocess.Popen(
        [*TESTBED, "--prometheus", "--", sys.executable, "-c", say],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        children = children_of(process.pid)
        assert len(children) == 2
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal sends Ctrl-C to the whole group
        else:
            process.send_signal(number)
        # Any wait that is shorter than the sleep of `say` proves that it was stopped; ten seconds of it are granted.
        assert process.wait(40) == 128 + number
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def children_of(pid):
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text().split()]
