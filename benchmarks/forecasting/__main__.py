"""Forecast a day ahead on a sample of real 5-minute series; every model beside seasonal naive in the same run.

python -m benchmarks.forecasting --series 12
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from aiops.adapters.folder import Entry, FolderSource
from aiops.backtest.forecasts import ForecastComparison, evaluate
from aiops.backtest.splits import RollingOrigins
from aiops.forecasting.catalog import PATH, path_forecaster
from aiops.series import Frame

STEP = timedelta(minutes=5)
DAY = timedelta(days=1) // STEP
ORIGINS = RollingOrigins(horizon=DAY, count=2, stride=7 * DAY // 3, longest_history=28 * DAY, shortest_history=20 * DAY)
DECILES = np.arange(1, 10) / 10
RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    options = _options()
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        print("AIOPS_DATA_DIR is not set: nothing was measured", file=sys.stderr)
        return 0
    source = FolderSource(Path(folder) / "forecast")
    chosen = sample(source.entries(), options.series)
    frames = [Frame.of([series]) for series in source.read(chosen).series]
    found = evaluate(
        frames, {name: path_forecaster(name) for name in options.models.split(",")}, ORIGINS, DECILES, progress=progress
    )
    print(table(found))
    options.output.write_text(json.dumps(result(found, chosen), indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasting", description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS, help="result file")
    parser.add_argument("--series", type=int, default=12, help="how many series (Prophet alone costs 10 s each)")
    parser.add_argument("--models", default=",".join(PATH), help="names of the catalog, seasonal-naive among them")
    return parser.parse_args()


def sample(entries: Sequence[Entry], count: int) -> list[Entry]:
    """Return ``count`` entries spread evenly over all 5-minute series that are long enough and no counters."""
    usable = [
        entry
        for entry in entries
        if entry.step == STEP
        and int(entry.metadata["n"]) >= ORIGINS.shortest_history + 4 * DAY
        and entry.metadata["kind"] != "counter"
    ]
    places = np.linspace(0, len(usable) - 1, min(count, len(usable)))
    return [usable[round(float(place))] for place in places]


def progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{of}", end="\n" if done == of else "", file=sys.stderr, flush=True)


def table(found: ForecastComparison) -> str:
    lines = [
        f"{'model':<16}{'series':>7}{'MASE':>7}{'(10-90 %)':>14}{'CRPS':>7}{'worse':>7}{'cover':>7}{'s/forecast':>11}"
    ]
    for each in found.summaries():
        spread = f"({each.relative_mase_low:.2f}-{each.relative_mase_high:.2f})"
        lines.append(
            f"{each.model:<16}{each.series:>7}{each.relative_mase:>7.3f}{spread:>14}{each.relative_crps:>7.3f}"
            f"{each.worse_ratio:>7.0%}{each.coverage:>7.0%}{each.seconds:>11.4f}"
        )
    lines.append(
        "MASE and CRPS over those of seasonal naive: geometric means over series. cover: of the 80 % interval."
    )
    lines += [f"skipped {each.series_id} by {each.model}: {each.reason}" for each in found.skipped]
    return "\n".join(lines)


def result(found: ForecastComparison, chosen: Sequence[Entry]) -> dict[str, object]:
    return {
        "schema": 1,
        "python": platform.python_version(),
        "series": [entry.key.series_id for entry in chosen],
        "models": found.rows(),
        "skipped": len(found.skipped),
    }


if __name__ == "__main__":
    sys.exit(main())
