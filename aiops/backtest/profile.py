"""What a workload's demand is like, whoever scales it: how it bursts, and what the oracle pays for it each day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aiops.backtest.hpa import SYNC
from aiops.backtest.ledger import Entry, Record, ledger
from aiops.backtest.replay import Case

BURSTY = 1.5
"""Growth, in one step of a hundred and before a new replica could serve, from which on a workload counts as bursty."""

_RARE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One workload in its scored time.

    Attributes:
        growth: Within what one decision has to cover, demand becomes this many times what it is, or more, at one step
            of a hundred; counted from one replica's capacity on. 1 if it never grows.
        peak_replicas: Ready replicas that its highest demand needs.
        oracle: Demand and the oracle's replica-hours of each day.
    """

    growth: float
    peak_replicas: int
    oracle: tuple[Entry, ...]

    @property
    def bursty(self) -> bool:
        """Whether demand grows faster than replicas start, often enough to matter."""
        return self.growth >= BURSTY

    @property
    def demand(self) -> float:
        """Demand times hours."""
        return sum(entry.demand for entry in self.oracle)

    @property
    def oracle_hours(self) -> float:
        """Replica-hours of the oracle."""
        return sum(entry.replica_hours for entry in self.oracle)


def profile(case: Case) -> Profile:
    """Describe a workload; with hindsight, and for reports only."""
    workload, first = case.workload, case.scored
    oracle = workload.oracle[first:].astype(np.float64)
    record = Record(
        start=workload.demand.start + first * SYNC,
        step=SYNC,
        demand=workload.fine[first:],
        replicas=oracle,
        ready=workload.needed[first:].astype(np.float64),
        capacity_per_replica=case.capacity_per_replica,
    )
    return Profile(
        growth=_growth(case),
        peak_replicas=int(workload.needed[first:].max()),
        oracle=ledger(record),
    )


def _growth(case: Case) -> float:
    values = case.history.between(case.start, case.end).values
    ahead = max(-(-case.covers // case.history.step), 1)
    if len(values) <= ahead:
        return 1.0
    now = np.maximum(values[:-ahead], case.capacity_per_replica)
    highest = sliding_window_view(values[1:], ahead).max(axis=1)
    ratios = highest / now
    known = ratios[~np.isnan(ratios)]
    return max(float(np.quantile(known, _RARE)), 1.0) if len(known) else 1.0
