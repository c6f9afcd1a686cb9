"""What a replay came to, on both axes: demand left unmet, and replica-hours over those of the oracle."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from aiops.backtest.cluster import REASONS, Track, Workload
from aiops.backtest.hpa import SYNC
from aiops.backtest.ledger import Record
from aiops.errors import DataError
from aiops.scaling.decide import ScalingDecision
from aiops.series import FloatArray, IntArray

SCHEMA = "aiops.scaling-outcome/1"
_HOURS = SYNC / timedelta(hours=1)


class Turn(NamedTuple):
    """One decision and its instant."""

    at: datetime
    decision: ScalingDecision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScalingOutcome:
    """One workload under one scaler. Steps whose demand is unknown count on neither axis.

    Attributes:
        name: The workload.
        scaler: What scaled it, in words for a table.
        start: Stamp of the first scored step.
        demand_total: Demand times hours, over the scored time.
        unmet_total: What was above the ready capacity, times hours.
        replica_hours: Pods that existed, serving or starting, times hours.
        oracle_hours: The same for the plan that knew the future and left nothing unmet.
        short_minutes: How long demand was above the ready capacity.
        scale_events: How often the number of replicas changed.
        demand: Demand at each step of 15 s, shape ``[n]``.
        needed: Replicas that had to be ready, shape ``[n]``.
        track: What was there, each ``[n]``.
        oracle: Replicas of the oracle's plan, shape ``[n]``.
        capacity_per_replica: Demand that one ready replica serves.
        turns: Every decision of ours in the scored time; empty for a plain HPA.
    """

    name: str
    scaler: str
    start: datetime
    demand_total: float
    unmet_total: float
    replica_hours: float
    oracle_hours: float
    short_minutes: float
    scale_events: int
    demand: FloatArray
    needed: IntArray
    track: Track
    oracle: IntArray
    capacity_per_replica: float
    turns: tuple[Turn, ...] = ()

    @property
    def unmet_ratio(self) -> float:
        """Share of demand left unmet, in [0, 1]; 0 where there was no demand."""
        return self.unmet_total / self.demand_total if self.demand_total else 0.0

    @property
    def cost_ratio(self) -> float:
        """Replica-hours over those of the oracle. Below 1 only where demand was left unmet."""
        return self.replica_hours / self.oracle_hours

    @property
    def regret_hours(self) -> float:
        """Replica-hours beyond those of the oracle."""
        return self.replica_hours - self.oracle_hours

    @property
    def end(self) -> datetime:
        """End of the scored time."""
        return self.start + len(self.demand) * SYNC

    @property
    def record(self) -> Record:
        """What was there, for the ledger."""
        return Record(
            start=self.start,
            step=SYNC,
            demand=self.demand,
            replicas=self.track.replicas.astype(np.float64),
            ready=self.track.ready.astype(np.float64),
            capacity_per_replica=self.capacity_per_replica,
        )

    def summary(self) -> dict[str, Any]:
        """Return the numbers of a table's row, as plain data."""
        return {
            "name": self.name,
            "scaler": self.scaler,
            "unmet_ratio": self.unmet_ratio,
            "cost_ratio": self.cost_ratio,
            "replica_hours": self.replica_hours,
            "oracle_hours": self.oracle_hours,
            "regret_hours": self.regret_hours,
            "short_minutes": self.short_minutes,
            "scale_events": self.scale_events,
        }

    def to_json(self, *, series: bool = True) -> dict[str, Any]:
        """Return everything as plain data; without ``series`` no decisions that changed nothing."""
        turns = [turn for turn in self.turns if series or turn.decision.desired != turn.decision.current]
        found: dict[str, Any] = {
            "schema": SCHEMA,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "step_seconds": SYNC.total_seconds(),
            **self.summary(),
            "turns": [{"at": turn.at.isoformat(), **turn.decision.to_json()} for turn in turns],
        }
        if series:
            found["series"] = {
                "demand": [None if math.isnan(value) else value for value in self.demand.tolist()],
                "needed": self.needed.tolist(),
                "replicas": self.track.replicas.tolist(),
                "ready": self.track.ready.tolist(),
                "floor": self.track.floors.tolist(),
                "hpa_reason": [str(REASONS[code]) for code in self.track.reasons.tolist()],
                "oracle": self.oracle.tolist(),
            }
        return found


def judge(
    name: str, scaler: str, workload: Workload, track: Track, first: int, turns: Iterable[Turn] = ()
) -> ScalingOutcome:
    """Score what was there against what was needed, from step ``first`` on.

    Args:
        name: The workload.
        scaler: What scaled it.
        workload: Demand and pods.
        track: What was there, over all of ``workload``.
        first: First scored step of 15 s; what is before it let the scaler get going.
        turns: Every decision; those before the scored time are dropped.

    Raises:
        DataError: If no demand is known in the scored time.
    """
    demand = workload.fine[first:]
    known = ~np.isnan(demand)
    if not known.any():
        raise DataError(f"{name}: no demand is known in the scored time: choose another window")
    start = workload.demand.start + first * SYNC
    part = Track(
        replicas=track.replicas[first:],
        ready=track.ready[first:],
        floors=track.floors[first:],
        reasons=track.reasons[first:],
    )
    unmet = np.maximum(demand[known] - part.ready[known] * workload.capacity_per_replica, 0.0)
    return ScalingOutcome(
        name=name,
        scaler=scaler,
        start=start,
        demand_total=float(demand[known].sum()) * _HOURS,
        unmet_total=float(unmet.sum()) * _HOURS,
        replica_hours=int(part.replicas[known].sum()) * _HOURS,
        oracle_hours=int(workload.oracle[first:][known].sum()) * _HOURS,
        short_minutes=int((part.ready[known] < workload.needed[first:][known]).sum()) * _HOURS * 60,
        scale_events=int((np.diff(track.replicas[max(first - 1, 0) :]) != 0).sum()),
        demand=demand,
        needed=workload.needed[first:],
        track=part,
        oracle=workload.oracle[first:],
        capacity_per_replica=workload.capacity_per_replica,
        turns=tuple(turn for turn in turns if turn.at >= start),
    )


class Point(NamedTuple):
    """One setting of a scaler: what it costs and what it leaves unmet."""

    cost: float
    unmet: float
    setting: str = ""


def pareto(points: Iterable[Point]) -> list[Point]:
    """Return the points that no other beats on both axes, cheapest first: cost rises and unmet falls along them."""
    best: list[Point] = []
    for point in sorted(points):
        if not best or point.unmet < best[-1].unmet:
            best.append(point)
    return best


def unmet_at(curve: Sequence[Point], cost: float) -> float:
    """Return what is left unmet at a cost, between the points of a Pareto curve.

    The logarithm of unmet demand is linear in cost between two points. NaN below the cheapest point; above the dearest
    one, what that leaves. A point that leaves nothing unmet is not interpolated towards.
    """
    if not curve or cost < curve[0].cost:
        return math.nan
    for left, right in itertools.pairwise(curve):
        if cost <= right.cost:
            if cost == right.cost:
                return right.unmet
            if right.unmet <= 0.0:
                return left.unmet
            share = (cost - left.cost) / (right.cost - left.cost)
            return math.exp((1 - share) * math.log(left.unmet) + share * math.log(right.unmet))
    return curve[-1].unmet


def cost_at(curve: Sequence[Point], unmet: float) -> float:
    """Return what leaving only so much unmet costs: the inverse of ``unmet_at``; NaN if no point leaves so little."""
    if not curve or unmet < curve[-1].unmet:
        return math.nan
    if unmet >= curve[0].unmet:
        return curve[0].cost
    for left, right in itertools.pairwise(curve):
        if unmet >= right.unmet:
            if right.unmet <= 0.0 or unmet == right.unmet:
                return right.cost
            share = math.log(unmet / left.unmet) / math.log(right.unmet / left.unmet)
            return left.cost + share * (right.cost - left.cost)
    return curve[-1].cost
