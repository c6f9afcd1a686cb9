"""How many alerts people get for the budget that they ask for, and how many incidents these tell of.

    python -m benchmarks.detection.budget
    python -m benchmarks.detection.budget --incidents 0.3 --longest 20000

Every labelled series is scored from its first point on; points of the probation teach, and earn, and do not count.
All alerts count, the true ones too: people read them all. An incident is told of if an alert falls within it, by the
event rules. Half a minute; it writes nothing: ``python -m benchmarks.detection`` keeps the same figures.

What is measured is the ``alert`` of ``aiops score``. With ``--incidents`` it is what the service tells: its rules, and
``alertsAWeek`` of a monitor, each series a service by itself. That takes five minutes a budget for all series.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from aiops.alerting.rules import ANOMALOUS, AlertRule
from aiops.detection.detector import BoolArray
from aiops.detection.fleet import FleetDetector
from aiops.detection.onset import Onsets
from aiops.detection.scorer import Scorer
from aiops.series import FloatArray, Series, SeriesKey, from_epoch
from aiops.usecases.backtest_detection import backtest_detection
from benchmarks.detection.events import WEEK_SECONDS, judge

BUDGETS = (5.0, 1.0, 0.3, 0.1)  # alerts a series and week


Tell = Callable[[Any, float], BoolArray]
"""Says where people are told of a labelled series, for a budget: shape ``[n]``."""


def budget_kept(series: Sequence[Any], budgets: Sequence[float] = BUDGETS, tell: Tell | None = None) -> dict[str, Any]:
    """Return, for each budget, the alerts a series-week over it, their recall and the false ones; by origin, too."""
    tell = tell or _onsets()
    weeks = np.array([(len(each.values) - each.probation) * each.step_seconds / WEEK_SECONDS for each in series])
    origins = np.array([each.origin for each in series])
    kept = {}
    for budget in budgets:
        counts = np.array([_counted(tell(each, budget), each) for each in series])
        alerts = counts[:, 0]
        kept[str(budget)] = {
            **_shares(counts, weeks, budget),
            "by_origin": {
                name: _shares(counts[origins == name], weeks[origins == name], budget)
                for name in np.unique(origins).tolist()
            },
            "worst_of_series_longer_than_two_weeks": round(float((alerts / weeks)[weeks > 2].max(initial=0.0)), 2),
        }
    return kept


def _onsets() -> Tell:
    """Return what tells as the ``alert`` column does; a series is scored once for all budgets."""
    said: dict[str, FloatArray] = {}

    def tell(one: Any, budget: float) -> BoolArray:
        if one.name not in said:
            said[one.name] = FleetDetector().replay(one.at, one.values)[0]
        onsets = Onsets(budget=budget)
        return onsets.learn(onsets.start(1), np.zeros(len(one.at), dtype=np.int64), one.at, said[one.name])

    return tell


def incidents(one: Any, budget: float) -> BoolArray:
    """Return where the first notification of an incident says that it began."""
    places = np.round((one.at - one.at[0]) / one.step_seconds).astype(np.int64)
    values = np.full(places[-1] + 1, np.nan)
    values[places] = one.values
    start, step = from_epoch(float(one.at[0])), timedelta(seconds=one.step_seconds)
    series = Series(key=SeriesKey(one.name), start=start, step=step, values=values)
    scored = step * int(places[-1] + 1 - places[one.probation])
    found = backtest_detection([series], Scorer([FleetDetector()]), AlertRule(alerts_a_week=budget), scored)
    told = np.zeros(len(one.at), dtype=np.bool_)
    for each in found.told:
        if each.first.labels["alertname"] == ANOMALOUS:
            told[np.searchsorted(places, (each.first.starts_at - start) // step)] = True
    return told


def _counted(told: BoolArray, one: Any) -> tuple[int, int, int, int]:
    """Return alerts, false alerts, incidents told of and incidents of one series."""
    told[: one.probation] = False
    outcome = judge(told.astype(np.float64), one.labels, one.step_seconds, one.probation, np.array([0.5]))
    return int(told.sum()), int(outcome.false_alerts[0]), int(outcome.found[0]), outcome.incidents


def _shares(counts: Any, weeks: Any, budget: float) -> dict[str, float]:
    alerts, false, found, incidents = counts.sum(axis=0).tolist()
    return {
        "alerts_a_series_week": round(alerts / weeks.sum(), 3),
        "times_the_budget": round(float(alerts / weeks.sum() / budget), 2),
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

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=float, nargs="+", metavar="BUDGET", help="incidents that the service tells")
    parser.add_argument("--longest", type=int, default=10**9, help="leave out series of more points")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        console.print("AIOPS_DATA_DIR is not set: nothing was measured", style="bold red")
        return 2
    series = [each for each in read(Path(folder) / "anomaly") if len(each.values) <= options.longest]
    if options.incidents:
        shown_series = track(series, "replaying", console=console, transient=True)
        told = {(each.name, budget): incidents(each, budget) for each in shown_series for budget in options.incidents}
        console.print(shown(budget_kept(series, options.incidents, lambda one, budget: told[one.name, budget])))
    else:
        console.print(shown(budget_kept(series)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
