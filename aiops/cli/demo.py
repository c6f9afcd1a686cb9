"""``aiops demo``: the whole loop on an empty Prometheus."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from aiops.cli.output import require_writable, write_text


def demo(
    source: Annotated[
        str | None, typer.Option("--source", help="A folder to play instead of the generated fleet.")
    ] = None,
    hours: Annotated[int, typer.Option("--hours", min=1, max=48, help="How much of the end is streamed.")] = 6,
    report: Annotated[Path, typer.Option("--report", help="Where the report goes; JSON beside it.")] = Path(
        "aiops-demo.html"
    ),
) -> None:
    """Example: `make demo`, or `aiops demo --source traces/ --hours 12` beside an empty Prometheus

    Load four weeks of history into the Prometheus of AIOPS_PROMETHEUS__URL, train, stream the last hours through
    scoring and scaling, and report. It must be empty and accept remote writes; `make demo` starts such a one.
    """
    from aiops import telemetry, wiring
    from aiops.adapters.clock import SystemClock
    from aiops.backtest.report import to_html, to_json
    from aiops.demo import cast, ending, story

    began = time.monotonic()
    telemetry.configure()
    require_writable(report)
    configured = wiring.settings()
    console = Console(highlight=False, soft_wrap=True)
    now = datetime.now(UTC)
    if source is None:
        chosen = cast.generated(now)
    else:
        reading = wiring.read(wiring.Request(source=source), configured, SystemClock())
        chosen = cast.from_folder(reading, source, now)
    told = asyncio.run(story.tell(chosen, hours, configured.prometheus, console, began))
    made = ending.conclude(chosen, told, shlex.join(["aiops", *sys.argv[1:]]), console, began)
    write_text(report, to_html(made))
    write_text(report.with_suffix(".json"), to_json(made))
    console.print(f"  report: {report.resolve()} [dim]({time.monotonic() - began:.1f} s)[/]")
