"""How many alerts people get for the budget that they ask for, and how many incidents these tell of.

    python -m benchmarks.detection.budget

Every labelled series is scored from its first point on; points of the probation teach, and earn, and do not count.
All alerts count, the true ones too: people read them all. An incident is told of if an alert falls within it, by the
event rules. Half a minute; it writes nothing: ``python -m benchmarks.detection`` keeps the same figures.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from aiops.detection.fleet import FleetDetector
from aiops.detection.onset import Onsets
from benchmarks.detection.events import WEEK_SECONDS, judge

BUDGETS = (5.0, 1.0, 0.3, 0.1)  # alerts a series and week


def budget_kept(series: Sequence[Any]) -> dict[str, Any]:
    """Return, for each budget, the alerts a series-week over it, their recall and the false ones; by origin, too."""
    said = [FleetDetector().replay(each.at, each.values)[0] for each in series]
    weeks = np.array([(len(each.values) - each.probation) * each.step_seconds / WEEK_SECONDS for each in series])
    origins = np.array([each.origin for each in series])
    kept = {}
    for budget in BUDGETS:
        onsets = Onsets(budget=budget)
        counts = np.array([_counted(onsets, each, own) for each, own in zip(series, said, strict=True)])
        alerts = counts[:, 0]
        kept[str(budget)] = {
            **_shares(counts, weeks, budget),
            "by_origin": {
                name: _shares(counts[origins == name], weeks[origins == name], budget)
                for name in np.unique(origins).tolist()
            },
            "worst_of_series_longer_than_two_weeks": round(float((alerts / weeks)[weeks > 2].max()), 2),
        }
    return kept


def _counted(onsets: Onsets, one: Any, said: Any) -> tuple[int, int, int, int]:
    """Return alerts, false alerts, incidents told of and incidents of one series."""
    told = onsets.learn(onsets.start(1), np.zeros(len(said), dtype=np.int64), one.at, said)
    told[: one.probation] = False
    outcome = judge(told.astype(np.float64), one.labels, one.step_seconds, one.probation, np.array([0.5]))
    return int(told.sum()), int(outcome.false_alerts[0]), int(outcome.found[0]), outcome.incidents


def _shares(counts: Any, weeks: Any, budget: float) -> dict[str, float]:
    alerts, false, found, incidents = counts.sum(axis=0).tolist()
    return {
        "alerts_a_series_week": round(alerts / weeks.sum(), 3),
        "times_the_budget": round(alerts / weeks.sum() / budget, 2),
        "recall": round(found / incidents, 3) if incidents else 0.0,
        "false_alerts_a_series_week": round(false / weeks.sum(), 3),
    }


def shown(kept: dict[str, Any]) -> Table:
    """Return it as a table: a row a budget."""
    table = Table(title="alerts for the budget asked for, all alerts counted", title_justify="left")
    for name in ("budget a week", "alerts a series-week", "times the budget", "incidents told of", "false a week"):
        table.add_column(name)
    table.add_column("times the budget; incidents told of, by origin")
    for budget, own in kept.items():
        each = [f"{name} {at['times_the_budget']:.2f}; {at['recall']:.2f}" for name, at in own["by_origin"].items()]
        table.add_row(
            budget,
            f"{own['alerts_a_series_week']:.3f}",
            f"{own['times_the_budget']:.2f}",
            f"{own['recall']:.3f}",
            f"{own['false_alerts_a_series_week']:.3f}",
            ", ".join(each),
        )
    return table


def main() -> int:
    """Print the table."""
    from benchmarks.detection.__main__ import read

    console = Console(width=None if sys.stdout.isatty() else 160)
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        console.print("AIOPS_DATA_DIR is not set: nothing was measured", style="bold red")
        return 2
    console.print(shown(budget_kept(read(Path(folder) / "anomaly"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
