"""The workload that the demo scales: simulated pods under the HPA algorithm, in place of a cluster."""

from __future__ import annotations

from datetime import timedelta

from aiops.backtest.cluster import Cluster, Workload
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.outcome import ScalingOutcome, judge
from aiops.ports import Replicas
from aiops.series import Series


class SimulatedTarget:
    """A ``ports.Workload`` whose HPA keeps a floor, with a twin under the plain HPA beside it.

    Args:
        demand: What comes at it, on a grid of whole 15 s syncs.
        capacity_per_replica: Demand that one ready replica serves.
        hpa: The HPA of both.
        replicas: Ready replicas at the start.
    """

    def __init__(self, demand: Series, capacity_per_replica: float, hpa: Hpa, replicas: int) -> None:
        self._workload = Workload(demand=demand, capacity_per_replica=capacity_per_replica)
        self._ours = Cluster(self._workload, hpa, replicas=replicas)
        self._plain = Cluster(self._workload, hpa, replicas=replicas)
        self._plain_floor = self._floor = hpa.min_replicas

    async def read(self) -> Replicas:
        """Return the floor and the ready replicas."""
        return Replicas(current=self._floor, ready=self._ours.ready)

    async def apply(self, desired: int) -> None:
        """Set the floor."""
        self._floor = desired

    def advance(self, by: timedelta) -> None:
        """Let time pass for both."""
        self._ours.advance(by // SYNC, self._floor)
        self._plain.advance(by // SYNC, self._plain_floor)

    def outcomes(self) -> tuple[ScalingOutcome, ScalingOutcome]:
        """Return what came of ours and of the plain HPA, once all demand has passed."""
        name = self._workload.demand.key.series_id
        return (
            judge(name, "forecast floor", self._workload, self._ours.track, 0),
            judge(name, "plain HPA", self._workload, self._plain.track, 0),
        )
