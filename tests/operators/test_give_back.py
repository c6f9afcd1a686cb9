"""`python -m operators give-back`: what an uninstall runs, beside an operator that is still there."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.operators.stage import stays, within
from tests.operators.test_floor import given_back


def give_back(stage):
    environment = {**os.environ, "KUBECONFIG": str(stage.api.kubeconfig)}
    command = [sys.executable, "-m", "operators", "give-back", "--namespace", stage.name]
    return subprocess.run(
        [*command, "--lease-namespace", stage.name],
        env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_all_is_given_back_and_the_running_operator_keeps_its_hands_off(stage):
    stage.service(own=3)
    stage.scaler()
    with stage.operator():
        within(20, lambda: stage.floor() == 10)
        began = time.monotonic()
        done = give_back(stage)
        assert done.returncode == 0, done.stderr
        print(f"\ngive-back beside a running operator: {time.monotonic() - began:.1f} s")
        assert given_back(stage, 3)
        assert "finalizers" not in stage.read()["metadata"]
        stays(3, lambda: stage.floor() == 3)
    assert "the HPA web has its own minReplicas 3 again, instead of 10" in done.stderr
