"""The load on both workloads: each tick counts the ready pods, and publishes demand and what became of it."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from aiops.adapters.remote_write import RemoteWriter
from aiops.errors import AiopsError
from aiops.series import Series, SeriesKey
from testbed.apiserver import ApiServer
from testbed.demo_cluster import stage
from testbed.demo_cluster.rehearsal import STEP, Rehearsal
from testbed.demo_cluster.trace import Trace

_SELECTOR = f"app={stage.SHOP}"
_USUAL_ERRORS = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """One workload at one instant.

    Attributes:
        replicas: Pods that exist.
        ready: Of these, those that serve.
        floor: ``minReplicas`` of its HPA.
    """

    replicas: int
    ready: int
    floor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One instant of the story.

    Attributes:
        at: When, by the story's clock.
        demand: What comes at each workload for the next 15 s.
        pods: By namespace.
        scaler: ``status`` of the PredictiveScaler; empty before there is one.
        peak: Its forecast of the highest demand in the coming minutes, as the operator's metrics say; NaN for none.
        late: By how much the tick came too late, in the story's time.
    """

    at: datetime
    demand: float
    pods: dict[str, Pods]
    scaler: dict[str, Any]
    peak: float
    late: timedelta


@dataclass(slots=True, kw_only=True)
class Disturbance:
    """What is done to the load beyond the trace.

    Attributes:
        share: Of the trace's demand that comes, as a function of the instant.
        error_ratio: Share of answers that are errors, by namespace.
    """

    share: Callable[[datetime], float] = lambda _: 1.0
    error_ratio: dict[str, float] = field(default_factory=dict)


class Load:
    """Plays the trace until it is stopped; a context manager.

    Args:
        api: The cluster.
        writer: Into Prometheus.
        trace: What is played.
        rehearsal: How time runs; the first tick is at its start.
    """

    def __init__(self, api: ApiServer, writer: RemoteWriter, trace: Trace, rehearsal: Rehearsal) -> None:
        self._deployments: Any = client.AppsV1Api(api.client)
        self._hpas: Any = client.AutoscalingV2Api(api.client)
        self._custom: Any = client.CustomObjectsApi(api.client)
        self._writer = writer
        self._trace = trace
        self._rehearsal = rehearsal
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._ticks: list[Tick] = []
        self._trouble: Exception | None = None
        self.disturbance = Disturbance()
        self.forecast: Callable[[], float] = lambda: math.nan

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def ticks(self) -> list[Tick]:
        """Return the ticks so far, oldest first."""
        with self._changed:
            return list(self._ticks)

    def follow(self, until: datetime, seen: Callable[[Tick], bool] | None = None) -> Tick | None:
        """Hand ticks to ``seen`` as they happen, until the story reaches ``until`` or ``seen`` returns True.

        Returns:
            The tick for which ``seen`` said so; None if none was.

        Raises:
            RuntimeError: If the load broke.
        """
        told = len(self.ticks())
        while True:
            with self._changed:
                while len(self._ticks) <= told and self._trouble is None:
                    self._changed.wait(1.0)
                if self._trouble is not None:
                    raise RuntimeError(f"the load stopped: {self._trouble}") from self._trouble
                tick = self._ticks[told]
            told += 1
            if seen is not None and seen(tick):
                return tick
            if tick.at >= until:
                return None

    def _run(self) -> None:
        try:
            due = self._rehearsal.start
            while not self._stop.is_set():
                left = self._rehearsal.real(due - self._rehearsal.clock.now()).total_seconds()
                if left > 0 and self._stop.wait(left):
                    return
                tick = self._tick(due)
                with self._changed:
                    self._ticks.append(tick)
                    self._changed.notify_all()
                due += STEP
        except (AiopsError, ApiException, OSError) as error:
            with self._changed:
                self._trouble = error
                self._changed.notify_all()

    def _tick(self, at: datetime) -> Tick:
        late = max(self._rehearsal.clock.now() - at, timedelta(0))
        pods, scaler = self._pods(), self._scaler()
        before = at - STEP
        came = self._trace.at(before) * self.disturbance.share(before)
        self._writer.write([row for name in stage.NAMESPACES for row in self._rows(name, before, came, pods[name])])
        demand = self._trace.at(at) * self.disturbance.share(at)
        return Tick(at=at, demand=demand, pods=pods, scaler=scaler, peak=self.forecast(), late=late)

    def _rows(self, namespace: str, stamp: datetime, came: float, pods: Pods) -> list[Series]:
        capacity = pods.ready * self._trace.capacity_per_replica
        served = min(came, capacity)
        values = {
            stage.METRIC: came,
            "shop_served": served,
            "shop_unmet": came - served,
            "shop_ready_pods": float(pods.ready),
            "shop_utilization": served / capacity if capacity else 1.0,
            stage.ERRORS: self.disturbance.error_ratio.get(namespace, _USUAL_ERRORS),
        }
        return [
            Series(key=SeriesKey.of(name, {"namespace": namespace}), start=stamp, step=STEP, values=np.array([value]))
            for name, value in values.items()
        ]

    def _pods(self) -> dict[str, Pods]:
        deployments = _items(self._deployments.list_deployment_for_all_namespaces)
        hpas = _items(self._hpas.list_horizontal_pod_autoscaler_for_all_namespaces)
        found = {}
        for namespace in stage.NAMESPACES:
            status = deployments[namespace]["status"]
            floor = hpas[namespace]["spec"].get("minReplicas", 1) if namespace in hpas else stage.LEAST
            found[namespace] = Pods(
                replicas=int(status.get("replicas", 0)), ready=int(status.get("readyReplicas", 0)), floor=int(floor)
            )
        return found

    def _scaler(self) -> dict[str, Any]:
        try:
            found = self._custom.get_namespaced_custom_object(
                "aiops.dev", "v1alpha1", stage.FLOOR, "predictivescalers", stage.SHOP
            )
        except ApiException as error:
            if error.status != 404:
                raise
            return {}
        status: dict[str, Any] = found.get("status", {})
        return status


def wait_for(holds: Callable[[], Any], within_seconds: float, what: str) -> Any:
    """Return what ``holds`` returns as soon as it is true.

    Raises:
        TimeoutError: If it is not in time; says ``what`` was waited for.
    """
    deadline = time.monotonic() + within_seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_seconds:g} s for {what}")
        time.sleep(0.1)
    return found


def _items(ask: Callable[..., Any]) -> dict[str, Any]:
    """Return the objects of a list call by namespace, as plain JSON: the client's classes take far longer."""
    answer = ask(label_selector=_SELECTOR, _preload_content=False)
    return {each["metadata"]["namespace"]: each for each in json.loads(answer.data)["items"]}
