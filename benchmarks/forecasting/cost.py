"""What a night costs: seconds and memory of fleets made from real series by random scale, offset and phase."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aiops.series import FloatArray

_CHUNK = 100
_WORKER = """
import json, sys, time
from datetime import UTC, datetime, timedelta
import numpy as np
from aiops.forecasting.catalog import path_forecaster
from aiops.series import Frame, SeriesKey
from benchmarks.forecasting.cost import fleet
from benchmarks.forecasting.losses import LEVELS

model, seeds, size = path_forecaster(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3])
def frame(part):
    keys = tuple(SeriesKey(str(row)) for row in range(len(part)))
    return Frame(keys=keys, start=datetime(2026, 1, 1, tzinfo=UTC), step=timedelta(minutes=5), values=part)
model.forecast(frame(seeds[:1]), 288, LEVELS)  # compiles
began, cpu = time.perf_counter(), time.process_time()
made = 0
busy = 0.0
for part in fleet(seeds, size):
    before = time.process_time()
    made += int(np.isfinite(model.forecast(frame(part), 288, LEVELS).mean).all(axis=1).sum())
    busy += time.process_time() - before
from aiops.forecasting.fleet.forecaster import Fleet
known = frame(seeds[:200])
fit = Fleet().fit(known, 288, LEVELS)  # the full backtest of an earlier night
fit.forecast(known)  # compiles
before = time.process_time()
fit.forecast(known)
of_refit = (time.process_time() - before) / len(known.keys)
alone = [frame(seeds[row : row + 1]) for row in range(min(len(seeds), 200))]
fits = [Fleet().fit(each, 288, LEVELS) for each in alone]
before = time.process_time()
for fit, each in zip(fits, alone):
    fit.forecast(each)
of_single = (time.process_time() - before) / len(alone)
# Of this program alone: what getrusage calls the peak is inherited from the one that started it.
status = open("/proc/self/status").read()
peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9
print(json.dumps({"series": size, "forecast": made, "core_seconds": busy, "seconds": time.perf_counter() - began,
                  "peak_gb": peak, "refits_a_core_second": 1 / of_refit,
                  "single_refits_a_core_second": 1 / of_single}))
"""


def fleet(seeds: FloatArray, size: int) -> Any:
    """Yield ``size`` series in parts: real ones, each with a scale, an offset and a phase of its own."""
    random = np.random.default_rng(0)
    for first in range(0, size, _CHUNK):
        count = min(_CHUNK, size - first)
        rows = random.integers(0, len(seeds), count)
        shifts = random.integers(0, seeds.shape[1], count)
        part = np.array([np.roll(seeds[row], shift) for row, shift in zip(rows, shifts, strict=True)])
        usual = np.nanmean(np.abs(part), axis=1, keepdims=True)
        yield part * random.lognormal(0, 2, (count, 1)) + usual * random.uniform(0, 1, (count, 1))


def measure(model: str, seeds: Sequence[FloatArray], sizes: Sequence[int]) -> dict[str, Any]:
    """Forecast fleets of each size, each in a process of its own, and report seconds and peak memory.

    The peak is of the process that reads the fleet in parts of 100 series, forecasts it and keeps nothing.
    """
    length = max(len(each) for each in seeds)
    whole = np.array([each for each in seeds if len(each) == length])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seeds.npy"
        np.save(path, whole)
        runs = [json.loads(_run(model, path, size)) for size in sizes]
    rate = runs[-1]["series"] / runs[-1]["core_seconds"]
    return {
        "series_a_core_second": rate,
        "refits_a_core_second": runs[-1]["refits_a_core_second"],
        "single_refits_a_core_second": runs[-1]["single_refits_a_core_second"],
        "sizes": runs,
        "hours_of_100k_on_one_core": 100_000 / rate / 3600,
    }


def _run(model: str, seeds: Path, size: int) -> str:
    arguments = [sys.executable, "-c", _WORKER, model, str(seeds), str(size)]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
