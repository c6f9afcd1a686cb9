"""Compiled code that is kept on disk is never older than the source of what it calls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLER = """
from aiops.series.compiled import compiled
from kernels.callee import callee

@compiled
def caller(x: float) -> float:
    return callee(x) + 1.0
"""
CALLEE = """
from aiops.series.compiled import compiled

@compiled
def callee(x: float) -> float:
    return x * {factor}
"""


@pytest.mark.slow
def test_a_change_in_a_file_beside_it_has_the_caller_compiled_anew(tmp_path):
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "caller.py").write_text(CALLER)

    def answer(factor):
        (folder / "callee.py").write_text(CALLEE.format(factor=factor))
        said = subprocess.run(
            [sys.executable, "-c", "from kernels.caller import caller; print(caller(10.0))"],
            check=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        )
        return float(said.stdout)

    assert answer(2.0) == 21.0
    assert list((folder / "__pycache__").glob("*.nbi")), "nothing was kept, so this would prove nothing"
    assert answer(3.0) == 31.0
