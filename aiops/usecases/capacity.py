"""A capacity study: scalers side by side on one's own history, and the report of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops.backtest.comparison import Comparison, compare
from aiops.backtest.replay import Case
from aiops.backtest.report import Report
from aiops.backtest.scaling_report import scaling_report
from aiops.backtest.study import Contender, Grid
from aiops.forecasting.catalog import window_forecaster
from aiops.ports import Mapper
from aiops.scaling.policy import ScalingPolicy
from aiops.usecases.backtest import Skipped, replay_example, sweep_all

_EXAMPLES = 3
_EXAMPLE_TARGET = 0.7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """What came of it.

    Attributes:
        compared: The scalers at equal cost.
        report: For people; carries the verdict.
        skipped: (series id, reason) of what was left out.
    """

    compared: Comparison
    report: Report
    skipped: tuple[Skipped, ...]

    def rows(self) -> list[dict[str, object]]:
        """Return one row a workload and one of means, in percent of demand left unmet."""
        rows: list[dict[str, object]] = [
            {"workload": name, **{scaler: 100 * each[index] for scaler, each in self.compared.apiece.items()}}
            for index, name in enumerate(self.compared.workloads)
        ]
        rows.append({"workload": "(mean)", **{scaler: 100 * unmet for scaler, unmet in self.compared.unmet.items()}})
        return rows


def contenders_of(forecasters: Sequence[str]) -> list[Contender]:
    """Return one scaler a forecaster: a floor without bounds of its own.

    Raises:
        ConfigError: If a forecaster is unknown.
    """
    spec = {"bounds": {"minReplicas": 1, "maxReplicas": 1_000_000}, "load": {"capacityPerReplica": 1}}
    return [
        Contender(
            name=name,
            policy=ScalingPolicy.model_validate({**spec, "forecast": {"model": name}}),
            forecaster=window_forecaster(name),
        )
        for name in dict.fromkeys(forecasters)
    ]


def study(
    cases: Sequence[Case],
    contenders: Sequence[Contender],
    grid: Grid,
    cost: float,
    *,
    mapper: Mapper,
    progress: Callable[[int, int], None],
    command: str,
    made_at: datetime,
    skipped: Sequence[Skipped],
) -> Study:
    """Replay every workload under every scaler, compare at equal cost, and write down a verdict.

    Args:
        cases: The workloads.
        contenders: Scalers beside the HPA and the optimum.
        grid: Settings that each is tried at.
        cost: Compare at so many times the optimum's replica-hours.
        mapper: Who does the work.
        progress: Told after each workload.
        command: What made this, for the report.
        made_at: When, for the report.
        skipped: (series id, reason) of what is no case.

    Raises:
        DataError: If no workload could be replayed.
    """
    sweeps, failed = sweep_all(cases, contenders, grid, mapper, progress)
    left_out = (*skipped, *failed)
    compared = compare(sweeps, cost)
    best = next((each for each in contenders if each.name == compared.ours), contenders[0])
    worst = sorted(
        (case for case in cases if case.name in sweeps), key=lambda case: -_left(compared, best.name, case.name)
    )
    made = scaling_report(
        sweeps,
        command=command,
        made_at=made_at,
        examples=[replay_example(case, best, _EXAMPLE_TARGET) for case in worst[:_EXAMPLES]],
        cost=cost,
        skipped=left_out,
    )
    return Study(compared=compared, report=made, skipped=left_out)


def _left(compared: Comparison, scaler: str, workload: str) -> float:
    unmet = compared.apiece[scaler][compared.workloads.index(workload)]
    return 0.0 if math.isnan(unmet) else unmet  # NaN: no setting is as cheap as that
