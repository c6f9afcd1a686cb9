"""A capacity study: scalers side by side on one's own history, what if, and the report of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from aiops.backtest.comparison import Comparison, compare
from aiops.backtest.explorer import Explored, explore
from aiops.backtest.prices import bill_of, bills, choose
from aiops.backtest.replay import Case, replay_hpa
from aiops.backtest.report import Report
from aiops.backtest.scaling_plan import Worlds, by_scaler, total
from aiops.backtest.scaling_report import Closer, scaling_report
from aiops.backtest.study import (
    DEFAULT_HPA,
    TUNED_HPA,
    UNBOUNDED,
    Contender,
    Grid,
    Setting,
    Sweep,
    outcomes_of,
    peaks_of,
    settings_of,
)
from aiops.backtest.whatif import Fared, WhatIf, fared
from aiops.forecasting.catalog import window_forecaster
from aiops.ports import Mapper
from aiops.scaling.policy import Prices, ScalingPolicy
from aiops.usecases.backtest import Skipped, each_of, sweep_all

_EXPLORED = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """What came of it.

    Attributes:
        compared: The scalers at equal cost.
        report: For people; carries the verdict.
        skipped: (series id, reason) of what was left out.
        worlds: How each scaler fares, by world, scaler and workload; empty if nobody asked what if.
        prices: What the bill was made with.
    """

    compared: Comparison
    report: Report
    skipped: tuple[Skipped, ...]
    worlds: Worlds
    prices: Prices | None

    def rows(self) -> list[dict[str, object]]:
        """Return one row a workload and one of means, in percent of demand left unmet."""
        rows: list[dict[str, object]] = [
            {"workload": name, **{scaler: 100 * each[index] for scaler, each in self.compared.apiece.items()}}
            for index, name in enumerate(self.compared.workloads)
        ]
        rows.append({"workload": "(mean)", **{scaler: 100 * unmet for scaler, unmet in self.compared.unmet.items()}})
        return rows

    def world_rows(self) -> list[dict[str, object]]:
        """Return one row a world and scaler: unmet in percent, the worst hour, replica-hours, the bill if priced."""
        rows: list[dict[str, object]] = []
        for world, scalers in self.worlds.items():
            for scaler, by_workload in scalers.items():
                found = total(by_workload.values())
                row: dict[str, object] = {
                    "what if": world,
                    "scaler": scaler,
                    "unmet_percent": 100 * found.unmet_ratio,
                    "worst_hour_percent": 100 * found.worst_hour,
                    "replica_hours": found.replica_hours,
                    "peak_replicas": found.peak_replicas,
                }
                if self.prices is not None:
                    row["bill"] = bill_of(self.prices, found.replica_hours, found.unmet)
                rows.append(row)
        return rows


def contenders_of(forecasters: Sequence[str]) -> list[Contender]:
    """Return one scaler a forecaster: a floor without bounds of its own.

    Raises:
        ConfigError: If a forecaster is unknown.
    """
    spec = {"bounds": {"minReplicas": 1, "maxReplicas": UNBOUNDED}, "load": {"capacityPerReplica": 1}}
    return [
        Contender(
            name=name,
            policy=ScalingPolicy.model_validate({**spec, "forecast": {"model": name}}),
            forecaster=window_forecaster(name),
        )
        for name in dict.fromkeys(forecasters)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked of a study.

    Attributes:
        contenders: Scalers beside the HPA and the optimum.
        grid: Settings that each is tried at.
        cost: Compare at so many times the optimum's replica-hours.
        worlds: What if; each scaler stays at the setting that was best before.
        prices: What replicas and unmet requests are worth; they choose that setting, too. None: ``cost`` does.
    """

    contenders: Sequence[Contender]
    grid: Grid
    cost: float = 1.5
    worlds: Sequence[WhatIf] = ()
    prices: Prices | None = None


def study(
    cases: Sequence[Case],
    plan: Plan,
    *,
    mapper: Mapper,
    progress: Callable[[str, int, int], None],
    command: str,
    made_at: datetime,
    skipped: Sequence[Skipped],
) -> Study:
    """Replay every workload under every scaler, compare at equal cost, and write down a verdict.

    Of each replay only sums are kept, so hundreds of workloads need no more memory than their demand.

    Args:
        cases: The workloads.
        plan: What is asked.
        mapper: Who does the work.
        progress: Told after each workload: what is being done, how many are done, how many there are.
        command: What made this, for the report.
        made_at: When, for the report.
        skipped: (series id, reason) of what is no case.

    Raises:
        DataError: If no workload could be replayed.
    """
    swept, failed = sweep_all(cases, plan.contenders, plan.grid, mapper, partial(progress, "replaying"))
    sweeps = {name: each.sweeps for name, each in swept.items()}
    left = [case for case in cases if case.name in swept]
    compared = compare(sweeps, plan.cost)
    if plan.prices is None:
        chosen = choose(compared.means, plan.cost)
    else:
        chosen = {name: int(bills(same, plan.prices).argmin()) for name, same in by_scaler(sweeps).items()}
    settings = {name: each[chosen[name]] for name, each in settings_of(plan.contenders, plan.grid).items()}
    worlds: dict[str, dict[str, dict[str, Fared]]] = {}
    if plan.worlds:
        asked = (WhatIf(), *plan.worlds)
        work = partial(_fare, plan.contenders, settings, asked)
        fared, also_failed = each_of(left, work, mapper, partial(progress, "what if"))
        failed += also_failed
        worlds = {
            world.name: {
                scaler: {name: each[world.name][scaler] for name, each in fared.items()} for scaler in settings
            }
            for world in asked
            if fared
        }
    explored = _explore_worst(left, plan, compared, sweeps, chosen, settings, mapper, progress)
    left_out = (*skipped, *failed)
    made = scaling_report(
        sweeps,
        command=command,
        made_at=made_at,
        closer=Closer(
            profiles={name: each.profile for name, each in swept.items()},
            chosen=chosen,
            explored=explored,
            worlds=worlds,
            prices=plan.prices,
            exhaustions={name: each.exhaustion for name, each in swept.items() if each.exhaustion is not None},
        ),
        cost=plan.cost,
        skipped=left_out,
    )
    return Study(compared=compared, report=made, skipped=left_out, worlds=worlds, prices=plan.prices)


def _explore_worst(
    cases: Sequence[Case],
    plan: Plan,
    compared: Comparison,
    sweeps: Mapping[str, Sequence[Sweep]],
    chosen: Mapping[str, int],
    settings: Mapping[str, Setting],
    mapper: Mapper,
    progress: Callable[[str, int, int], None],
) -> list[Explored]:
    """Look closely at the workloads of which our best scaler leaves most unmet."""
    if not plan.contenders:
        return []
    best = next((each for each in plan.contenders if each.name == compared.ours), plan.contenders[0])
    if plan.prices is not None:
        same, prices = by_scaler(sweeps), plan.prices
        best = min(plan.contenders, key=lambda each: float(bills(same[each.name], prices).min()))
    index = list(compared.means).index(best.name)
    left = {name: float(each[index].unmet[chosen[best.name]]) for name, each in sweeps.items()}
    worst = sorted((case for case in cases if left[case.name] > 0), key=lambda case: -left[case.name])[:_EXPLORED]
    work = partial(_explore, best, settings[best.name])
    found, _ = each_of(worst, work, mapper, partial(progress, "exploring misses"))
    return list(found.values())


def _explore(contender: Contender, setting: Setting, case: Case) -> Explored:
    return explore(case, contender, setting)


def _fare(
    contenders: Sequence[Contender], settings: Mapping[str, Setting], worlds: Sequence[WhatIf], case: Case
) -> dict[str, dict[str, Fared]]:
    """Return how each scaler fares on one workload, by world and scaler."""
    found: dict[str, dict[str, Fared]] = {}
    for world in worlds:
        changed = world.of(case)
        here = found[world.name] = {
            name: fared(replay_hpa(changed, settings[name].hpa)) for name in (DEFAULT_HPA, TUNED_HPA)
        }
        for each in contenders:
            asked = [settings[each.name]]
            (outcome,) = outcomes_of(changed, each, asked, peaks_of(changed, each, asked))
            here[each.name] = fared(outcome)
    return found
