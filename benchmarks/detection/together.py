"""What judging several series together adds to the alerts where there is little to find together.

    python -m benchmarks.detection.together

The labelled telemetry has no service with several metrics. What can be measured on it is the price: one-minute series
of one origin that begin on the same day are taken for the metrics of a service, through the code that serves, and the
alerts that the service gets as a whole are counted beside those of its metrics. A service that costs more than a metric
would not be kept switched on. Two minutes.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from aiops.alerting.rules import AlertRule
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.series import Series, SeriesKey, from_epoch
from aiops.usecases.backtest_detection import backtest_detection
from aiops.usecases.services import NAME
from benchmarks.detection.__main__ import Labelled, read

STEP = timedelta(minutes=1)
DAYS = 30  # at most; half of them are scored
FEWEST = 3


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 120)
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        console.print("AIOPS_DATA_DIR is not set: nothing was measured", style="bold red")
        return 2
    table = Table("taken for a service", "metrics", "days", "alerts a week: of it", "of each of its metrics")
    for name, members in services(read(Path(folder) / "anomaly")).items():
        series = aligned(name, members)
        scored = len(series[0]) * STEP / 2
        found = backtest_detection(series, Scorer([detector("fleet")]), AlertRule(), scored, together="ecod")
        weeks = scored / timedelta(days=7)
        alerts = {each.key: (each.pages + each.tickets) / weeks for each in found.tallies}
        whole = sum(count for key, count in alerts.items() if key.name == NAME)
        each = (sum(alerts.values()) - whole) / len(series)
        table.add_row(name, str(len(series)), f"{scored / timedelta(days=1):.1f}", f"{whole:.2f}", f"{each:.2f}")
    console.print(table)
    return 0


def services(every: Sequence[Labelled]) -> dict[str, list[Labelled]]:
    """Return groups of series of one origin that begin on the same day."""
    found: dict[str, list[Labelled]] = defaultdict(list)
    for each in every:
        if each.step_seconds == STEP.total_seconds():
            found[f"{each.origin} {from_epoch(each.at[0]):%Y-%m-%d}"].append(each)
    return {name: members for name, members in found.items() if len(members) >= FEWEST}


def aligned(name: str, members: Sequence[Labelled]) -> list[Series]:
    """Return series on one grid, from where the last of them begins to where the first ends."""
    seconds = STEP.total_seconds()
    first = int(max(each.at[0] for each in members) // seconds) + 1
    length = min(int(min(each.at[-1] for each in members) // seconds) - first, DAYS * 1440)
    found = []
    for each in members:
        values = np.full(length, np.nan)
        places = (each.at // seconds).astype(np.int64) - first
        here = (places >= 0) & (places < length)
        values[places[here]] = each.values[here]
        key = SeriesKey.of(each.name, {"service": name})
        found.append(Series(key=key, start=from_epoch(first * seconds), step=STEP, values=values))
    return found


if __name__ == "__main__":
    sys.exit(main())
