"""How much demand each scaler leaves unmet, and at what cost, on real traces.

Example:
    make bench PART=scaling
    make bench PART=scaling ARGS="--forecasters last-week holt-winters --processes 2"

Every 1-minute trace of $AIOPS_DATA_DIR/workload is pushed into a real Prometheus, shifted by whole weeks so that it
ends now, read back, compared value for value, and replayed. The protocol is in README.md beside this file.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from aiops.backtest.hpa import Hpa
from aiops.backtest.replay import Case, floors_of, peaks_for, replay_peaks
from aiops.backtest.study import Sweep, sweep_case
from aiops.telemetry import configure
from benchmarks.scaling.contenders import FORECASTERS, GRID, VARIANTS, contender
from benchmarks.scaling.result import print_tables, summarize
from benchmarks.scaling.traces import cases, through_prometheus
from testbed.prometheus import prometheus

RESULT = Path(__file__).parent / "results" / "scaling.json"


def main() -> int:
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        console.print("AIOPS_DATA_DIR is not set: name the folder that holds workload/", style="bold red")
        return 2
    configure()
    found = cases(Path(folder) / "workload")
    if arguments.traces:
        found = [case for case in found if case.name in arguments.traces]
    if arguments.from_folder:
        source = "read from the folder"
    else:
        found, seconds = _through_prometheus(found, console)
        source = "pushed into Prometheus, shifted to end now, read back equal"
        console.print(f"{len(found)} traces {source}: {seconds:.1f} s")
    forecasters = (*arguments.forecasters, *(VARIANTS if arguments.explain else ()))
    swept = zip(found, _sweep_all(found, forecasters, arguments.processes, console), strict=True)
    result = summarize({case.name: sweeps for case, sweeps in swept}, source)
    result["replay"] = replay_speed(found)
    print_tables(result, console)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    console.print(f"written: {os.path.relpath(arguments.output)}")
    return 0


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


def _through_prometheus(found: list[Case], console: Console) -> tuple[list[Case], float]:
    given = os.environ.get("AIOPS_PROMETHEUS__URL")
    started = time.perf_counter()

    def fetched(url: str) -> list[Case]:
        reading = through_prometheus(found, url)
        return list(track(reading, "through Prometheus", total=len(found), console=console, transient=True))

    if given:
        return fetched(given), time.perf_counter() - started
    with prometheus(accept_samples_of_last=timedelta(days=100)) as server:
        return fetched(server.url), time.perf_counter() - started


def _sweep_all(
    found: list[Case], forecasters: tuple[str, ...], processes: int, console: Console
) -> Iterable[list[Sweep]]:
    work = partial(_sweep, forecasters=forecasters)
    if processes == 1:
        yield from (work(case) for case in track(found, "replaying", console=console, transient=True))
        return
    with ProcessPoolExecutor(max_workers=processes) as pool:
        done = pool.map(work, found)
        yield from track(done, "replaying", total=len(found), console=console, transient=True)


def _sweep(case: Case, forecasters: tuple[str, ...]) -> list[Sweep]:
    return sweep_case(case, [contender(name) for name in forecasters], GRID)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--forecasters", nargs="+", default=FORECASTERS, help="names in the catalog of window forecasters"
    )
    parser.add_argument("--explain", action="store_true", help="also measure what the reference may do differently")
    parser.add_argument("--traces", nargs="+", help="only these, by name")
    parser.add_argument("--from-folder", action="store_true", help="do not go through a Prometheus")
    parser.add_argument("--processes", type=int, default=2, help="how many traces at a time")
    parser.add_argument("--output", type=Path, default=RESULT, help="result file")
    return parser.parse_args()


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    sys.exit(main())
