"""What the service on one core adds to a bare gRPC call, and whether a new bundle costs a call.

    make bench PART=serving
    python -m benchmarks.serving --rounds 10

The service and a bare grpc.aio server that parses and returns the same message run on one core, the client on another.
Rounds alternate between the two, and a ratio is taken within each: whatever else the machine does falls on both. The
service scores with the fleet detector, as it always does; most of a batch's time goes to the bounds of normal values,
which are found by trying. Then two bundles take turns as the champion while calls go on without a pause.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from aiops.adapters.mlflow_models import MlflowModels
from aiops.ports import ModelVersion
from aiops.series.grid import floor
from benchmarks.serving import load
from benchmarks.serving.fleet import SERIES, STEP, STEPS, Fleet, register
from benchmarks.serving.load import Round
from testbed.server import free_port, running

RESULTS = Path(__file__).with_name("results.json")
WARM_STEPS = 720
SPEED = 60.0
"""Of the clock during the reload: the service looks at the champion once a minute of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A running server: where it answers calls, where probes, and its process."""

    listen: str
    url: str
    process: int


def main() -> int:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 140)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        console.print(
            "one core for the service and another for its client are needed: nothing was measured", style="red"
        )
        return 2
    os.sched_setaffinity(0, {cores[1]})
    start = floor(datetime.now(UTC), STEP) - STEPS * STEP  # the last step has just ended
    with console.status("registering two bundles") as status, _registry(Fleet(start)) as (registry, versions):
        status.update("calls, one after another")
        found = calls(cores[0], start, registry, options.rounds, options.calls)
        status.update("calls while bundles take turns")
        found["reload"] = reload_under_load(cores[0], start, registry, versions, options.seconds)
    console.print(table(found))
    options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def calls(core: int, start: datetime, registry: str, rounds: int, calls_a_round: int) -> dict[str, Any]:
    """Measure single calls and batches beside the bare server."""
    fleet = Fleet(start)
    with _echo(core) as echo, _service(core, registry, {}) as service:

        async def work() -> tuple[Sequence[Round], Sequence[Round]]:
            bare, ours = load.to_echo(echo.listen, echo.process), load.to_service(service.listen, service.process)
            await load.warm(ours, fleet, WARM_STEPS)
            await load.rounds(bare, ours, fleet.singles(), 5, calls_a_round)  # neither is fast from the first call on
            singles = await load.rounds(bare, ours, fleet.singles(), rounds, calls_a_round)
            return singles, await load.rounds(bare, ours, iter(fleet.batch, None), max(rounds // 2, 1), 5)

        singles, batches = asyncio.run(work())
    return {
        "single": {"calls": rounds * calls_a_round, **_summary(singles)},
        "batch": {
            "rows": SERIES,
            "calls": len(batches) * 5,
            **_summary(batches),
            "samples_a_second": round(SERIES / float(np.median([np.median(each.service.seconds) for each in batches]))),
        },
    }


def reload_under_load(
    core: int, start: datetime, registry: str, versions: list[ModelVersion], seconds: float
) -> dict[str, Any]:
    """Let two bundles take turns as the champion while calls go on; count what fails."""
    fleet = Fleet(start)
    now = datetime.now(UTC).isoformat()
    rehearsal = {"AIOPS_CLOCK__START": now, "AIOPS_CLOCK__ANCHOR": now, "AIOPS_CLOCK__SPEED": str(SPEED)}
    with _service(core, registry, rehearsal) as service:

        async def work() -> tuple[load.Reload, list[str]]:
            ours = load.to_service(service.listen, service.process)
            await load.warm(ours, fleet, WARM_STEPS)
            stop = asyncio.Event()
            calling = asyncio.create_task(load.without_a_pause(ours, fleet, stop))
            served = await asyncio.to_thread(_take_turns, registry, versions, service.url, seconds)
            stop.set()
            return await calling, served

        found, served = asyncio.run(work())
    return {
        "seconds": seconds,
        "reloads": len(served) - 1,
        "calls": found.calls,
        "failed": len(found.failed),
        "reasons": sorted(set(found.failed)),
        "points_not_scored": found.unscored,
        **_percentiles("single", found.seconds),
    }


def _take_turns(registry: str, versions: list[ModelVersion], url: str, seconds: float) -> list[str]:
    """Promote one version after the other, each when the service has taken the one before; return what it served."""
    store, served = MlflowModels(registry), [_served(url)]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        chosen = next(each for each in versions if each.number != served[-1])
        asyncio.run(store.promote(chosen))
        while _served(url) != chosen.number:
            if time.monotonic() > until + 30:
                raise RuntimeError(f"version {chosen.number} was promoted and not taken")
            time.sleep(0.1)
        served.append(chosen.number)
    return served


def _served(url: str) -> str:
    """Return the version of the bundle that the service says it uses."""
    text = httpx.get(f"{url}/metrics", timeout=30).text
    found = re.search(r'^aiops_bundle_info\{.*version="(\d+)".*\} 1', text, re.MULTILINE)
    return found[1] if found else ""


def _summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return percentiles of all calls, and the ratios within the rounds with their spread."""
    echo = [second for each in rounds for second in each.echo.seconds]
    service = [second for each in rounds for second in each.service.seconds]
    ratios = [float(np.median(each.service.seconds) / np.median(each.echo.seconds)) for each in rounds]
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    echo_cpu = sum(each.echo.cpu_seconds for each in rounds) / len(echo)
    service_cpu = sum(each.service.cpu_seconds for each in rounds) / len(service)
    return {
        **_percentiles("echo", echo),
        **_percentiles("service", service),
        "ratio_p50": round(float(middle), 2),
        "ratio_p50_low": round(float(low), 2),
        "ratio_p50_high": round(float(high), 2),
        "ratio_p99": round(_p99(service) / _p99(echo), 2),
        "echo_cpu_milliseconds": round(1000 * echo_cpu, 3),
        "service_cpu_milliseconds": round(1000 * service_cpu, 3),
    }


def _percentiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    return {
        f"{name}_p50_milliseconds": round(1000 * float(np.median(seconds)), 3),
        f"{name}_p99_milliseconds": round(1000 * _p99(seconds), 3),
    }


def _p99(seconds: Sequence[float]) -> float:
    return float(np.quantile(seconds, 0.99))


@contextlib.contextmanager
def _registry(fleet: Fleet) -> Iterator[tuple[str, list[ModelVersion]]]:
    with tempfile.TemporaryDirectory(prefix="aiops-serving-") as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        yield uri, register(fleet, uri, Path(folder) / "bundles")


@contextlib.contextmanager
def _echo(core: int) -> Iterator[Program]:
    listen = f"127.0.0.1:{free_port()}"
    module = [sys.executable, "-m", "benchmarks.serving.echo", listen]
    with running(
        "echo",
        lambda port, _: [*_on(core), *module, f"127.0.0.1:{port}"],
        ready_path="/readyz",
        ready_within_seconds=60,
    ) as server:
        yield Program(listen=listen, url=server.url, process=server.process.pid)


@contextlib.contextmanager
def _service(core: int, registry: str, rehearsal: dict[str, str]) -> Iterator[Program]:
    listen = f"127.0.0.1:{free_port()}"
    module = [sys.executable, "-m", "benchmarks.serving.service", listen]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIOPS_", "OTEL_"))}
    with running(
        "service",
        lambda port, folder: [*_on(core), *module, f"127.0.0.1:{port}", registry, folder],
        ready_path="/readyz",
        ready_within_seconds=120,
        environment={**clean, **rehearsal},
    ) as server:
        yield Program(listen=listen, url=server.url, process=server.process.pid)


def _on(core: int) -> list[str]:
    return ["taskset", "--cpu-list", str(core)]


def table(found: dict[str, Any]) -> Table:
    shown = Table(
        title=f"the service on one core, beside a bare gRPC server; {STEPS} steps of {STEP} of {SERIES} series"
    )
    for column in (
        "call",
        "calls",
        "bare p50",
        "bare p99",
        "service p50",
        "service p99",
        "ratio p50 (80 %)",
        "ratio p99",
        "CPU, bare / service",
    ):
        shown.add_column(column, justify="left" if column == "call" else "right")
    for name, label in (("single", "one point"), ("batch", f"{SERIES} points")):
        row = found[name]
        shown.add_row(
            label,
            str(row["calls"]),
            *(
                f"{row[f'{who}_{which}_milliseconds']:.3f} ms"
                for who in ("echo", "service")
                for which in ("p50", "p99")
            ),
            f"{row['ratio_p50']:.2f} ({row['ratio_p50_low']:.2f} .. {row['ratio_p50_high']:.2f})",
            f"{row['ratio_p99']:.2f}",
            f"{row['echo_cpu_milliseconds']:.2f} / {row['service_cpu_milliseconds']:.2f} ms",
        )
    again = found["reload"]
    shown.caption = (
        f"{found['batch']['samples_a_second']:,} samples a second in batches; {again['reloads']} bundles exchanged in "
        f"{again['seconds']:.0f} s under {again['calls']} calls: {again['failed']} failed, "
        f"{again['points_not_scored']} points not scored, single p99 {again['single_p99_milliseconds']:.1f} ms"
    )
    return shown


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="how often the two servers take turns")
    parser.add_argument("--calls", type=int, default=100, help="single calls of each in a round")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long bundles are exchanged under load")
    parser.add_argument("--output", type=Path, default=RESULTS, help="result file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
