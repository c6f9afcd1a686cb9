"""Run a slow command, say what it is for while it runs, and keep its output for the day it fails."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_REPORT_EVERY_SECONDS = 10.0


class StepFailedError(Exception):
    """A step could not be done; the message says what to do about it."""


def run(
    what: str, command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run ``command`` quietly, showing ``what`` and the seconds it has taken so far.

    Raises:
        StepFailedError: If the command cannot be started or ends with an error; carries its output.
    """
    words = [str(word) for word in command]
    started = time.monotonic()
    _show(f"  {what} ... ")
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        _show("failed\n")
        raise StepFailedError(f"cannot run {words[0]}: {error.strerror}") from error
    try:
        output = _wait(process, started)
    except BaseException:
        process.kill()
        process.wait()
        raise
    seconds = time.monotonic() - started
    if process.returncode != 0:
        _show(f"failed after {seconds:.1f} s\n")
        raise StepFailedError(f"{' '.join(words)} ended with code {process.returncode}:\n{output.strip()}")
    _show(f"{seconds:.1f} s\n")


def _wait(process: subprocess.Popen[str], started: float) -> str:
    while True:
        try:
            return process.communicate(timeout=_REPORT_EVERY_SECONDS)[0]
        except subprocess.TimeoutExpired:
            _show(f"{time.monotonic() - started:.0f} s ... ")


def _show(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
