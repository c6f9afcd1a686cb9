"""How many real incidents each detector finds at one false alert per series and week, with ONE threshold for all.

    make bench PART=detection
    python -m benchmarks.detection --series 16 --detectors residual

Labelled telemetry of $AIOPS_DATA_DIR/anomaly, scored online by the serving code. The forecast that residuals are taken
against is our online Holt-Winters, one step ahead. The threshold is cross-fitted: chosen on four fifths of the groups,
applied to the fifth. Labels choose the threshold and nothing else.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from aiops.adapters.folder import Entry, FolderSource
from aiops.detection.catalog import CATALOG, detector
from aiops.detection.detector import Points
from aiops.detection.scorer import Scorer
from aiops.forecasting.holt_winters import HoltWinters
from aiops.series import FloatArray, Series
from benchmarks.detection.events import Outcome, judge

RESULTS = Path(__file__).with_name("results.json")
FOLDS = 5
SURVIVALS = np.geomspace(1e-2, 1e-9, 141)
BUDGETS = (1.0, 0.1)  # false alerts a series and week
FORECAST = HoltWinters(level_memory=timedelta(hours=2))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """A series, what is known of it, and what was expected of each of its points before it came."""

    entry: Entry
    series: Series
    labels: FloatArray
    expected: FloatArray
    probation: int


def main() -> int:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 160)
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        console.print("AIOPS_DATA_DIR is not set: nothing was measured", style="bold red")
        return 2
    labelled = read(Path(folder) / "anomaly", options.series)
    names = [name.split("+") for name in options.detectors]
    rows = []
    for parts in names:
        started = time.perf_counter()
        scores = score(labelled, Scorer([detector(part) for part in parts]), "+".join(parts), console)
        rows.append(summary("+".join(parts), labelled, scores, time.perf_counter() - started))
    console.print(table(rows, labelled))
    options.output.write_text(
        json.dumps({"series": [each.entry.name for each in labelled], "rows": rows}, indent=1) + "\n"
    )
    return 0


def read(folder: Path, count: int) -> list[Labelled]:
    """Read a sample: as many of each origin, spread evenly over its list."""
    source = FolderSource(folder)
    by_origin: dict[str, list[Entry]] = {}
    for entry in source.entries():
        by_origin.setdefault(entry.metadata["origin"], []).append(entry)
    share = -(-count // len(by_origin))
    chosen = [
        entries[place]
        for entries in by_origin.values()
        for place in np.unique(np.linspace(0, len(entries) - 1, min(share, len(entries))).round().astype(int))
    ]
    values, labels = source.read(chosen).series, source.column(chosen, "label")
    return [
        Labelled(
            entry=entry,
            series=series,
            labels=truth.values,
            expected=one_step_ahead(series),
            probation=_probation(series, int(entry.metadata["probation"])),
        )
        for entry, series, truth in zip(chosen, values, labels, strict=True)
    ]


def one_step_ahead(series: Series) -> FloatArray:
    """Return what was forecast for each point from the points before it; NaN where there was nothing yet."""
    ahead = FORECAST.peaks(series, 0, len(series) - 1, window=1)
    return np.concatenate([[np.nan], ahead[:-1]])


def _probation(series: Series, rows: int) -> int:
    """Return how many points of the grid hold the given number of rows of the file."""
    seen = np.flatnonzero(~np.isnan(series.values))
    return int(seen[min(rows, len(seen) - 1)])


def score(labelled: Sequence[Labelled], scorer: Scorer, name: str, console: Console) -> list[FloatArray]:
    """Return the scores of each series; column t of the batch is the t-th point of every series that is so long."""
    state = scorer.start(len(labelled))
    found = [np.zeros(len(each.series)) for each in labelled]
    stamps = [each.series.stamps() for each in labelled]
    longest = max(len(each.series) for each in labelled)
    for t in track(range(longest), f"scoring with {name}", console=console, transient=True):
        rows = [row for row, own in enumerate(found) if t < len(own)]
        expected = np.array([labelled[row].expected[t] for row in rows])
        points = Points(
            rows=np.array(rows),
            at=np.array([stamps[row][t] for row in rows]),
            values=np.array([labelled[row].series.values[t] for row in rows]),
            expected=expected,
            lower=np.full(len(rows), np.nan),
            upper=np.full(len(rows), np.nan),
        )
        for row, value in zip(rows, scorer.step(state, points).values, strict=True):
            found[row][t] = value
    return found


def summary(name: str, labelled: Sequence[Labelled], scores: Sequence[FloatArray], seconds: float) -> dict[str, Any]:
    thresholds = 1.0 - SURVIVALS
    outcomes = [
        judge(own, each.labels, each.series.step.total_seconds(), each.probation, thresholds)
        for own, each in zip(scores, labelled, strict=True)
    ]
    groups = sorted({each.entry.metadata["group"] for each in labelled})
    folds = np.array([groups.index(each.entry.metadata["group"]) % FOLDS for each in labelled])
    origins = np.array([each.entry.metadata["origin"] for each in labelled])
    normal = [
        float((own[each.probation :][each.labels[each.probation :] != 1] > 0.999).mean())
        for own, each in zip(scores, labelled, strict=True)
    ]
    points = sum(int((~np.isnan(each.series.values)).sum()) for each in labelled)
    return {
        "detector": name,
        "microseconds_a_point": round(1e6 * seconds / points, 1),
        "normal_points_above_0.999": {
            str(level): round(float(np.quantile(normal, level)), 6) for level in (0.0, 0.1, 0.5, 0.9, 1.0)
        },
        "at": {str(budget): crossfitted(outcomes, folds, origins, budget) for budget in BUDGETS},
    }


def crossfitted(outcomes: Sequence[Outcome], folds: Any, origins: Any, budget: float) -> dict[str, Any]:
    """Pool what happens in each fold at the lowest threshold that keeps the budget in the others."""
    found = np.zeros(len(outcomes))
    false = np.zeros(len(outcomes))
    chosen = []
    for fold in np.unique(folds):
        others = [outcome for outcome, own in zip(outcomes, folds, strict=True) if own != fold]
        alerts = np.sum([each.false_alerts for each in others], axis=0) / sum(each.weeks for each in others)
        kept = np.flatnonzero(alerts <= budget)
        place = int(kept[0]) if len(kept) else len(SURVIVALS) - 1
        chosen.append(float(SURVIVALS[place]))
        for index in np.flatnonzero(folds == fold).tolist():
            found[index], false[index] = outcomes[index].found[place], outcomes[index].false_alerts[place]
    incidents = np.array([each.incidents for each in outcomes])
    weeks = np.array([each.weeks for each in outcomes])
    return {
        "recall": round(float(found.sum() / incidents.sum()), 3),
        "false_alerts_a_series_week": round(float(false.sum() / weeks.sum()), 3),
        "false_alerts_a_week_of_the_worst_series": round(float((false / weeks).max()), 2),
        "survival_thresholds": [float(f"{each:.2g}") for each in sorted(chosen)],
        "recall_by_origin": {
            str(origin): round(float(found[origins == origin].sum() / incidents[origins == origin].sum()), 3)
            for origin in np.unique(origins)
        },
        "incidents": int(incidents.sum()),
        "series_weeks": round(float(weeks.sum()), 1),
    }


def table(rows: Sequence[dict[str, Any]], labelled: Sequence[Labelled]) -> Table:
    first = rows[0]["at"][str(BUDGETS[0])]
    title = (
        f"{len(labelled)} series, {first['incidents']} incidents, {first['series_weeks']:.0f} series-weeks; "
        "one threshold for all series, cross-fitted"
    )
    shown = Table(title=title)
    for column in (
        "detector",
        "budget",
        "recall",
        "false alerts\na series-week",
        "worst\nseries",
        "recall by origin",
        "normal points > 0.999\nmedian (10 % .. 90 %)",
        "µs a point",
    ):
        shown.add_column(column)
    for row in rows:
        spread = row["normal_points_above_0.999"]
        for budget in BUDGETS:
            at = row["at"][str(budget)]
            shown.add_row(
                row["detector"],
                f"{budget:g}",
                f"{at['recall']:.3f}",
                f"{at['false_alerts_a_series_week']:.2f}",
                f"{at['false_alerts_a_week_of_the_worst_series']:.1f}",
                ", ".join(f"{origin} {recall:.2f}" for origin, recall in at["recall_by_origin"].items()),
                f"{spread['0.5']:.4f} ({spread['0.1']:.4f} .. {spread['0.9']:.4f})",
                f"{row['microseconds_a_point']:.0f}",
            )
    return shown


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=24, help="how many series, the same number of each origin")
    parser.add_argument(
        "--detectors",
        nargs="+",
        default=["residual", "halfspace", "residual+halfspace"],
        help=f"of {', '.join(CATALOG)}; a + puts several into one scorer",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="result file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
