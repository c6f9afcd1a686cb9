"""Curves of means over traces, the figures that the README reads, and the tables on the screen."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from aiops.backtest.outcome import Point, pareto, unmet_at
from aiops.backtest.study import DEFAULT_HPA, TUNED_HPA, Sweep, mean
from benchmarks.scaling.contenders import GRID

SCHEMA = "aiops.benchmark.scaling/1"
COSTS = (1.3, 1.5, 2.0)
# Unmet demand in percent at those costs, as measured for the proposal of this benchmark by another implementation.
REFERENCE = {
    DEFAULT_HPA: (1.04, 0.68, 0.32),
    TUNED_HPA: (0.69, 0.29, 0.12),
    "last-week": (0.47, 0.24, 0.08),
    "prophet-daily": (1.04, 0.56, 0.18),
    "holt-winters": (0.32, 0.14, 0.04),
}
FIXED_TARGET = "target 0.9"


def summarize(swept: Mapping[str, Sequence[Sweep]], source: str) -> dict[str, Any]:
    """Return the result file: curves of means, what they say at three costs, and each trace at one common setting."""
    means = [mean(same) for same in zip(*swept.values(), strict=True)]
    curves = {sweep.scaler: sweep.curve() for sweep in means}
    common = {scaler: min(curve, key=lambda point: abs(point.cost - 1.5)).setting for scaler, curve in curves.items()}
    return {
        "schema": SCHEMA,
        "traces": len(swept),
        "source": source,
        "grid": {"targets": GRID.targets, "floor_targets": GRID.floor_targets, "levels": GRID.levels},
        "unmet_percent_at_cost": {scaler: _at_costs(curve) for scaler, curve in curves.items()},
        "unmet_percent_at_cost_reference": {
            scaler: dict(zip(map(str, COSTS), values, strict=True)) for scaler, values in REFERENCE.items()
        },
        "unmet_percent_at_cost_over_hpa_at_90_percent_only": {
            sweep.scaler: _at_costs(pareto(p for p in _points(sweep) if p.setting.endswith(FIXED_TARGET)))
            for sweep in means
            if sweep.scaler not in (DEFAULT_HPA, TUNED_HPA)
        },
        "common_setting": common,
        "per_trace": {
            name: {
                sweep.scaler: {
                    "unmet_percent_at_cost": _at_costs(sweep.curve()),
                    "at_common_setting": _at_setting(sweep, common[sweep.scaler]),
                }
                for sweep in sweeps
            }
            for name, sweeps in swept.items()
        },
        "curves": {
            scaler: [
                {"cost": _short(p.cost), "unmet_percent": _short(p.unmet * 100), "setting": p.setting} for p in curve
            ]
            for scaler, curve in curves.items()
        },
        "forecast_seconds": {
            sweep.scaler: round(sweep.forecast_seconds * len(swept), 1) for sweep in means if sweep.forecast_seconds
        },
    }


def print_tables(result: dict[str, Any], console: Console) -> None:
    """Print the means beside the reference, then every trace on both axes, then the spread over traces."""
    scalers = list(result["unmet_percent_at_cost"])
    means = Table(title=f"Demand left unmet, %, at a cost over the oracle's; mean of {result['traces']} traces")
    means.add_column("scaler")
    for each_cost in COSTS:
        means.add_column(f"at {each_cost}", justify="right")
        means.add_column("reference", justify="right", style="dim")
        means.add_column("ratio", justify="right")
    for scaler in scalers:
        cells = []
        for cost in map(str, COSTS):
            ours = result["unmet_percent_at_cost"][scaler][cost]
            theirs = result["unmet_percent_at_cost_reference"].get(scaler, {}).get(cost)
            cells += [_text(ours), "", ""]
            if ours is not None and theirs is not None:
                colour = "" if 0.8 <= ours / theirs <= 1.2 else "[yellow]"
                cells[-2:] = [_text(theirs), f"{colour}{ours / theirs:.2f}"]
        means.add_row(scaler, *cells)
    for scaler, values in result["unmet_percent_at_cost_over_hpa_at_90_percent_only"].items():
        texts = [text for cost in map(str, COSTS) for text in (_text(values[cost]), "", "")]
        means.add_row(f"{scaler}, HPA at 90 % only", *texts, style="dim")
    console.print(means)

    each = Table(title="Each trace at the common setting nearest to cost 1.5: unmet % @ cost")
    each.add_column("trace")
    for scaler in scalers:
        each.add_column(f"{scaler}\n{result['common_setting'][scaler]}", justify="right")
    for name, found in result["per_trace"].items():
        pairs = [found[scaler]["at_common_setting"] for scaler in scalers]
        each.add_row(name, *(f"{_text(pair['unmet_percent'])} @ {pair['cost']:.2f}" for pair in pairs))
    console.print(each)

    spread = Table(title="Spread over traces: unmet % at cost 1.5, each trace on its own Pareto curve")
    for title in ("scaler", "lowest", "quarter", "median", "three quarters", "highest"):
        spread.add_column(title, justify="left" if title == "scaler" else "right")
    for scaler in scalers:
        values = [found[scaler]["unmet_percent_at_cost"]["1.5"] for found in result["per_trace"].values()]
        known = [value for value in values if value is not None]
        spread.add_row(scaler, *(_text(float(q)) for q in np.quantile(known, [0, 0.25, 0.5, 0.75, 1])))
    console.print(spread)
    replay = result["replay"]
    console.print(
        f"Replaying {replay['days']:g} days of {replay['trace']} at 15 s steps through one policy: "
        f"{replay['seconds']} s beside the forecaster; {replay['microseconds_a_decision']} microseconds a decision."
    )


def _points(sweep: Sweep) -> list[Point]:
    points = zip(sweep.cost.tolist(), sweep.unmet.tolist(), sweep.settings, strict=True)
    return [Point(*point) for point in points]


def _at_costs(curve: list[Point]) -> dict[str, float | None]:
    values = {str(cost): unmet_at(curve, cost) * 100 for cost in COSTS}
    return {cost: None if math.isnan(value) else _short(value) for cost, value in values.items()}


def _at_setting(sweep: Sweep, setting: str) -> dict[str, float]:
    at = sweep.settings.index(setting)
    return {"unmet_percent": _short(float(sweep.unmet[at]) * 100), "cost": _short(float(sweep.cost[at]))}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _text(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
