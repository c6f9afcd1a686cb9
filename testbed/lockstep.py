"""The real HPA controller, sync by sync: what it is shown at each one, and what it then wants.

The controller asks for its metric once a sync. So the question itself says that a sync has begun; the value for the
next one is published at once, and half a period later the outcome is read. Several HPAs run beside each other.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from kubernetes import client

from aiops.adapters.remote_write import RemoteWriter
from aiops.series import Series, SeriesKey
from testbed.apiserver import ApiServer
from testbed.external_metrics import ExternalMetrics

METRIC = "lockstep_load"
QUERY = f'{METRIC}{{namespace="$namespace"}} >= 0'
"""For ``external_metrics``: what is below zero is no answer at all, which is how a missing metric is shown."""

_NAME = "web"
_POLL_SECONDS = 0.05
_PODS_WITHIN_SECONDS = 60
_MISSING = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One HPA and what happens to it.

    Attributes:
        namespace: Where it lives; made for it.
        replicas: Of its target at the start.
        spec: ``spec`` of the HPA but for ``scaleTargetRef``, ``minReplicas`` and ``metrics``.
        average_value: Target of its metric for each pod.
        metric: What it is shown at each sync; NaN for no answer.
        floors: ``minReplicas`` at each sync.
        ready: Whether its pods ever become ready.
    """

    namespace: str
    replicas: int
    spec: dict[str, Any]
    average_value: float
    metric: Sequence[float]
    floors: Sequence[int]
    ready: bool = True


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the controller did in an act, one entry a sync.

    Attributes:
        at: When each sync began, in seconds of ``time.monotonic``.
        replicas: Of the target, as the controller left them.
        reasons: One word each; see ``_reason``.
        settled: Whether the target's status had always followed before the next sync, which divides by it.
    """

    at: list[float] = field(default_factory=list)
    replicas: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    settled: bool = True

    @property
    def longest_period(self) -> float:
        """Longest time between two syncs, in seconds."""
        return float(np.diff(self.at).max())


def perform(
    api: ApiServer,
    metrics: ExternalMetrics,
    writer: RemoteWriter,
    acts: Sequence[Act],
    *,
    sync_period: timedelta,
) -> dict[str, Seen]:
    """Play all acts at once and return what the controller did, by namespace.

    Raises:
        TimeoutError: If a controller stopped asking.
    """
    running = [_Running(api, writer, act) for act in acts]
    for each in running:
        each.prepare()
    for each in running:
        each.begin()
    pause = sync_period.total_seconds() / 2
    deadline = time.monotonic() + 60 + 3 * sync_period.total_seconds() * max(len(act.metric) for act in acts)
    while unfinished := [each for each in running if not each.done]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no end in sight: {', '.join(each.act.namespace for each in unfinished)}")
        sizes = _sizes(api)  # first: in a sync that asks, the question comes before the deed
        asked = metrics.asked()
        for each in unfinished:
            each.look([one.at for one in asked if one.namespace == each.act.namespace], sizes, pause)
        time.sleep(_POLL_SECONDS)
    api.kubectl("delete", "namespace", "--wait=false", *(act.namespace for act in acts))
    return {each.act.namespace: each.seen for each in running}


class _Running:
    def __init__(self, api: ApiServer, writer: RemoteWriter, act: Act) -> None:
        self.act = act
        self.seen = Seen()
        self._kubectl = api.kubectl
        self._deployments: Any = client.AppsV1Api(api.client)
        self._hpas: Any = client.AutoscalingV2Api(api.client)
        self._writer = writer
        self._asked = 0
        self._size = act.replicas
        self._read_at: float | None = None

    @property
    def done(self) -> bool:
        return len(self.seen.replicas) == len(self.act.metric)

    def prepare(self) -> None:
        self._kubectl("create", "namespace", self.act.namespace)
        self._deployments.create_namespaced_deployment(self.act.namespace, _deployment(self.act))

    def begin(self) -> None:
        self._publish(0)
        deadline = time.monotonic() + _PODS_WITHIN_SECONDS
        while self._deployments.read_namespaced_deployment(_NAME, self.act.namespace).status.replicas != self._size:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.act.namespace}: its {self._size} pods were not made")
            time.sleep(_POLL_SECONDS)
        self._hpas.create_namespaced_horizontal_pod_autoscaler(self.act.namespace, _hpa(self.act))

    def look(self, asked: list[float], sizes: dict[str, int], pause: float) -> None:
        """See whether a sync has begun, or whether it is time to read what the last one came to."""
        if self._read_at is not None:
            if time.monotonic() >= self._read_at:
                self._read()
            return
        # Bounds come before metrics: a sync that enforces them asks for nothing, and shows by its deed alone.
        if len(asked) == self._asked and sizes[self.act.namespace] == self._size:
            return
        self.seen.at.append(asked[-1] if len(asked) > self._asked else time.monotonic())
        self._asked = len(asked)
        self._publish(len(self.seen.at))
        self._read_at = self.seen.at[-1] + pause

    def _publish(self, sync: int) -> None:
        """Set the stage for a sync that is yet to come."""
        if sync >= len(self.act.metric):
            return
        value = self.act.metric[sync]
        now = datetime.now(UTC)
        second = timedelta(seconds=1)
        self._writer.write(
            [
                Series(
                    key=SeriesKey.of(METRIC, {"namespace": self.act.namespace}),
                    start=now.replace(microsecond=now.microsecond // 1000 * 1000) - second,
                    step=second,
                    values=np.array([_MISSING if np.isnan(value) else value], np.float64),
                )
            ]
        )
        if sync and self.act.floors[sync] != self.act.floors[sync - 1]:
            change = {"spec": {"minReplicas": self.act.floors[sync]}}
            self._hpas.patch_namespaced_horizontal_pod_autoscaler(_NAME, self.act.namespace, change)

    def _read(self) -> None:
        hpa = self._hpas.read_namespaced_horizontal_pod_autoscaler(_NAME, self.act.namespace)
        scale = self._deployments.read_namespaced_deployment_scale(_NAME, self.act.namespace)
        self._size = int(scale.spec.replicas or 0)
        self.seen.replicas.append(self._size)
        self.seen.reasons.append(_reason(hpa))
        self.seen.settled &= int(scale.status.replicas or 0) == self._size
        self._read_at = None


def _sizes(api: ApiServer) -> dict[str, int]:
    deployments: Any = client.AppsV1Api(api.client)
    found = deployments.list_deployment_for_all_namespaces(label_selector="lockstep=yes").items
    return {each.metadata.namespace: int(each.spec.replicas or 0) for each in found}


def _reason(hpa: Any) -> str:
    """Return one word for the controller's conditions, of which several are set at each sync."""
    found = {each.type: each for each in hpa.status.conditions or []}
    active, limited, able = (found.get(name) for name in ("ScalingActive", "ScalingLimited", "AbleToScale"))
    if active is not None and active.status == "False":
        return str(active.reason)
    if limited is not None and limited.status == "True":
        return str(limited.reason)
    if able is not None and able.reason in ("ScaleDownStabilized", "ScaleUpStabilized"):
        return str(able.reason)
    return "DesiredWithinRange"


def _deployment(act: Act) -> dict[str, Any]:
    labels = {"app": _NAME}
    pod: dict[str, Any] = {"containers": [{"name": _NAME, "image": "none"}]}
    if not act.ready:
        pod["nodeSelector"] = {"no-such": "node"}
    return {
        "metadata": {"name": _NAME, "labels": {"lockstep": "yes"}},
        "spec": {
            "replicas": act.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _hpa(act: Act) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": f"{round(act.average_value * 1000)}m"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": _NAME},
        "spec": {
            **act.spec,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": _NAME},
            "minReplicas": act.floors[0],
            "metrics": [{"type": "External", "external": {"metric": {"name": METRIC}, "target": target}}],
        },
    }
