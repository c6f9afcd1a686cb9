"""What was seen of both workloads, as the outcomes that a backtest reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.backtest.cluster import Track, Workload
from aiops.backtest.outcome import ScalingOutcome, judge
from aiops.series import FloatArray
from testbed.demo_cluster import stage
from testbed.demo_cluster.load import Tick
from testbed.demo_cluster.rehearsal import START_UP, STEP
from testbed.demo_cluster.trace import LENGTH, Trace

NAMES = {stage.PLAIN: "plain HPA", stage.FLOOR: "with the floor"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """Both workloads over the scored time.

    Attributes:
        plain: Under the plain HPA.
        ours: Under the same HPA with our floor.
        forecast: What ours expected as the highest demand of the coming minutes, in replicas, shape ``[n]``; NaN where
            there was no forecast.
        latest: By how much a count of pods came too late, at most, in the story's time.
    """

    plain: ScalingOutcome
    ours: ScalingOutcome
    forecast: FloatArray
    latest: timedelta


def outcomes(trace: Trace, ticks: list[Tick]) -> Seen:
    """Score the two hours of the trace; ``ticks`` cover them."""
    scored = [tick for tick in ticks if trace.start <= tick.at < trace.end]
    expected = LENGTH // STEP
    if len(scored) != expected or any(tick.at != trace.start + STEP * at for at, tick in enumerate(scored)):
        raise ValueError(f"{len(scored)} ticks of the scored time, expected {expected} in a row")
    workload = Workload(
        demand=trace.demand.between(trace.start, trace.end),
        capacity_per_replica=trace.capacity_per_replica,
        startup_delay=START_UP,
    )
    judged = {
        namespace: judge(trace.name, name, workload, _track(scored, namespace), 0) for namespace, name in NAMES.items()
    }
    return Seen(
        plain=judged[stage.PLAIN],
        ours=judged[stage.FLOOR],
        forecast=np.array([tick.peak for tick in scored]) / trace.capacity_per_replica,
        latest=max(tick.late for tick in scored),
    )


def _track(ticks: list[Tick], namespace: str) -> Track:
    pods = [tick.pods[namespace] for tick in ticks]
    return Track(
        replicas=np.array([each.replicas for each in pods]),
        ready=np.array([each.ready for each in pods]),
        floors=np.array([each.floor for each in pods]),
        reasons=np.zeros(len(pods), np.int64),
    )
