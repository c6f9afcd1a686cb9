"""Everything outside that a turn reads or changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aiops.adapters.kubernetes_hpa import Hpa, KubernetesHpas
from aiops.adapters.kubernetes_http import KubernetesHttp
from aiops.adapters.kubernetes_room import Node
from aiops.adapters.kubernetes_scalers import KubernetesScalers, Scaler
from aiops.adapters.kubernetes_workload import Kinds
from aiops.ports import Clock, ForecastSource, MetricSource
from operators.neighbours import Lists
from operators.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Put together once, and shared by all turns.

    Attributes:
        http: The Kubernetes API; writes only while we hold the lease, as do those made from it below.
        scalers: PredictiveScalers.
        hpas: HPAs.
        kinds: What can be scaled.
        all_scalers: Those of a namespace, a few seconds old at most.
        all_hpas: As well.
        startups: How long pods of a namespace and label selector took to be ready; a minute old at most.
        nodes: Those that take pods, with what is left on them; some minutes old at most. All are in one place, ``""``.
        source: Where demand and SLOs are read.
        forecasts: Who knows what comes.
        record: Our metrics.
        clock: What time it is.
    """

    http: KubernetesHttp
    scalers: KubernetesScalers
    hpas: KubernetesHpas
    kinds: Kinds
    all_scalers: Lists[str, Scaler]
    all_hpas: Lists[str, Hpa]
    startups: Lists[tuple[str, str], timedelta]
    nodes: Lists[str, Node]
    source: MetricSource
    forecasts: ForecastSource
    record: Record
    clock: Clock
