"""One setting for all traces, held against the figures that were promised: must, aim, and what was measured.

Example:
    make bench PART=scaling.setting
    make bench PART=scaling.setting ARGS="--traces ms_mongo_01 cc_cluster19"

The setting is the policy's own defaults (model boosted, level 0.95, look ahead 15 min, stabilization 5 min, tolerance
0.1) as a floor under an HPA at all of a replica's capacity. The protocol is in README.md beside this file.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from aiops.backtest.hpa import Hpa
from aiops.backtest.outcome import ScalingOutcome, cost_at, unmet_at
from aiops.backtest.replay import Case, floors_of, peaks_for, peaks_of_all, replay_floors, replay_hpa
from aiops.backtest.study import Contender, Sweep, mean, sweep_case
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.window import maximum_ahead
from aiops.scaling.policy import Horizon, ScalingPolicy
from aiops.series import FloatArray
from benchmarks.scaling.cold_start import Young, first_days, times_less
from benchmarks.scaling.command import CONSOLE, begin, of_each, options, write
from benchmarks.scaling.contenders import GRID
from benchmarks.scaling.faults import TOO_MUCH, broken

RESULT = Path(__file__).parent / "results" / "setting.json"
TARGET = 1.0
POLICY = ScalingPolicy.model_validate({"bounds": {"maxReplicas": 1_000_000}, "load": {"capacityPerReplica": 1}})
OURS = Contender(name="boosted", policy=POLICY, forecaster=window_forecaster("boosted"))
HPA = Hpa(target=TARGET, max_replicas=1_000_000)
BY_TARGET = replace(GRID, down_windows=())
# For the figures at another cost than the setting's own nothing but the level is turned, the same for every trace.
CHEAP_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
DEAR_LEVELS = (0.95, 0.98, 0.99)
SLOW_START = timedelta(seconds=300)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trace.

    Attributes:
        name: The trace.
        plain: The default and the tuned HPA over their grids.
        ours: The setting: (cost, unmet, changes a day).
        alone: The HPA at the same target without a floor: share left unmet.
        cheap: The setting at lower levels.
        slow: The default HPA, and ours at other levels, with a start-up of 300 s.
        broken: By kind of broken forecast: (share left unmet, cost).
        coverage: Farthest that any 7 days were from the level, in points: of the window, and of what is looked ahead.
        young: Its first days, with nothing known from before.
        seconds: Time of all forecasts at the setting.
    """

    name: str
    plain: list[Sweep]
    ours: tuple[float, float, float]
    alone: float
    cheap: Sweep
    slow: list[Sweep]
    broken: dict[str, tuple[float, float]]
    coverage: tuple[float, ...]
    young: list[Young]
    seconds: float


def measure(case: Case) -> Measured:
    """Replay one trace."""
    policy = OURS.policy_of(case)
    started = time.perf_counter()
    peaks = peaks_for(case, policy, OURS.forecaster)
    seconds = time.perf_counter() - started
    ours = _under(case, policy, peaks)
    slow = replace_start(case, SLOW_START)
    return Measured(
        name=case.name,
        plain=sweep_case(case, [], GRID),
        ours=(ours.cost_ratio, ours.unmet_ratio, ours.scale_events / ((case.end - case.start) / timedelta(days=1))),
        alone=replay_hpa(case, HPA).unmet_ratio,
        cheap=_turned(case, CHEAP_LEVELS),
        slow=[sweep_case(slow, [], BY_TARGET)[0], _turned(slow, DEAR_LEVELS)],
        broken={kind: _both(_under(case, policy, wrong)) for kind, wrong in broken(case, peaks).items()},
        coverage=tuple(map(partial(farthest, case), policy.horizons, peaks.T)),
        young=first_days(case, OURS, HPA, BY_TARGET),
        seconds=seconds,
    )


def farthest(case: Case, horizon: Horizon, peaks: FloatArray) -> float:
    """Return how far the share of windows that stayed below the forecast was from the level, in the worst 7 days.

    Over the whole scored time where that is shorter.
    """
    window = -(-horizon.length // case.history.step)
    truth = maximum_ahead(case.history.values, window)[case.cutoffs]
    first = int((case.start - case.history.start) // case.history.step - 1 - case.cutoffs[0])
    known = ~np.isnan(truth[first:]) & ~np.isnan(peaks[first:])
    below = (truth[first:] <= peaks[first:])[known]
    length = min(WEEK // case.history.step, len(below))
    total = np.concatenate([[0], np.cumsum(below)])
    shares = (total[length:] - total[:-length]) / length
    return float(100 * np.abs(shares - horizon.level).max())


def replace_start(case: Case, startup_delay: timedelta) -> Case:
    """Return the case with pods that start more slowly."""
    return Case(
        name=case.name,
        history=case.history,
        capacity_per_replica=case.capacity_per_replica,
        start=case.start,
        end=case.end,
        startup_delay=startup_delay,
    )


def _turned(case: Case, levels: Sequence[float]) -> Sweep:
    policies = [OURS.policy_of(case, level) for level in levels]
    peaks = peaks_of_all(case, policies, OURS.forecaster)
    outcomes = [_under(case, policy, read) for policy, read in zip(policies, peaks, strict=True)]
    return Sweep(
        scaler=OURS.name,
        settings=tuple(f"level {level:g}" for level in levels),
        unmet=np.array([each.unmet_ratio for each in outcomes]),
        cost=np.array([each.cost_ratio for each in outcomes]),
    )


def _under(case: Case, policy: ScalingPolicy, peaks: FloatArray) -> ScalingOutcome:
    return replay_floors(case, floors_of(case, policy, peaks), HPA, OURS.name)


def _both(outcome: ScalingOutcome) -> tuple[float, float]:
    return outcome.unmet_ratio, outcome.cost_ratio


def decision_seconds(case: Case, workloads: int = 1000) -> float:
    """Return the seconds that one core takes for one decision each of many workloads, once their trees are grown.

    Every workload has a history of 14 days that ends a minute later at each question, as in the live service.
    """
    horizons, forecaster = OURS.policy_of(case).horizons, window_forecaster("boosted")
    history = case.history.between(case.end - timedelta(days=14), case.end)
    last = len(history) - 100
    seconds = []
    for question in range(21):
        known = history.between(
            history.start + question * history.step, history.start + (last + question) * history.step
        )
        started = time.perf_counter()
        for length, level in horizons:
            forecaster.window_maximum(known, np.array([len(known) - 1]), -(-length // history.step), np.array([level]))
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:])) * workloads


def summarize(found: Sequence[Measured], seconds: float) -> dict[str, Any]:
    """Return every figure beside what it must be and what was aimed at."""
    default, tuned = (mean([each.plain[index] for each in found]).curve() for index in (0, 1))
    cost, unmet, changes = np.mean([each.ours for each in found], axis=0).tolist()
    ratios = np.array([unmet_at(each.plain[0].curve(), each.ours[0]) / max(each.ours[1], 1e-9) for each in found])
    slow_default, slow_ours = (mean([each.slow[index] for each in found]).curve() for index in (0, 1))
    turned = mean([each.cheap for each in found]).curve()
    healthy = np.array([each.broken["healthy"] for each in found])
    kinds = [kind for kind in found[0].broken if kind != "healthy"]
    worse = {kind: max(each.broken[kind][0] / each.alone for each in found if each.alone > 0) for kind in kinds}
    dearer = {kind: float(np.mean([each.broken[kind][1] for each in found]) / healthy[:, 1].mean()) for kind in kinds}
    fewer_hours = {name: 100 * (cost / cost_at(curve, unmet) - 1) for name, curve in (("d", default), ("t", tuned))}
    slow_ratio = unmet_at(slow_default, 1.5) / unmet_at(slow_ours, 1.5)
    covered, covered_ahead = 100 * np.mean([np.array(each.coverage) <= 1 for each in found], axis=0)
    ages = [list(each) for each in zip(*(each.young for each in found), strict=True)]
    young = list(zip(("first", "second", "third"), map(times_less, ages), strict=True))
    rows: list[tuple[str, float, float | None, float | None, str]] = [
        ("unmet at equal cost, times less than the default HPA", unmet_at(default, cost) / unmet, 6, 9, "more"),
        ("unmet at equal cost, times less than the tuned HPA", unmet_at(tuned, cost) / unmet, 4, 6, "more"),
        ("replica-hours at equal unmet, % of the default HPA", fewer_hours["d"], -50, -58, "less"),
        ("replica-hours at equal unmet, % of the tuned HPA", fewer_hours["t"], -25, -35, "less"),
        ("each trace, times less unmet than the default HPA: worst", float(np.nanmin(ratios)), 1.0, 1.3, "more"),
        ("each trace, times less unmet than the default HPA: median", float(np.nanmedian(ratios)), None, 4, "more"),
        ("cost over the oracle at 0.5 % unmet", cost_at(turned, 0.005), 1.15, 1.11, "less"),
        ("start-up 300 s, at cost 1.5, times less than the default HPA", slow_ratio, 6, 9, "more"),
        ("changes of the replicas a day", changes, 160, 100, "less"),
        ("series within 1 point of the level over any 7 days, %", covered, 90, None, "more"),
        ("the same of the quarter of an hour that is looked ahead, %", covered_ahead, None, None, "more"),
        ("decisions for 1000 workloads on one core, s", seconds, 10, 1, "less"),
        *(
            (f"{day} day of a workload's life: times less than the default HPA", less, None, None, "more")
            for day, less in young
        ),
        *((f"{kind}: worst trace's unmet over the plain HPA's", worse[kind], 1.0, None, "less") for kind in kinds),
        *(
            (f"{kind}: cost over the healthy cost", dearer[kind], 1.3 if kind in TOO_MUCH else None, None, "less")
            for kind in kinds
        ),
    ]
    return {
        "schema": "aiops.benchmark.scaling-setting/1",
        "traces": [each.name for each in found],
        "setting": {"policy": POLICY.to_spec(), "hpa_target": TARGET},
        "cost": round(cost, 4),
        "unmet_percent": round(100 * unmet, 4),
        "figures": [
            {"figure": name, "measured": round(float(value), 3), "must": must, "aim": aim, "better": better}
            for name, value, must, aim, better in rows
        ],
        "curve": [[round(p.cost, 4), round(100 * p.unmet, 4), p.setting] for p in turned],
        "per_trace": {
            each.name: {
                "cost": round(each.ours[0], 4),
                "unmet_percent": round(100 * each.ours[1], 4),
                "changes_a_day": round(each.ours[2], 1),
                "times_less_than_default": _number(ratio),
                "coverage_error_points": round(each.coverage[0], 2),
                "coverage_error_points_ahead": round(each.coverage[1], 2),
                "forecast_seconds": round(each.seconds, 1),
            }
            for each, ratio in zip(found, ratios.tolist(), strict=True)
        },
    }


def print_table(result: dict[str, Any], console: Console) -> None:
    """Print the figures, then every trace."""
    table = Table(title=f"One setting, {len(result['traces'])} development traces")
    for title in ("figure", "measured", "must", "aim"):
        table.add_column(title, justify="left" if title == "figure" else "right")
    for row in result["figures"]:
        sign = 1 if row["better"] == "more" else -1
        good = row["must"] is None or sign * row["measured"] >= sign * row["must"]
        colour = "green" if good else "red"
        table.add_row(row["figure"], f"[{colour}]{row['measured']:.3g}", _text(row["must"]), _text(row["aim"]))
    console.print(table)
    each = Table(title="Each trace")
    names = list(next(iter(result["per_trace"].values())))
    each.add_column("trace")
    for name in names:
        each.add_column(name.replace("_", " "), justify="right")
    for trace, values in result["per_trace"].items():
        each.add_row(trace, *(_text(values[name]) for name in names))
    console.print(each)


def _told(measured: Measured, console: Console) -> Measured:
    cost, unmet, _ = measured.ours
    console.print(f"{measured.name}: {100 * unmet:.4f} % unmet at {cost:.3f}", style="dim")
    return measured


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def main() -> None:
    """Measure, print and write."""
    parser = options(__doc__, RESULT)
    parser.add_argument("--processes", type=int, default=1, help="how many traces at a time")
    asked, traces = begin(parser)
    found = [_told(each, CONSOLE) for each in of_each(measure, traces, asked.processes)]
    result = summarize(found, decision_seconds(traces[0]))
    print_table(result, CONSOLE)
    write(result, asked.output)


if __name__ == "__main__":
    main()
