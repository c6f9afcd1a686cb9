"""The composition root: from what the user named to ready adapters. Optional adapters are imported inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from aiops.errors import ConfigError, DataError
from aiops.ports import AlertSink, Clock, Mapper, MetricSource, ModelStore, Telemetry
from aiops.series import Series, SeriesKey
from aiops.series.grid import floor
from aiops.series.snapshot import Snapshot
from aiops.settings import Settings

if TYPE_CHECKING:
    from aiops.adapters.folder import Entry, FolderSource
    from aiops.alerting.links import Links
    from aiops.alerting.monitor import AnomalyMonitor
    from aiops.alerting.rules import AlertRule
    from aiops.backtest.detection_report import Detected
    from aiops.detection.combiner import CombinedDetector, Combiner
    from aiops.detection.fleet import FleetDetector
    from aiops.usecases.live import Limits, Live

_ALERTMANAGER_SECONDS = 10.0
_DETECTOR = "fleet"  # alone it finds more than beside others: see benchmarks/detection


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which telemetry to read.

    Attributes:
        source: A folder, or the URL of a Prometheus.
        query: PromQL, or a series id or pattern of a folder; None means all of a folder.
        history: How far back to read from a Prometheus; a folder is read whole.
        step: Grid of what is read from a Prometheus.
        end: Up to where to read a Prometheus; now if None.
    """

    source: str
    query: str | None = None
    history: timedelta = timedelta(days=28)
    step: timedelta = timedelta(minutes=1)
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Telemetry and what the source says of each series beside its values.

    Attributes:
        telemetry: The series with their verdicts; ``skipped`` names those that could not be used.
        metadata: For some keys, more columns of the folder's index as text.
        cutoffs: What the series are to be forecast from, where that was asked for.
    """

    telemetry: Telemetry
    metadata: Mapping[SeriesKey, Mapping[str, str]]
    cutoffs: Mapping[SeriesKey, Sequence[datetime]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRequest:
    """What the live service watches and keeps.

    Attributes:
        watch: File of the queries to poll; None if only pushes and adopted queries are served.
        registry: Where the champion is: an SQLite file or an MLflow server; None to serve without one.
        model: Name of the registered model.
        state: Folder for what has to survive a restart.
        combiner: File of what was learnt from labels; None for the fleet detector alone.
        limits: How much it takes upon itself.
    """

    watch: Path | None
    registry: str | None
    model: str
    state: Path
    combiner: Path | None = None
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderScored:
    """What ``score_folder`` did: how many series, rows and alerts; (series id, reason) of what was left out."""

    series: int
    rows: int
    alerts: int
    skipped: tuple[tuple[str, str], ...]


class Engine(StrEnum):
    """Who does the heavy work."""

    LOCAL = "local"
    RAY = "ray"


def settings() -> Settings:
    """Read the settings from the environment, once a command.

    Raises:
        ConfigError: If a variable is unknown or its value is wrong.
    """
    return Settings.from_environment()


def clock(configured: Settings) -> Clock:
    """Return the time that the server and the operator go by: the machine's, or a rehearsal's."""
    from aiops.adapters.clock import RehearsalClock, SystemClock

    chosen = configured.clock
    if chosen.start is None or chosen.anchor is None:
        return SystemClock()
    return RehearsalClock(chosen.start, chosen.anchor, chosen.speed)


def prometheus(url: str | None, configured: Settings) -> MetricSource:
    """Return the Prometheus at ``url``, or the configured one."""
    from aiops.adapters.prometheus import PrometheusSource

    chosen = configured.prometheus
    return PrometheusSource(chosen if url is None else chosen.at(url))


def read(request: Request, configured: Settings, clock: Clock) -> Reading:
    """Read what was asked for, from a folder or from a Prometheus.

    Raises:
        ConfigError: If the source is neither, or a Prometheus is asked without a query.
        DataError: If nothing matches or nothing can be used.
        UpstreamError: If the Prometheus did not answer, or refused.
    """
    if request.source.startswith(("http://", "https://")):
        return _read_prometheus(request, configured, clock)
    if "://" in request.source:
        raise ConfigError(f"--source {request.source}: give a folder, or a URL that starts with http:// or https://")
    return _read_folder(request)


def read_in_parts(
    request: Request,
    configured: Settings,
    clock: Clock,
    cutoffs: Mapping[SeriesKey, Sequence[datetime]] | None = None,
) -> Iterator[tuple[int, int, Reading]]:
    """Read as ``read`` does, a folder file by file, so that it need not fit into memory.

    Args:
        cutoffs: Series to read, and the last stamps that may be used of each: a series of a folder is read as it was
            at each of them, once a cutoff. None reads all that the request names, whole.

    Yields:
        How many series came before this part, how many there are, and the part. A file that cannot be read is a
        part without series that says so.

    Raises:
        ConfigError, DataError, UpstreamError: As ``read``, except that a part may be unusable.
    """
    if "://" in request.source:
        found = replace(read(request, configured, clock), cutoffs=cutoffs)
        yield 0, len(found.telemetry.series), found
        return
    from aiops.adapters.folder import FolderSource

    folder = FolderSource(Path(request.source))
    entries = [entry for entry in _chosen(request, folder) if cutoffs is None or entry.key in cutoffs]
    by_file: dict[Path, list[Entry]] = {}
    for entry in entries:
        by_file.setdefault(entry.path, []).append(entry)
    done = 0
    for of_file in by_file.values():
        metadata = {each.key: each.metadata for each in of_file}
        if cutoffs is None:
            telemetry = folder.read(of_file, even_if_none=True)
            yield done, len(entries), Reading(telemetry=telemetry, metadata=metadata)
        else:
            for until, telemetry in folder.read_until(of_file, cutoffs):
                each_its_own = {key: (cutoff,) for key, cutoff in until.items()}
                yield done, len(entries), Reading(telemetry=telemetry, metadata=metadata, cutoffs=each_its_own)
        done += len(of_file)


def snapshot(request: Request, configured: Settings, clock: Clock) -> tuple[Snapshot, tuple[str, ...]]:
    """Read what was asked for as a snapshot, and what the source said beside the data.

    Raises:
        ConfigError, DataError, UpstreamError: As ``read``.
    """
    if request.source.startswith(("http://", "https://")):
        end = floor(request.end or clock.now(), request.step)
        request = replace(request, end=end)
    telemetry = read(request, configured, clock).telemetry
    until = request.end or max(each.end for each in telemetry.series)
    found = [each.known_at(until) for each in telemetry.series]
    return Snapshot(
        query=request.query or "",
        until=until,
        series=tuple(sorted((each for each in found if len(each)), key=lambda each: each.key)),
        skipped=tuple(sorted(telemetry.skipped)),
    ), telemetry.warnings


@asynccontextmanager
async def alertmanagers(configured: Settings) -> AsyncIterator[Mapping[str, AlertSink]]:
    """Return every replica of Alertmanager by its name; their connections are closed at the end of the block."""
    from httpx import AsyncClient

    from aiops.adapters.alertmanager import AlertmanagerSink

    async with AsyncExitStack() as opened:
        yield {
            name: AlertmanagerSink(
                await opened.enter_async_context(AsyncClient(base_url=url, timeout=_ALERTMANAGER_SECONDS))
            )
            for name, url in configured.alertmanager.replicas.items()
        }


@asynccontextmanager
async def live(asked: LiveRequest, configured: Settings) -> AsyncIterator[Live]:
    """Build the live service; what it holds open is closed at the end of the block.

    Raises:
        ConfigError: If the watched queries are wrong, or another process holds the state folder.
    """
    from aiops.adapters.feedback_file import FeedbackFile
    from aiops.adapters.kept_trees import KeptTrees
    from aiops.adapters.monitor_file import MonitorFile
    from aiops.adapters.outbox import Outbox
    from aiops.detection.scorer import Scorer
    from aiops.usecases.live import Live

    time = clock(configured)
    async with alertmanagers(configured) as sinks:
        outbox = Outbox(asked.state / "outbox.sqlite", sinks, time)
        trees = KeptTrees(asked.state / "trees.sqlite", time)
        try:
            yield Live(
                clock=time,
                scorer=Scorer([_fleet(asked.combiner)]),
                outbox=outbox,
                source=prometheus(None, configured),
                watched=None if asked.watch is None else MonitorFile(asked.watch),
                store=None if asked.registry is None else model_store(asked.registry),
                model=asked.model,
                limits=asked.limits,
                links=_links(configured),
                feedback=FeedbackFile(asked.state / "feedback.sqlite"),
                trees=trees,
            )
        finally:
            trees.close()
            outbox.close()


def _links(configured: Settings) -> Links:
    from aiops.alerting.links import Links

    replicas = configured.alertmanager.replicas
    return Links(
        prometheus=str(configured.links.prometheus or configured.prometheus.url),
        alertmanager=str(configured.links.alertmanager or next(iter(replicas.values()))),
    )


def train_combiner(
    source: Path, state: Path | None, configured: Settings, advance: Callable[[int, int], None]
) -> tuple[Combiner, tuple[tuple[str, str], ...]]:
    """Learn from the series of a folder that have labels, or verdicts in the state folder of the service.

    Also returns (series id, reason) of what was left out.

    Raises:
        DataError: If the folder has no telemetry, or what can be learnt from is too little.
        ConfigError: If LightGBM is not installed, or the state folder has no feedback.
    """
    from aiops.adapters.feedback_file import FeedbackFile
    from aiops.adapters.folder import FolderSource
    from aiops.adapters.labelled_folder import Labelled
    from aiops.detection.combiner_fit import learn, lesson

    told = [] if state is None else FeedbackFile(state / "feedback.sqlite").judged(clock(configured).now())
    labelled = Labelled(FolderSource(source), told)
    lessons = [lesson(each) for each in labelled.examples(advance)]
    if not lessons:
        raise DataError(f"nothing to learn from in {source}; the first: {labelled.skipped[0][1]}")
    return learn(lessons), tuple(labelled.skipped)


def score_folder(
    source: Path, output: Path, budget: float, combiner: Path | None, advance: Callable[[int, int], None]
) -> FolderScored:
    """Score a folder, series by series, and write ``series_id,timestamp,score,alert``: one line a row.

    Raises:
        ConfigError: If the budget is not positive, the combiner is none, or the file cannot be written.
        DataError: If the folder has no telemetry, or none of it can be used.
    """
    import csv
    from io import TextIOWrapper

    from aiops.adapters.folder import FolderSource
    from aiops.adapters.whole_file import whole_file
    from aiops.usecases.score_rows import score_rows

    watching = _fleet(combiner)
    if not 0 < budget < float("inf"):
        raise ConfigError(f"--budget {budget}: give a positive number of alerts a week")
    folder = FolderSource(source)
    entries = folder.entries()
    skipped, series, rows, alerts = [], 0, 0, 0
    with whole_file(output) as sink, TextIOWrapper(sink, encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("series_id", "timestamp", "score", "alert"))
        for done, (entry, found) in enumerate(folder.rows(entries), start=1):
            advance(done, len(entries))
            if isinstance(found, DataError):
                skipped.append((entry.name, str(found)))
                continue
            scored = score_rows(found.stamps, found.values, entry.step, budget, watching)
            columns = (found.stamps.tolist(), scored.scores.tolist(), scored.alerts.tolist())
            writer.writerows(
                (entry.name, int(at) if at == int(at) else at, odd, int(told))
                for at, odd, told in zip(*columns, strict=True)
            )
            series, rows, alerts = series + 1, rows + len(found.stamps), alerts + int(scored.alerts.sum())
        if not series:
            raise DataError(f"not one of the {len(entries)} series of {source} can be used; the first: {skipped[0][1]}")
    return FolderScored(series=series, rows=rows, alerts=alerts, skipped=tuple(skipped))


def _fleet(combiner: Path | None) -> FleetDetector | CombinedDetector:
    from aiops.adapters.combiner_file import read_combiner
    from aiops.detection.combiner import CombinedDetector
    from aiops.detection.fleet import FleetDetector

    return FleetDetector() if combiner is None else CombinedDetector(read_combiner(combiner))


def backtest_detection(
    series: Sequence[Series],
    rule: AlertRule,
    scored: timedelta,
    monitor: AnomalyMonitor | None,
    advance: Callable[[int, int], None],
) -> Detected:
    """Score the end of each series with the detector that serves; others, labels and groups are those of the monitor.

    Raises:
        DataError: If there is no series.
    """
    from aiops.alerting.monitor import GROUP_BY
    from aiops.detection.catalog import detector
    from aiops.detection.scorer import Scorer
    from aiops.usecases.backtest_detection import backtest_detection as run

    names = [_DETECTOR] if monitor is None else monitor.spec.detectors or [_DETECTOR]
    return run(
        series,
        Scorer([detector(name) for name in names]),
        rule,
        scored,
        labels=None if monitor is None else monitor.alert_labels,
        group_by=GROUP_BY if monitor is None else monitor.spec.group_by,
        together=None if monitor is None else monitor.spec.together,
        progress=advance,
    )


def mapper(engine: Engine, workers: int, ray_address: str | None = None) -> Mapper:
    """Return who does the heavy work.

    Args:
        engine: Processes of this machine, or Ray.
        workers: How many at a time; a cluster of Ray's decides itself.
        ray_address: Of a running cluster; None starts Ray here for the time of the work.

    Raises:
        ConfigError: If Ray is asked for and not installed.
    """
    if engine is Engine.RAY:
        from aiops.adapters.ray_mapper import RayMapper

        return RayMapper(workers, ray_address)
    from aiops.adapters.local_mapper import LocalMapper

    return LocalMapper(workers)


def model_store(uri: str) -> ModelStore:
    """Return the registry at ``uri``: an SQLite file, an MLflow server, or the folder of one bundle to serve.

    Raises:
        ConfigError: If it is none of them, or MLflow is needed and not installed.
    """
    if "://" not in uri and Path(uri).is_dir():
        from aiops.adapters.folder_models import FolderModels

        return FolderModels(Path(uri))
    try:
        from aiops.adapters.mlflow_models import MlflowModels
    except ModuleNotFoundError as error:
        raise ConfigError(f"the registry needs MLflow ({error}): install aiops[train]") from error
    return MlflowModels(uri)


def _read_prometheus(request: Request, configured: Settings, clock: Clock) -> Reading:
    if request.query is None:
        raise ConfigError("a Prometheus needs --query, for example 'sum by (service) (rate(http_requests_total[1m]))'")
    end = floor(request.end or clock.now(), request.step)
    source = prometheus(request.source, configured)
    telemetry = asyncio.run(source.range(request.query, end - request.history, end, request.step))
    return Reading(telemetry=telemetry, metadata={})


def _read_folder(request: Request) -> Reading:
    from aiops.adapters.folder import FolderSource

    folder = FolderSource(Path(request.source))
    chosen = _chosen(request, folder)
    found = folder.read(chosen)
    return Reading(telemetry=found, metadata={entry.key: entry.metadata for entry in chosen})


def _chosen(request: Request, folder: FolderSource) -> tuple[Entry, ...]:
    pattern = request.query or "*"
    chosen = tuple(entry for entry in folder.entries() if fnmatchcase(entry.key.series_id, pattern))
    if not chosen:
        raise DataError(f"nothing in {request.source} is called {pattern!r}: `aiops inspect` lists what is there")
    return chosen
