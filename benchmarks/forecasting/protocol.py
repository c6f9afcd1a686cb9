"""The protocol of the fleet forecaster: every figure that it must show, beside what it shows, rivals in the same run.

python -m benchmarks.forecasting.protocol
python -m benchmarks.forecasting.protocol --parts day --against prophet --sample 40
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aiops.adapters.folder import FolderSource
from aiops.forecasting.catalog import path_forecaster
from aiops.series import FloatArray
from benchmarks.forecasting import cost, early_warning, fleet_only, m4, peaks, windows
from benchmarks.forecasting.losses import LEVELS, NAMES, Losses, calibration, losses, naive_quantiles, relative
from benchmarks.forecasting.windows import DAY, WEEK, Window

RESULTS = Path(__file__).with_name("protocol.json")
PARTS = ("day", "m4", "week", "maximum", "kept", "peaks", "early-warning", "cost")
GENERATED = "synthetic"
MUST_AND_AIM = {
    "MASE": (0.75, 0.66),
    "CRPS": (0.62, 0.53),
    "pinball .95": (0.82, 0.75),
}


def main() -> int:
    options = _options()
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        print("AIOPS_DATA_DIR is not set: nothing was measured", file=sys.stderr)
        return 0
    source = FolderSource(Path(folder) / "forecast")
    found: dict[str, Any] = {"schema": 1, "python": platform.python_version(), "model": options.model}
    if options.parts != ",".join(PARTS) and options.output.is_file():
        found = json.loads(options.output.read_text()) | found  # the other parts stay as they were measured
    lines: list[str] = []
    for part in options.parts.split(","):
        run = {
            "day": day_part,
            "m4": m4_part,
            "week": week_part,
            "maximum": lambda source, _: fleet_only.maximum_part(source),
            "kept": lambda source, _: fleet_only.kept_part(source),
            "peaks": lambda source, _: peaks.peaks_part(source),
            "early-warning": lambda *_: early_warning.early_warning_part(Path(folder) / "workload"),
            "cost": cost_part,
        }[part]
        found[part], said = run(source, options)
        lines += said
    print("\n".join([f"{'figure':<58}{'must':>8}{'aim':>8}{'is':>9}", *lines]))
    options.output.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasting.protocol", description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS, help="result file")
    parser.add_argument("--model", default="fleet", help="name of the catalog")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--against", help="another model, on the same windows of the day ahead")
    parser.add_argument("--sample", type=int, help="with --against: only so many windows, spread evenly")
    parser.add_argument("--series", default="1000,3000,10000", help="with the part cost: sizes of the fleet")
    return parser.parse_args()


def forecast(model: str, asked: Sequence[Window]) -> tuple[list[FloatArray], float]:
    """Return the quantiles of each window, and the seconds of the processor that a window took."""
    made: list[FloatArray] = [np.empty(0)] * len(asked)
    forecaster = path_forecaster(model)
    first, frame = next(windows.batches(asked))
    forecaster.forecast(frame.select([0]), len(asked[first[0]].truth), LEVELS)  # compiles
    began = time.process_time()
    for places, frame in windows.batches(asked):
        values = forecaster.forecast(frame, len(asked[places[0]].truth), LEVELS).values
        for row, place in enumerate(places):
            made[place] = values[row]
    return made, (time.process_time() - began) / len(asked)


def day_part(source: FolderSource, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    asked = windows.day_ahead(source)
    if options.sample:
        chosen = np.linspace(0, len(asked) - 1, options.sample).round().astype(int)
        asked = [asked[place] for place in chosen]
    made, seconds = forecast(options.model, asked)
    own = losses(asked, made, DAY)
    naive = losses(asked, [naive_quantiles(each, DAY) for each in asked], DAY)
    against_naive = relative(own, naive, asked)
    real = relative(own, naive, asked, np.array([window.group != GENERATED for window in asked]))
    by_group = calibration(own, asked)
    found: dict[str, Any] = {
        "against_naive": against_naive,
        "against_naive_real_series_alone": real,
        "calibration": by_group,
        "seconds_a_window": seconds,
    }
    lines = _relative_lines("a day ahead, 5 min, against seasonal naive", against_naive)
    lines.append(_line("series worse than seasonal naive", 0.15, 0.08, float(against_naive["worse_share"])))
    lines += _relative_lines("the same, real series alone", real)
    lines.append(_line("real series worse than seasonal naive", 0.15, 0.08, float(real["worse_share"])))
    lines += _calibration_lines(by_group)
    if options.against:
        rival, rival_seconds = forecast(options.against, asked)
        found["against"] = _against(options.against, asked, own, losses(asked, rival, DAY), rival_seconds)
        lines += _relative_lines(f"against {options.against}, same {len(asked)} windows", found["against"]["relative"],
                                 {"MASE": (0.60, 0.45), "CRPS": (0.60, 0.45)})  # fmt: skip
    return found, lines


def _against(name: str, asked: Sequence[Window], own: Losses, rival: Losses, seconds: float) -> dict[str, Any]:
    return {"model": name, "relative": relative(own, rival, asked), "seconds_a_window": seconds}


def m4_part(source: FolderSource, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    asked = windows.m4(source)
    made, seconds = forecast(options.model, asked)
    histories, truths = [each.history.values for each in asked], [each.truth for each in asked]
    score = m4.owa(histories, truths, [each[1] for each in made])
    by_group = calibration(losses(asked, made, DAY), asked)["all"]
    found = {"owa": score, "calibration": by_group, "series": len(asked), "seconds_a_window": seconds}
    return found, [
        _line(f"M4 hourly, OWA ({len(asked)} series)", 0.49, 0.44, score),
        _line("M4 hourly, 80 % coverage", 0.72, 0.78, by_group["coverage_80"]),
    ]


def week_part(source: FolderSource, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    asked = windows.week_ahead(source)
    made, seconds = forecast(options.model, asked)
    own = losses(asked, made, WEEK)
    naive = losses(asked, [naive_quantiles(each, WEEK) for each in asked], WEEK)
    against = relative(own, naive, asked)
    found: dict[str, Any] = {
        "against_last_week": against,
        "calibration": calibration(own, asked),
        "seconds_a_window": seconds,
    }
    title = "a week ahead, hourly, against the same hour last week"
    return found, [
        *_relative_lines(title, against, {"MASE": (0.80, 0.70)}),
        *_calibration_lines(found["calibration"]),
    ]


def cost_part(source: FolderSource, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    seeds = [each.history.values for each in windows.day_ahead(source)]
    sizes = [int(each) for each in options.series.split(",")]
    found = cost.measure(options.model, seeds, sizes)
    return found, [
        _line("series a core-second, full backtest and quantiles", 120, 300, found["series_a_core_second"]),
        _line("series a core-second, plain refit", 2000, 5000, found["refits_a_core_second"]),
        _line("series a core-second, plain refit, one by one", "", "", found["single_refits_a_core_second"]),
        _line(f"peak memory in GB, {sizes[-1]} series", 2, 1, found["sizes"][-1]["peak_gb"]),
        _line("100 k series, hours on one core", "", "", found["hours_of_100k_on_one_core"]),
    ]


def _relative_lines(
    title: str, found: dict[str, Any], marks: dict[str, tuple[float, float]] | None = None
) -> list[str]:
    lines = [f"{title}: {found['series']} series, {found['windows']} windows, {found['left_out_flat_or_missing']} out"]
    for name in NAMES:
        must, aim = (MUST_AND_AIM if marks is None else marks).get(name, ("", ""))
        low, middle, high = found[name]["windows_10_50_90"]
        spread = f"arithmetic {found[name]['arithmetic']:.3f}, windows {low:.2f}/{middle:.2f}/{high:.2f}"
        lines.append(_line(f"  {name}, geometric", must, aim, found[name]["geometric"]) + f"   {spread}")
    return lines


def _calibration_lines(by_group: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for group, values in by_group.items():
        for figure, name, must, aim in (
            ("coverage_80", f"80 % coverage, {group} ({values['windows']} windows)", ".75-.85", ".78-.82"),
            ("hits_0.95", f"hits of q0.95, {group}", ".93-.97", ""),
            ("hits_0.99", f"hits of q0.99, {group}", ".975-1", ""),
        ):
            low, high = values[f"{figure}_interval"]
            said = f"   95 %: {low:.3f} to {high:.3f}"
            if f"{figure}_by_chance" in values:
                said += ", by chance {:.3f} to {:.3f}".format(*values[f"{figure}_by_chance"])
            lines.append(_line(name, must, aim, values[figure]) + said)
    return lines


def _line(what: str, must: float | str, aim: float | str, value: float) -> str:
    return f"{what:<58}{must:>8}{aim:>8}{value:>9.3f}"


if __name__ == "__main__":
    sys.exit(main())
