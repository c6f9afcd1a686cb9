"""How much demand each scaler leaves unmet, and at what cost, on real traces.

Example:
    make bench PART=scaling
    make bench PART=scaling ARGS="--forecasters last-week holt-winters --processes 2"

Every 1-minute trace of $AIOPS_DATA_DIR/workload is pushed into a real Prometheus, shifted by whole weeks so that it
ends now, read back, compared value for value, and replayed. The protocol is in README.md beside this file.
"""

import os
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import track

from aiops.backtest.hpa import Hpa
from aiops.backtest.replay import Case, floors_of, peaks_for, replay_peaks
from aiops.backtest.study import Sweep, sweep_case
from benchmarks.scaling.command import CONSOLE, begin, of_each, options, write
from benchmarks.scaling.contenders import FORECASTERS, GRID, VARIANTS, contender
from benchmarks.scaling.result import print_tables, summarize
from benchmarks.scaling.traces import through_prometheus
from testbed.prometheus import prometheus

RESULT = Path(__file__).parent / "results" / "scaling.json"


def main() -> None:
    parser = options(__doc__, RESULT)
    parser.add_argument(
        "--forecasters", nargs="+", default=FORECASTERS, help="names in the catalog of window forecasters"
    )
    parser.add_argument("--explain", action="store_true", help="also measure what the reference may do differently")
    parser.add_argument("--from-folder", action="store_true", help="do not go through a Prometheus")
    parser.add_argument("--processes", type=int, default=2, help="how many traces at a time")
    asked, found = begin(parser)
    if asked.from_folder:
        source = "read from the folder"
    else:
        found, seconds = _through_prometheus(found)
        source = "pushed into Prometheus, shifted to end now, read back equal"
        CONSOLE.print(f"{len(found)} traces {source}: {seconds:.1f} s")
    forecasters = (*asked.forecasters, *(VARIANTS if asked.explain else ()))
    swept = of_each(partial(_sweep, forecasters=forecasters), found, asked.processes)
    result = summarize({case.name: sweeps for case, sweeps in zip(found, swept, strict=True)}, source)
    result["replay"] = replay_speed(found)
    print_tables(result, CONSOLE)
    write(result, asked.output)


def replay_speed(found: list[Case]) -> dict[str, float | str]:
    """Time one replay of 28 days of a 1-minute trace, beside its forecaster's own time."""
    long = next((case for case in found if case.end - case.history.start > timedelta(days=29)), found[0])
    start = max(long.end - timedelta(days=28), long.history.start + long.history.step)
    case = Case(
        name=long.name, history=long.history, capacity_per_replica=long.capacity_per_replica, start=start, end=long.end
    )
    ours = contender("holt-winters")
    policy = ours.policy_of(case, 0.95)
    peaks = peaks_for(case, policy, ours.forecaster)
    replay_peaks(case, policy, peaks, Hpa(target=0.9))  # the compiled code is loaded once a process
    started = time.perf_counter()
    outcome = replay_peaks(case, policy, peaks, Hpa(target=0.9))
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    floors_of(case, policy, peaks)
    decisions = len(case.cutoffs)
    return {
        "trace": case.name,
        "days": (outcome.end - outcome.start) / timedelta(days=1),
        "seconds": round(seconds, 2),
        "microseconds_a_decision": round((time.perf_counter() - started) / decisions * 1e6, 1),
    }


def _through_prometheus(found: list[Case]) -> tuple[list[Case], float]:
    given = os.environ.get("AIOPS_PROMETHEUS__URL")
    started = time.perf_counter()

    def fetched(url: str) -> list[Case]:
        reading = through_prometheus(found, url)
        return list(track(reading, "through Prometheus", total=len(found), console=CONSOLE, transient=True))

    if given:
        return fetched(given), time.perf_counter() - started
    with prometheus(accept_samples_of_last=timedelta(days=100)) as server:
        return fetched(server.url), time.perf_counter() - started


def _sweep(case: Case, forecasters: tuple[str, ...]) -> list[Sweep]:
    return sweep_case(case, [contender(name) for name in forecasters], GRID)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
