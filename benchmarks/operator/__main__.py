"""What a hundred PredictiveScalers cost: time of a turn, requests to the API, memory and CPU.

    make bench PART=operator
    python -m benchmarks.operator --scalers 100 --minutes 3

On a real API server, with a real Prometheus and `aiops serve` for forecasts, `python -m operators` runs as it does in a
pod: mode Floor, a turn every 30 s each. Half of the services have a steady demand, half a wave of twenty minutes, so
that floors do move. Everything shares this machine; CPU and memory are those of the operator alone.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console
from rich.table import Table

from testbed.apiserver import ApiServer, apiserver
from testbed.prometheus import prometheus
from testbed.server import Server, free_port, running

RESULTS = Path(__file__).with_name("results.json")
CRD = Path(__file__).parents[2] / "charts/aiops/files/crds/predictivescalers.yaml"
NAMESPACES = 5
WARM_UP_SECONDS = 75.0
_SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured, after a warm-up.

    Attributes:
        turns_per_second: All PredictiveScalers together.
        p50_seconds: Of a turn, forecast and demand included; interpolated within the metric's buckets.
        p99_seconds: As well.
        requests_per_second: To the Kubernetes API, the lease included.
        writes_per_second: Those that change something, the lease aside.
        decisions: By reason.
        errors: Turns that came to no decision.
        cpu_cores: Of the operator.
        memory_bytes: Resident, at the end.
    """

    scalers: int
    seconds: float
    turns_per_second: float
    p50_seconds: float
    p99_seconds: float
    requests_per_second: float
    writes_per_second: float
    decisions: dict[str, int]
    errors: int
    cpu_cores: float
    memory_bytes: int


def main() -> int:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    with apiserver() as api, prometheus() as metrics, tempfile.TemporaryDirectory() as folder:
        console.print(f"{options.scalers} PredictiveScalers in {NAMESPACES} namespaces")
        _prepare(api, options.scalers)
        environment = {**os.environ, "AIOPS_PROMETHEUS__URL": metrics.url, "KUBECONFIG": str(api.kubeconfig)}
        with _service(environment, Path(folder)) as forecasts, _operator(environment, forecasts) as operator:
            with console.status(f"warming up for {WARM_UP_SECONDS:.0f} s: histories are read, floors are raised"):
                time.sleep(WARM_UP_SECONDS)
            before, cpu, began = _samples(operator), _cpu_seconds(operator), time.monotonic()
            with console.status(f"measuring for {options.minutes:g} min"):
                time.sleep(options.minutes * 60)
            after, seconds = _samples(operator), time.monotonic() - began
            used = (_cpu_seconds(operator) - cpu) / seconds
            result = _result(options.scalers, seconds, before, after, used, _memory_bytes(operator))
    _show(console, result)
    RESULTS.write_text(json.dumps(asdict(result), indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operator", description=__doc__)
    parser.add_argument("--scalers", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long to measure after the warm-up")
    return parser.parse_args()


def _prepare(api: ApiServer, count: int) -> None:
    api.kubectl("apply", "--server-side", "--filename", CRD)
    api.kubectl("wait", "--for=condition=Established", "crd/predictivescalers.aiops.dev", "--timeout=30s")
    names = [f"bench-{number}" for number in range(NAMESPACES)]
    objects: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in names]
    for number in range(count):
        objects += _objects(f"service-{number}", names[number % NAMESPACES], number)
    api.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(objects))


def _objects(name: str, namespace: str, number: int) -> Iterator[dict[str, Any]]:
    meta = {"name": name, "namespace": namespace}
    labels = {"app": name}
    steady = f"vector({400 + 10 * number})"
    wave = f"vector({800 + 10 * number}) + 400 * sin(vector(time()) / 191 + {number})"
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "replicas": 10,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "none"}]}},
        },
    }
    utilization = {"type": "Utilization", "averageUtilization": 60}
    yield {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": 60,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
        },
    }
    yield {
        "apiVersion": "aiops.dev/v1alpha1",
        "kind": "PredictiveScaler",
        "metadata": meta,
        "spec": {
            "mode": "Floor",
            "interval": "30s",
            "target": {"name": name},
            "hpa": {"name": name},
            "bounds": {"minReplicas": 2, "maxReplicas": 60},
            "load": {
                "query": steady if number % 2 else wave,
                "step": "1m",
                "history": "2d",
                "capacityPerReplica": 50,
            },
            "guard": {"slos": [{"name": "errors", "query": "vector(0)", "threshold": 0.01}], "observe": "2m"},
        },
    }


@contextmanager
def _service(environment: dict[str, str], folder: Path) -> Iterator[str]:
    calls = free_port()

    def command(probes: int, _: Path) -> list[str | Path]:
        addresses = (f"--listen=127.0.0.1:{calls}", f"--metrics=127.0.0.1:{probes}")
        return [sys.executable, "-m", "aiops", "serve", *addresses, f"--state={folder / 'state'}"]

    with running("serve", command, environment=environment, ready_path="/readyz", ready_within_seconds=60):
        yield f"127.0.0.1:{calls}"


@contextmanager
def _operator(environment: dict[str, str], forecasts: str) -> Iterator[Server]:
    environment = {**environment, "PYTHONPATH": str(Path(__file__).parents[2])}

    def command(probes: int, _: Path) -> list[str | Path]:
        talk = (f"--metrics=127.0.0.1:{probes}", f"--forecasts={forecasts}", "--forecasts-insecure")
        return [sys.executable, "-m", "operators", *talk, "--log-level=WARNING"]

    with running(
        "operators", command, environment=environment, ready_path="/readyz", ready_within_seconds=60, grace_seconds=10
    ) as server:
        yield server


Samples = dict[tuple[str, str], float]


def _samples(server: Server) -> Samples:
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    found = (_SAMPLE.fullmatch(line) for line in text.splitlines())
    return {(each["name"], each["labels"] or ""): float(each["value"]) for each in found if each}


def _result(
    scalers: int, seconds: float, before: Samples, after: Samples, cpu_cores: float, memory_bytes: int
) -> Result:
    gained = {key: value - before.get(key, 0.0) for key, value in after.items()}
    requests = {labels: value for (name, labels), value in gained.items() if name == "aiops_kubernetes_requests_total"}
    writes = sum(value for labels, value in requests.items() if 'verb="PATCH"' in labels or 'verb="POST"' in labels)
    buckets = sorted(
        (float(labels.removeprefix('le="').rstrip('"')), value)
        for (name, labels), value in gained.items()
        if name == "aiops_reconcile_seconds_bucket"
    )
    reasons: dict[str, int] = {}
    for (name, labels), value in gained.items():
        if name == "aiops_decisions_total" and value:
            reason = labels.partition('reason="')[2].partition('"')[0]
            reasons[reason] = reasons.get(reason, 0) + round(value)
    errors = sum(value for (name, _), value in gained.items() if name == "aiops_reconcile_errors_total")
    return Result(
        scalers=scalers,
        seconds=round(seconds, 1),
        turns_per_second=round(gained["aiops_reconcile_seconds_count", ""] / seconds, 2),
        p50_seconds=round(_quantile(buckets, 0.5), 4),
        p99_seconds=round(_quantile(buckets, 0.99), 4),
        requests_per_second=round(sum(requests.values()) / seconds, 2),
        writes_per_second=round(writes / seconds, 3),
        decisions=dict(sorted(reasons.items())),
        errors=round(errors),
        cpu_cores=round(cpu_cores, 3),
        memory_bytes=memory_bytes,
    )


def _quantile(buckets: list[tuple[float, float]], level: float) -> float:
    """Return a quantile of a histogram of cumulative buckets, as PromQL's ``histogram_quantile`` does."""
    wanted = level * buckets[-1][1]
    low, below = 0.0, 0.0
    for high, count in buckets:
        if count >= wanted:
            return low if high == float("inf") else low + (high - low) * (wanted - below) / max(count - below, 1e-9)
        low, below = high, count
    return low


def _cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_bytes(server: Server) -> int:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _show(console: Console, result: Result) -> None:
    table = Table("figure", "value", title=f"{result.scalers} PredictiveScalers, a turn each 30 s")
    table.add_row("turns a second", f"{result.turns_per_second:.2f}")
    table.add_row("a turn, p50", f"{result.p50_seconds * 1000:.0f} ms")
    table.add_row("a turn, p99", f"{result.p99_seconds * 1000:.0f} ms")
    table.add_row("requests to the API a second", f"{result.requests_per_second:.1f}")
    table.add_row("of them writes, the lease aside", f"{result.writes_per_second:.2f}")
    table.add_row("CPU", f"{result.cpu_cores:.2f} cores")
    table.add_row("memory", f"{result.memory_bytes / 2**20:.0f} MiB")
    table.add_row("errors", str(result.errors))
    table.add_row("decisions", ", ".join(f"{count} {reason}" for reason, count in result.decisions.items()))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
