"""A namespace with a target, an HPA and a PredictiveScaler, an operator at work on it, and time that runs faster.

Two minutes of the rehearsal clock pass in a second, so policies are written as people write them. Demand and SLOs are
PromQL against the real Prometheus; a knob is a series whose value a test sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from kubernetes import client
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from prometheus_client import REGISTRY

from aiops import wiring
from aiops.adapters.clock import RehearsalClock
from aiops.adapters.local_forecasts import LocalForecasts
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.ports import ForecastSource, MetricSource
from aiops.scaling.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION
from aiops.series import Series, SeriesKey
from aiops.series.grid import floor
from aiops.settings import AlertmanagerSettings, PrometheusSettings, Settings
from operators.app import Operator, Options
from testbed.apiserver import ApiServer, KubectlError

CRD = Path(__file__).parents[2] / "charts/aiops/files/crds/predictivescalers.yaml"
SPEED = 120.0
MINUTE = timedelta(minutes=1)
NOBODY = "http://127.0.0.1:9"  # the discard port


@dataclass(frozen=True, slots=True)
class Knob:
    """A number that a test sets, and PromQL that reads it."""

    stage: Stage
    name: str
    otherwise: float | None

    @property
    def query(self) -> str:
        found = f'max(last_over_time(knob{{stage="{self.stage.name}",name="{self.name}"}}[6h]))'
        return found if self.otherwise is None else f"{found} or vector({self.otherwise})"

    def set(self, value: float) -> None:
        """Have it read ``value`` from now on."""
        key = SeriesKey.of("knob", {"stage": self.stage.name, "name": self.name})
        second = timedelta(seconds=1)
        start = floor(self.stage.clock.now(), second) - second
        self.stage.writer.write([Series(key=key, start=start, step=second, values=np.array([float(value)]))])


@dataclass(slots=True)
class Stage:
    """One namespace of the API."""

    api: ApiServer
    prometheus: str
    name: str
    alertmanagers: tuple[str, ...] = (NOBODY,)
    clock: RehearsalClock = field(
        default_factory=lambda: RehearsalClock(
            floor(datetime.now(UTC), MINUTE) - timedelta(days=10), datetime.now(UTC), SPEED
        )
    )

    def __post_init__(self) -> None:
        with contextlib.suppress(ApiException):
            self.core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=self.name)))

    def environment(self) -> dict[str, str]:
        """What a program needs to know to be on this stage: its clock, Prometheus and Alertmanager."""
        now = self.clock.now()
        return {
            "AIOPS_PROMETHEUS__URL": self.prometheus,
            "AIOPS_PROMETHEUS__ATTEMPTS": "1",
            "AIOPS_ALERTMANAGER__URLS": ",".join(self.alertmanagers),
            "AIOPS_CLOCK__START": now.isoformat(),
            "AIOPS_CLOCK__ANCHOR": (datetime.now(UTC) - (self.clock.now() - now) / SPEED).isoformat(),
            "AIOPS_CLOCK__SPEED": str(SPEED),
        }

    # What there is.

    @property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.api.client)

    @property
    def custom(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.api.client)

    @property
    def settings(self) -> PrometheusSettings:
        return PrometheusSettings(url=self.prometheus, attempts=1)

    @property
    def source(self) -> PrometheusSource:
        return PrometheusSource(self.settings)

    @property
    def writer(self) -> RemoteWriter:
        return RemoteWriter(self.settings)

    def knob(self, name: str, otherwise: float | None = None) -> Knob:
        return Knob(self, name, otherwise)

    # What people apply.

    def apply(self, *objects: Mapping[str, Any], arguments: tuple[str, ...] = ()) -> None:
        """`kubectl apply`, as people do."""
        text = yaml.safe_dump_all([dict(each) for each in objects])
        self.api.kubectl("apply", f"--namespace={self.name}", "--filename=-", *arguments, stdin=text)

    def service(self, name: str = "web", *, replicas: int = 4, own: int = 3, most: int = 40, cpu: str = "") -> None:
        """Apply a Deployment and its HPA; each pod requests ``cpu``."""
        self.apply(deployment(name, replicas, cpu), hpa(name, own, most))

    def scaler(self, name: str = "web", **changes: Any) -> None:
        """Apply a PredictiveScaler in mode Floor; ``changes`` replace parts of its spec."""
        self.apply(scaler(name, **changes))

    def delete(self, kind: str, name: str = "web", *arguments: str) -> None:
        self.api.kubectl("delete", kind, name, f"--namespace={self.name}", *arguments)

    # What is seen.

    def read(self, name: str = "web") -> dict[str, Any]:
        found = self.custom.get_namespaced_custom_object(GROUP, VERSION, self.name, PLURAL, name)
        assert isinstance(found, dict)
        return found

    def status(self, name: str = "web") -> dict[str, Any]:
        return dict(self.read(name).get("status") or {})

    def condition(self, kind: str, name: str = "web") -> dict[str, Any]:
        return next((each for each in self.status(name).get("conditions", []) if each["type"] == kind), {})

    def reason(self, kind: str, name: str = "web") -> str:
        return str(self.condition(kind, name).get("reason", ""))

    def hpa(self, name: str = "web") -> dict[str, Any]:
        path = f"/apis/autoscaling/v2/namespaces/{self.name}/horizontalpodautoscalers/{name}"
        found = yaml.safe_load(self.api.kubectl("get", "--raw", path))
        assert isinstance(found, dict)
        return found

    def floor(self, name: str = "web") -> int:
        return int(self.hpa(name)["spec"]["minReplicas"])

    def ready(self, name: str = "web") -> int:
        """Ready pods, where there are any: on a cluster."""
        path = "--output=jsonpath={.status.readyReplicas}"
        return int(self.api.kubectl("get", "deployment", name, f"--namespace={self.name}", path) or 0)

    def events(self, name: str = "web", kind: str = KIND) -> list[tuple[str, str]]:
        found = self.core.list_namespaced_event(self.name, field_selector=f"involvedObject.kind={kind}").items
        return [(str(each.reason), str(each.message)) for each in found if each.involved_object.name == name]

    def leave(self) -> None:
        """Take every PredictiveScaler away, whether an operator still works or not."""
        self.api.kubectl("delete", PLURAL, "--all", f"--namespace={self.name}", "--wait=false")
        for found in self.api.kubectl("get", PLURAL, f"--namespace={self.name}", "--output=name").split():
            with contextlib.suppress(KubectlError):  # it went by itself
                self.api.kubectl(
                    "patch", found, f"--namespace={self.name}", "--type=merge", '--patch={"metadata":{"finalizers":[]}}'
                )

    # Who works.

    @contextlib.contextmanager
    def operator(
        self,
        *,
        api: ApiClient | None = None,
        forecasts: ForecastSource | None = None,
        source: MetricSource | None = None,
        everywhere: bool = False,
    ) -> Iterator[Running]:
        """Run an operator in a thread until the block ends, for this namespace unless ``everywhere``."""
        source = source or self.source
        running = Running()
        options = Options(
            identity=f"tester-{time.monotonic_ns()}",
            lease_namespace=self.name,
            namespaces=() if everywhere else (self.name,),
        )

        async def work() -> None:
            configured = Settings(alertmanager=AlertmanagerSettings(urls=self.alertmanagers))
            async with wiring.alertmanagers(configured) as alertmanagers:
                operator = Operator(
                    api or self.api.client,
                    options,
                    source=source,
                    forecasts=forecasts or LocalForecasts(source),
                    alertmanagers=alertmanagers,
                    clock=self.clock,
                )
                await operator.run()

        running.start(work())
        try:
            yield running
        finally:
            running.stop()


class Running:
    """An operator in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="operator")
        self._future: Future[None] | None = None

    def start(self, work: Any) -> None:
        self._thread.start()
        self._future = asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """Cancel it, and wait until it has given up its lease."""
        if self._future is None:
            return
        future, self._future = self._future, None
        self._loop.call_soon_threadsafe(_cancel_all, self._loop)
        deadline = time.monotonic() + 20
        while asyncio.all_tasks(self._loop) and time.monotonic() < deadline:
            time.sleep(0.02)
        left = asyncio.all_tasks(self._loop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        assert not left, left
        if not future.cancelled():
            future.result(0)


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def deployment(name: str, replicas: int, cpu: str = "") -> dict[str, Any]:
    labels = {"app": name}
    resources = {"resources": {"requests": {"cpu": cpu}}} if cpu else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "none", **resources}]},
            },
        },
    }


def hpa(name: str, own: int, most: int = 40, target: str = "", **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, **meta},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target or name},
            "minReplicas": own,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
                }
            ],
        },
    }


def scaler(name: str, *, query: str = "vector(500)", **changes: Any) -> dict[str, Any]:
    """A floor under ``query`` / 50, decided every minute: twice a second."""
    spec: dict[str, Any] = {
        "mode": "Floor",
        "trust": {"proving": "0s"},
        "interval": "1m",
        "target": {"name": name},
        "hpa": {"name": name},
        "bounds": {"minReplicas": 2, "maxReplicas": 40},
        "load": {"query": query, "step": "1m", "history": "1d", "capacityPerReplica": 50},
        "forecast": {"model": "holt-winters", "window": "4m"},
        "behavior": {
            "scaleUp": {"maxStepReplicas": 40},
            "scaleDown": {"maxStepReplicas": 40, "stabilizationWindow": "3m"},
        },
    }
    for key, value in changes.items():
        if value is None:
            spec.pop(key, None)
        else:
            spec[key] = {**spec.get(key, {}), **value} if isinstance(value, dict) else value
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}


def within(seconds: float, holds: Callable[[], Any], what: str = "") -> float:
    """Wait until something holds; return how long that took.

    Raises:
        AssertionError: If it does not, in time.
    """
    began = time.monotonic()
    while True:
        found = holds()
        took = time.monotonic() - began
        if found:
            return took
        assert took < seconds, f"not within {seconds:g} s: {what or holds}"
        time.sleep(0.05)


def stays(seconds: float, holds: Callable[[], Any], what: str = "") -> None:
    """Assert that something holds all along."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert holds(), what or "it did not stay so"
        time.sleep(0.1)


def requests(*verbs: str, code: str = "") -> float:
    """Requests of this process so far; of one answer only if ``code`` is given."""
    return sum(
        each.value
        for metric in REGISTRY.collect()
        if metric.name == "aiops_kubernetes_requests"
        for each in metric.samples
        if each.name.endswith("_total") and each.labels["verb"] in verbs and code in ("", each.labels["code"])
    )


def writes() -> float:
    """Requests of this process that change something, those for leases aside: only those are PUT or create one."""
    return requests("PATCH", "POST")
