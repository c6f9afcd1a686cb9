"""The project itself in the demo: trained by the DAG, installed by helm, and run with the chart's own arguments."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from testbed.apiserver import ApiServer
from testbed.demo_cluster import stage
from testbed.demo_cluster.rehearsal import Rehearsal
from testbed.pod_process import PodProcess, pod_process
from testbed.server import dies_with_parent, end_group
from tools.bootstrap import ROOT
from tools.catalog import find

NAMESPACE = RELEASE = "aiops"
MODEL = "aiops-forecasts"
WATCHED = f"sum by (namespace) (avg_over_time({stage.METRIC}[1m]))"


class StepFailedError(RuntimeError):
    """A step of the demo did not end well; the message holds what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What the DAG's run came to.

    Attributes:
        tasks: State of each task, in order.
        outcome: What its last task returned.
    """

    tasks: dict[str, str]
    outcome: dict[str, Any]


@contextlib.contextmanager
def training(prometheus_url: str, registry_url: str, until: datetime) -> Iterator[subprocess.Popen[str]]:
    """Run the DAG on an Airflow of its own, beside whatever is done inside the ``with`` block; see ``trained``."""
    with (
        tempfile.TemporaryDirectory(prefix="aiops-training-") as folder,
        (Path(folder) / "airflow.log").open("w") as log,
    ):
        asked = {
            "source": prometheus_url,
            "query": WATCHED,
            "history": "14d",
            "step": "1m",
            "horizon": "1d",
            # Nine days back and not four: whether intervals of two series hold what they promise is else half luck.
            "choosing": 4,
            "judging": 5,
            "registry": registry_url,
            "name": MODEL,
            "folder": folder,
        }
        words = [sys.executable, "-m", "testbed.airflow", "train_forecasters", f"--end={until.isoformat()}"]
        process = subprocess.Popen(
            [*dies_with_parent(), *words, f"--conf={json.dumps(asked)}"],
            cwd=ROOT,
            env=_without_our_settings(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            process_group=0,
        )
        try:
            yield process
        finally:
            end_group(process)


def trained(process: subprocess.Popen[str]) -> Trained:
    """Wait for the DAG's run.

    Raises:
        StepFailedError: If it failed.
    """
    said, _ = process.communicate()
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    if process.returncode != 0 or not rows:
        raise StepFailedError(f"the DAG train_forecasters failed:\n{said}")
    return Trained(tasks={row["task"]: row["state"] for row in rows}, outcome=rows[-1]["value"])


def install(
    api: ApiServer, rehearsal: Rehearsal, *, prometheus_url: str, alertmanager_url: str, registry_url: str
) -> None:
    """Install the chart into a namespace that lets restricted pods in only, and wait until its pods are ready.

    Raises:
        StepFailedError: If helm or a pod fails.
    """
    values = {
        "prometheus": {"url": prometheus_url},
        "alertmanager": {"url": alertmanager_url},
        "registry": {"url": registry_url, "model": MODEL},
        "server": {
            "monitors": {"demand": {"query": WATCHED, "step": "1m", "history": "7d"}},
            "env": rehearsal.environment,
        },
        "operator": {"env": rehearsal.environment, "namespaces": [stage.FLOOR]},
    }
    restricted = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    api.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(restricted))
    with tempfile.TemporaryDirectory(prefix="aiops-helm-") as home:
        done = subprocess.run(
            [
                find("helm"), "install", RELEASE, ROOT / "charts" / "aiops", f"--namespace={NAMESPACE}",
                f"--kubeconfig={api.kubeconfig}", "--values=-", "--wait", "--timeout=120s",
            ],
            input=yaml.safe_dump(values),
            env={**os.environ, "HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise StepFailedError(f"helm install failed:\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def programs(api: ApiServer) -> Iterator[tuple[PodProcess, PodProcess]]:
    """Run server and operator as the pods that the chart made, until the ``with`` block ends."""
    with pod_process(api, NAMESPACE, f"{RELEASE}-server") as server:
        service = f"{RELEASE}-server.{NAMESPACE}.svc:50051"
        reach = {service: f"localhost:{server.ports[50051]}"}
        with pod_process(api, NAMESPACE, f"{RELEASE}-operator", reach=reach) as operator:
            yield server, operator


class Metrics:
    """Reads what a program says of itself; a context manager.

    Args:
        url: Where it says it.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(trust_env=False, timeout=2.0)
        self._url = f"{url}/metrics"

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def value(self, name: str) -> float:
        """Return the newest value of a metric with one series; NaN if it has none."""
        sample = self._sample(name)
        return math.nan if sample is None else float(sample.value)

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels of a metric with one series; empty if it has none."""
        sample = self._sample(name)
        return {} if sample is None else dict(sample.labels)

    def _sample(self, name: str) -> Sample | None:
        try:
            text = self._http.get(self._url).text
        except httpx.HTTPError:
            return None
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name:
                    return sample
        return None


def _without_our_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AIOPS_")}
