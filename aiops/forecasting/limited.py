"""Fits of libraries in a process of their own, with a limit of time and memory for each.

A library may loop for minutes on one odd series, take all memory, or crash: that costs this series its forecast, and
nobody else's. The process is started at the first fit, keeps its imports for the next, and ends with this one.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import IO, Any, cast

import numpy as np

from aiops.errors import FitFailedError
from aiops.series import FloatArray, Series, SeriesKey
from aiops.series.grid import epoch_seconds, from_epoch

Fit = Callable[[Series, int], FloatArray]

SECONDS = 60.0
"""Of one fit, on the wall: the slowest model takes two on a core of its own."""
GIGABYTES = 2.0
"""Of the process that fits, and of each that it starts."""
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}
"""Environment of a worker: one thread in each, as there is one worker a core."""


def limited(fit: Fit, seconds: float = SECONDS, gigabytes: float = GIGABYTES) -> Fit:
    """Return ``fit``, which is a function of a module, to be run in the other process.

    The returned function raises FitFailedError if a limit is passed or the process dies, and what ``fit`` raises.
    """
    name = f"{fit.__module__}:{fit.__qualname__}"

    def run(series: Series, horizon: int) -> FloatArray:
        with _LOCK:
            return _fitter(gigabytes).fit(name, series, horizon, seconds)

    return run


class _Fitter:
    """The other process, seen from here."""

    def __init__(self, gigabytes: float) -> None:
        self.owner = os.getpid()
        self.gigabytes = gigabytes
        self._process = subprocess.Popen(  # noqa: S603 - our own program, its only argument a number
            [sys.executable, "-c", _PROGRAM, str(int(gigabytes * 1e9))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that what it starts can be ended with it
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def fit(self, name: str, series: Series, horizon: int, seconds: float) -> FloatArray:
        late = threading.Event()

        def end() -> None:
            late.set()
            self._kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        in_step = False
        try:
            asked = {
                "fit": name,
                "key": series.key.series_id,
                "start": epoch_seconds(series.start),
                "step": series.step.total_seconds(),
                "horizon": horizon,
            }
            _send(cast("IO[bytes]", self._process.stdin), asked, series.values)
            answer, path = _receive(cast("IO[bytes]", self._process.stdout))
            in_step = True
        except (OSError, EOFError):
            why = (
                f"took longer than {seconds:g} s" if late.is_set() else "ended its process, for want of memory perhaps"
            )
            raise FitFailedError(f"{series.key}: the fit of {name} {why}") from None
        finally:
            timer.cancel()
            timer.join()  # it may be about to kill what the next fit would be given
            if late.is_set() or not in_step:  # after a Ctrl-C, say, the next fit would be given the answer to this one
                self.close()
        if answer["error"]:
            raise FitFailedError(answer["error"])
        return path

    def close(self) -> None:
        self._kill()
        with suppress(OSError):
            self._process.__exit__(None, None, None)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


_LOCK = threading.Lock()
_started: _Fitter | None = None


def _fitter(gigabytes: float) -> _Fitter:
    global _started  # noqa: PLW0603 - one a process, as it costs seconds to start
    if _started is not None and _started.owner != os.getpid():
        _started = None  # of the process that this one was forked from
    if _started is None or not _started.alive or _started.gigabytes != gigabytes:
        _close()
        _started = _Fitter(gigabytes)
    return _started


@atexit.register
def _close() -> None:
    if _started is not None and _started.owner == os.getpid():
        _started.close()


_PROGRAM = "import sys; from aiops.forecasting.limited import serve; serve(int(sys.argv[1]))"


def serve(most_bytes: int) -> None:
    """Fit what is asked for on standard input until it ends; this is the other process."""
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    while True:
        try:
            question, values = _receive(asked)
        except EOFError:
            return
        module, _, name = question["fit"].partition(":")
        series = Series(
            key=SeriesKey.parse(question["key"]),
            start=from_epoch(question["start"]),
            step=timedelta(seconds=question["step"]),
            values=values,
        )
        path, error = np.empty(0), ""
        try:
            path = np.asarray(getattr(importlib.import_module(module), name)(series, question["horizon"]), np.float64)
        except MemoryError:
            error = f"{series.key}: the fit of {name} needs more than {most_bytes / 1e9:g} GB"
        except Exception as failure:  # noqa: BLE001 - said to the one who asked
            error = f"{series.key}: {type(failure).__name__}: {failure}"
        _send(answers, {"error": error}, path)


def _send(pipe: IO[bytes], head: dict[str, Any], values: FloatArray) -> None:
    pipe.write(json.dumps({**head, "length": len(values)}).encode() + b"\n")
    pipe.write(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    pipe.flush()


def _receive(pipe: IO[bytes]) -> tuple[dict[str, Any], FloatArray]:
    """Read one message.

    Raises:
        EOFError: If the other side has ended.
    """
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    head: dict[str, Any] = json.loads(line)
    size = 8 * int(head["length"])
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError
    return head, np.frombuffer(content, dtype=np.float64).copy()
