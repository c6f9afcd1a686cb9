"""How many real incidents are found at one false alert per series and week, with ONE threshold for all series.

    make bench PART=detection
    python -m benchmarks.detection --series 8 --contenders fleet rolling-z
    python -m benchmarks.detection.budget

Labelled telemetry of $AIOPS_DATA_DIR/anomaly, scored online. Labels choose the threshold and nothing else: it is taken
from four fifths of the groups and applied to the fifth, five times over. Slow rivals run on a sample, the first
``--points`` points of two series of each origin, and the others on the same sample too.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from aiops.adapters.folder import Entry, FolderSource
from aiops.detection.detector import Points
from aiops.detection.fleet import FleetDetector
from aiops.series import FloatArray
from benchmarks.detection.budget import budget_kept
from benchmarks.detection.budget import shown as shown_budget
from benchmarks.detection.contenders import CONTENDERS, QUICK
from benchmarks.detection.figures import areas, numenta, summary
from benchmarks.detection.learnt import learnt
from benchmarks.detection.measures import REPETITIONS, at_budget, folds, outcomes, thresholds_of

RESULTS = Path(__file__).with_name("results.json")
BUDGETS = (1.0, 0.1)  # false alerts a series and week
FLEET_SERIES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """The observed points of a series, and what is known of it."""

    name: str
    origin: str
    group: str
    at: FloatArray
    values: FloatArray
    labels: FloatArray
    step_seconds: float
    probation: int
    vus_window: int


def main() -> int:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 160)
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        console.print("AIOPS_DATA_DIR is not set: nothing was measured", style="bold red")
        return 2
    every = read(Path(folder) / "anomaly")
    few = sample(every, options.series, options.points)
    quick = [name for name in options.contenders if name in QUICK]
    rows = [measured(name, every, "all", console) for name in quick]
    rows += [measured(name, few, "sample", console) for name in options.contenders]
    if options.combiner:
        rows.append(learnt(every, console))
    about = rows[0]
    found = {
        "series": len(every),
        "incidents": about["incidents"],
        "series_weeks": about["series_weeks"],
        "sample": [each.name for each in few],
        "rows": rows,
        "budget": budget_kept(every),
        "kernel": kernel(),
    }
    for row in rows:
        console.print(shown(row))
    console.print(shown_budget(found["budget"]), found["kernel"])
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def read(folder: Path) -> list[Labelled]:
    """Read all labelled series."""
    source = FolderSource(folder)
    entries = source.entries()
    labels = source.column(entries, "label")
    return [
        _labelled(entry, series.values, truth.values, float(series.stamps()[0]), series.step.total_seconds())
        for entry, series, truth in zip(entries, source.read(entries).series, labels, strict=True)
    ]


def _labelled(entry: Entry, values: FloatArray, labels: FloatArray, first: float, step: float) -> Labelled:
    # Points that were not observed have no label: on the grid, they would cut a labelled window into many.
    seen = np.flatnonzero(~np.isnan(values))
    about = entry.metadata
    return Labelled(
        name=entry.name,
        origin=about["origin"],
        group=about["group"],
        at=first + step * seen.astype(np.float64),
        values=values[seen],
        labels=np.nan_to_num(labels[seen]),
        step_seconds=step,
        probation=min(int(about["probation"]), len(seen) - 1),
        vus_window=int(about["vus_window"]),
    )


def sample(every: Sequence[Labelled], count: int, points: int) -> list[Labelled]:
    """Return as many series of each origin, spread over its list, from their first point on."""
    chosen = []
    origins = sorted({each.origin for each in every})
    for origin in origins:
        own = [each for each in every if each.origin == origin and (each.labels[each.probation : points] == 1).any()]
        places = np.unique(np.linspace(0, len(own) - 1, -(-count // len(origins))).round().astype(int))
        chosen += [own[place] for place in places.tolist()]
    return [
        Labelled(
            name=each.name,
            origin=each.origin,
            group=each.group,
            at=each.at[:points],
            values=each.values[:points],
            labels=each.labels[:points],
            step_seconds=each.step_seconds,
            probation=min(each.probation, points // 2),
            vus_window=each.vus_window,
        )
        for each in chosen
    ]


def measured(name: str, series: Sequence[Labelled], which: str, console: Console) -> dict[str, Any]:
    """Score the series and return every figure of one contender."""
    started = time.process_time()
    scores = [
        CONTENDERS[name](each.at, each.values)
        for each in track(series, f"scoring with {name}", console=console, transient=True)
    ]
    seconds = time.process_time() - started
    scored = [own[each.probation :] for own, each in zip(scores, series, strict=True)]
    thresholds = thresholds_of(scored)
    judged = outcomes(series, scores, thresholds)
    groups = [each.group for each in series]
    at = {
        str(budget): summary(
            [at_budget(series, scores, judged, thresholds, folds(groups, n), budget) for n in range(REPETITIONS)]
        )
        for budget in BUDGETS
    }
    row = {
        "detector": name,
        "on": which,
        "series": len(series),
        "incidents": sum(each.incidents for each in judged),
        "series_weeks": round(sum(each.weeks for each in judged), 1),
        "microseconds_a_point": round(1e6 * seconds / sum(len(each.values) for each in series), 2),
        "at": at,
    }
    return row | areas(series, scores) | numenta(series, [scores] * REPETITIONS)


def kernel() -> dict[str, float]:
    """Return nanoseconds a point for many series, one column at a time, and the bytes that each series takes."""
    detector, random = FleetDetector(), np.random.default_rng(0)
    state, rows = detector.start(FLEET_SERIES), np.arange(FLEET_SERIES)
    spent = []
    for column in range(80):
        points = Points.unforecast(rows, np.full(len(rows), 60.0 * column), random.standard_normal(len(rows)))
        started = time.process_time()
        detector.step(state, points)
        spent.append(time.process_time() - started)
    return {
        "series": FLEET_SERIES,
        "nanoseconds_a_point": round(1e9 * float(np.median(spent[40:])) / FLEET_SERIES),
        "bytes_a_series": state.dtype.itemsize,
    }


def shown(row: dict[str, Any]) -> Table:
    about = f"{row['detector']} on {row['on']}: {row['series']} series, {row['incidents']} incidents"
    table = Table(title=f"{about}, {row['microseconds_a_point']} µs a point", title_justify="left")
    for name in ("figure", "value", "by origin", "median delay, steps"):
        table.add_column(name)
    for budget, at in row["at"].items():
        table.add_row(
            f"recall at {budget}",
            f"{at['recall']:.3f} ± {at['recall_spread']:.3f} ({at['false_alerts_a_series_week']:.2f} a week)",
            _each(at["recall_by_origin"]),
            _each(at["median_delay_steps_by_origin"]),
        )
    table.add_row("VUS-PR", f"{row['vus_pr']:.3f}", _each(row["vus_pr_by_origin"]), "")
    if "nab" in row:
        table.add_row("NAB standard", f"{row['nab']:.1f} ± {row['nab_spread']:.1f}", "", "")
    return table


def _each(found: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if value is None else f'{value:.2f}'}" for name, value in found.items())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=8, help="series of the sample")
    parser.add_argument("--points", type=int, default=20_000, help="first points of each series of the sample")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--no-combiner", dest="combiner", action="store_false", help="do not learn from labels")
    parser.add_argument("--output", type=Path, default=RESULTS, help="result file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
