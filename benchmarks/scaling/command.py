"""What the programs of this folder share: their options, the traces that were asked for, the file that they write."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track

from aiops.backtest.replay import Case
from aiops.telemetry import configure
from benchmarks.scaling.traces import cases

Result = TypeVar("Result")

CONSOLE = Console(width=None if sys.stdout.isatty() else 140)


def options(description: str | None, result: Path) -> argparse.ArgumentParser:
    """Return a parser that knows ``--traces`` and ``--output``; ``result`` is the file if nothing is said."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", nargs="+", help="only these, by name")
    parser.add_argument("--output", type=Path, default=result, help="result file")
    return parser


def begin(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, list[Case]]:
    """Return what was asked for, and the traces; ends the program where they are not to be found."""
    asked = parser.parse_args()
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        parser.error("AIOPS_DATA_DIR is not set: name the folder that holds workload/")
    configure()
    found = {case.name: case for case in cases(Path(folder) / "workload")}
    if missing := set(asked.traces or ()) - found.keys():
        parser.error(f"no trace is called {', '.join(sorted(missing))}; there are {', '.join(found)}")
    return asked, [found[name] for name in asked.traces or found]


def of_each(work: Callable[[Case], Result], traces: list[Case], processes: int) -> Iterator[Result]:
    """Yield what ``work`` makes of each trace, in order, so many at a time."""
    with ProcessPoolExecutor(max_workers=processes) as pool:  # starts none before it is asked
        done = map(work, traces) if processes == 1 else pool.map(work, traces)
        yield from track(done, "replaying", total=len(traces), console=CONSOLE, transient=True)


def write(result: dict[str, Any], file: Path) -> None:
    """Write the result file, and say where it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    CONSOLE.print(f"written: {os.path.relpath(file)}")
