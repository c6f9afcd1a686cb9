"""Work done here and work done in processes come back alike, failures included."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aiops.adapters.local_mapper import LocalMapper
from aiops.errors import FitFailedError


@pytest.mark.parametrize("workers", [1, 2])
def test_results_carry_their_index_and_a_failure_is_a_result(workers):
    found = dict(LocalMapper(workers).map(int, ["1", "2", "three", "4"]))
    assert [found[index] for index in (0, 1, 3)] == [1, 2, 4]
    assert isinstance(found[2], ValueError)
    assert "three" in str(found[2])


def test_no_items_is_no_work():
    assert list(LocalMapper(2).map(int, [])) == []


@pytest.mark.parametrize(("count", "place"), [(12, 4), (2, 1), (1, 0)])
def test_a_worker_that_is_killed_costs_its_own_item_only(count, place):
    items = [signal.SIGCHLD] * count  # does nothing
    items[place] = signal.SIGKILL
    found = dict(LocalMapper(2).map(signal.raise_signal, items))
    assert sorted(found) == list(range(count))
    assert isinstance(found.pop(place), FitFailedError)
    assert set(found.values()) <= {None}


def test_ctrl_c_ends_the_workers_at_once_and_quietly(tmp_path):
    code = (
        "import signal, time\n"
        "from aiops.adapters.local_mapper import LocalMapper\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it\n"
        "    for index, _ in LocalMapper(2).map(time.sleep, [0.1, 60, 60, 60]):\n"
        "        print('done', index, flush=True)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "done 0\n"
        began = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert said.count("Traceback") == 1, said  # ours alone, not one a worker
    assert "KeyboardInterrupt" in said
