"""The demo from begin to end; each step is a few lines here and a module beside."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from aiops.adapters.remote_write import RemoteWriter
from aiops.backtest.report import to_html, to_json
from aiops.scaling.capacity import replicas_for
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings
from aiops.telemetry import BUNDLE_INFO, SCALER_PEAK_DEMAND
from testbed.alertmanager import alertmanager
from testbed.cluster import Cluster, cluster
from testbed.demo_cluster import ending, installed, stage, violation
from testbed.demo_cluster.background import InBackground
from testbed.demo_cluster.load import Load, Tick
from testbed.demo_cluster.outcome import outcomes
from testbed.demo_cluster.picture import picture
from testbed.demo_cluster.rehearsal import LEAD, STABILIZATION, START_UP, STEP, soon
from testbed.demo_cluster.telling import Telling
from testbed.demo_cluster.trace import Trace, choose
from testbed.external_metrics import external_metrics
from testbed.mlflow import mlflow
from testbed.prometheus import prometheus

_NODES = 6
_GET_READY = timedelta(seconds=20)
"""Real time from settling the story's clock to its start: helm and two programs have to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked for.

    Attributes:
        data: Folder of real traces; None for the generated fleet.
        trace: Name of the trace; None for the steepest.
        speed: How many times as fast as it was.
        report: Where the page goes; JSON and picture beside it.
        keep: Leave everything running at the end.
        command: How it was called.
    """

    data: Path | None
    trace: str | None
    speed: float
    report: Path
    keep: bool
    command: str


def play(asked: Asked, telling: Telling) -> None:
    """Run the demo.

    Raises:
        AiopsError, NotReadyError, ToolMissingError, RuntimeError, TimeoutError: If a step cannot be done; says which.
    """
    telling.chapter("What is played")
    trace = choose(asked.data, asked.trace, datetime.now(UTC))
    telling.say(f"{trace.name} ({trace.origin}): the two hours in which it climbs most, by {trace.climb:.0f} replicas")
    telling.say(f"{asked.speed:g} times as fast as it was:")
    telling.scale(asked.speed)
    with contextlib.ExitStack() as stack:
        _play(asked, trace, telling, stack)


def _play(asked: Asked, trace: Trace, telling: Telling, stack: contextlib.ExitStack) -> None:
    telling.chapter("Real servers on loopback")
    models = Path(stack.enter_context(TemporaryDirectory(prefix="aiops-mlflow-")))
    registry = stack.enter_context(InBackground(mlflow(models)))
    control = stack.enter_context(InBackground(_cluster(asked.speed)))
    router = stack.enter_context(alertmanager())
    metrics = stack.enter_context(prometheus(alertmanager_url=router.url))
    begin = trace.start - LEAD
    writer = RemoteWriter(PrometheusSettings.model_validate({"url": metrics.url}))
    history = [_history(trace, namespace, begin) for namespace in stage.NAMESPACES]
    written = writer.write(history)
    days = (begin - trace.demand.start) / timedelta(days=1)
    telling.say(f"Prometheus and Alertmanager; {written:,} samples of history written, {days:.0f} days")
    api = control.value().api
    names = ", ".join(server.name for server in control.value().servers)
    telling.say(f"{names}; {_NODES} nodes of kwok")
    registry_url = registry.value().url
    telling.say(f"MLflow as the registry at {registry_url}")

    telling.chapter("Train: Airflow runs the DAG train_forecasters")
    airflow = stack.enter_context(installed.training(metrics.url, registry_url, begin))
    before = replicas_for(trace.at(begin - timedelta(minutes=1)), stage.HPA_TARGET * trace.capacity_per_replica)
    stage.set_up(api, max(before, stage.LEAST))
    done = installed.trained(airflow)
    telling.say(" -> ".join(f"{name} {state}" for name, state in done.tasks.items()))
    made = done.outcome
    telling.say(
        f"registered: {made['name']} version {made['version']}, {made['series']} series, digest {made['digest'][:12]}; "
        f"{'it is the champion' if made['champion'] else 'not the champion'}: {made['explanation']}"
    )

    telling.chapter("Install the chart, start what its pods would run")
    rehearsal = soon(begin, asked.speed, _GET_READY)
    installed.install(
        api, rehearsal, prometheus_url=metrics.url, alertmanager_url=router.url, registry_url=registry_url
    )
    telling.say(
        f"helm install: namespace {installed.NAMESPACE} enforces restricted pods; server and operator are ready"
    )
    adapter = external_metrics(api, metrics.url, {stage.METRIC: stage.DEMAND}, now=rehearsal.clock.now)
    stack.enter_context(adapter)
    server, operator = stack.enter_context(installed.programs(api))
    for each in (server, operator):
        telling.aside(
            f"{each.pod}: {' '.join(Path(word).name if word.startswith('/') else word for word in each.command)}"
        )

    bundle = stack.enter_context(installed.Metrics(server.server.url)).labels(BUNDLE_INFO)
    telling.say(
        f"the service serves version {bundle['version']} of {bundle['model']}, digest {bundle['digest'][:12]}"
        if bundle
        else "the service serves no bundle: the gate made none the champion; floors do not need one"
    )

    telling.chapter("Play: the same load at both namespaces")
    said = stack.enter_context(installed.Metrics(operator.server.url))
    load = stack.enter_context(Load(api, writer, trace, rehearsal))
    load.forecast = lambda: said.value(SCALER_PEAK_DEMAND)
    stage.add_hpas(api, trace.capacity_per_replica)
    api.kubectl("apply", "--filename=-", stdin=stage.predictive_scaler(trace.capacity_per_replica))
    load.follow(trace.start - STEP)
    _require_floor(load)
    load.follow(trace.end - STEP, telling.progress(trace))
    seen = outcomes(trace, load.ticks())

    telling.chapter("A change that does harm is taken back")
    back = violation.show(load, api, router.url, telling)
    for at, reason, message in back.events:
        telling.aside(f"{at:%H:%M:%S} {reason}: {message}")
    telling.say(f"Alertmanager: {back.alert or 'no alert'}")

    telling.chapter("Side by side")
    ending.side_by_side(telling, seen)
    page = ending.report(trace, asked.speed, seen, load.ticks(), back, asked.command)
    asked.report.write_text(to_html(page), encoding="utf-8")
    asked.report.with_suffix(".json").write_text(to_json(page), encoding="utf-8")
    drawing = asked.report.with_suffix(".svg")
    drawing.write_text(picture(page.title, page.verdict, ending.charts(seen)), encoding="utf-8")
    telling.say(f"page: {asked.report.resolve()}")
    telling.say(f"picture: {drawing.resolve()}")
    if asked.keep:
        telling.say(f"everything goes on running: export KUBECONFIG={api.kubeconfig}; Ctrl-C ends it")
        signal.pause()


def _cluster(speed: float) -> contextlib.AbstractContextManager[Cluster]:
    return cluster(
        node_count=_NODES,
        start_up=START_UP / speed,
        hpa_sync_period=STEP / speed,
        hpa_downscale_stabilization=STABILIZATION / speed,
    )


def _history(trace: Trace, namespace: str, until: datetime) -> Series:
    past = trace.demand.between(trace.demand.start, until)
    key = SeriesKey.of(stage.METRIC, {"namespace": namespace})
    return Series(key=key, start=past.start, step=past.step, values=past.values)


def _require_floor(load: Load) -> None:
    """Say loudly if the operator does not work by the time that counts."""
    last: Tick = load.ticks()[-1]
    if last.scaler.get("effectiveMode") != "Floor":
        raise RuntimeError(f"the PredictiveScaler holds no floor yet as the scored time begins: {last.scaler}")
