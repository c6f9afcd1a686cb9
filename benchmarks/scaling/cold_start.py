"""A workload that was born a moment ago: its first days, each on its own, with nothing known from before.

Until there are trees (a day to learn from, and an instant of training) calibrated Holt-Winters answers; in the first
half hour nothing does, and the HPA is alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aiops.backtest.hpa import Hpa
from aiops.backtest.outcome import unmet_at
from aiops.backtest.replay import Case, floors_of, peaks_for, replay_floors
from aiops.backtest.study import Contender, Grid, Sweep, mean, sweep_case

DAY = timedelta(days=1)
HALF_HOUR = timedelta(minutes=30)
BEGINS = (HALF_HOUR, DAY, 2 * DAY)
"""Age of the workload at which each scored stretch begins; it ends with that day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Young:
    """One stretch of one young workload.

    Attributes:
        plain: The default HPA over its targets.
        cost: Ours, over the oracle's.
        unmet: Ours, share of demand.
    """

    plain: Sweep
    cost: float
    unmet: float


def first_days(case: Case, contender: Contender, hpa: Hpa, grid: Grid) -> list[Young]:
    """Replay the first days of a trace, one stretch for each of ``BEGINS``."""
    return [_replay(_young(case, age), contender, hpa, grid) for age in BEGINS]


def times_less(found: list[Young]) -> float:
    """Return how many times less ours leaves unmet than the default HPA, at equal cost, in the mean of some traces."""
    cost = sum(each.cost for each in found) / len(found)
    unmet = sum(each.unmet for each in found) / len(found)
    return unmet_at(mean([each.plain for each in found]).curve(), cost) / max(unmet, 1e-9)


def _young(case: Case, age: timedelta) -> Case:
    history = case.history
    born = history.start
    return Case(
        name=case.name,
        history=history.between(born, born + 3 * DAY),
        capacity_per_replica=case.capacity_per_replica,
        start=born + age,
        end=born + (age // DAY + 1) * DAY,
        startup_delay=case.startup_delay,
    )


def _replay(case: Case, contender: Contender, hpa: Hpa, grid: Grid) -> Young:
    policy = contender.policy_of(case)
    floors = floors_of(case, policy, peaks_for(case, policy, contender.forecaster))
    ours = replay_floors(case, floors, hpa, contender.name)
    return Young(plain=sweep_case(case, [], grid)[0], cost=ours.cost_ratio, unmet=ours.unmet_ratio)
