"""``aiops train``: forecasts of every series as one registered bundle, and the champion if the gate says so."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops.cli.options import EndOption, FormatOption, HistoryOption, OutputOption, QueryOption, StepOption, lasting
from aiops.cli.output import Format, end_partially, messages, progress, require_apart, require_writable, write_table
from aiops.cli.work import CORES, EngineOption, RayAddressOption, WorkersOption, chosen_mapper
from aiops.errors import ConfigError
from aiops.wiring import Engine

if TYPE_CHECKING:
    from aiops.series.snapshot import Snapshot
    from aiops.settings import Settings


def train(
    source: Annotated[
        str | None,
        typer.Option(
            "--source", help="A folder of CSV or Parquet files, or the URL of a Prometheus; a snapshot is taken of it."
        ),
    ] = None,
    query: QueryOption = None,
    snapshot: Annotated[
        Path | None,
        typer.Option("--snapshot", help="Instead of --source: a snapshot of an earlier run; gives the same bundle."),
    ] = None,
    registry: Annotated[
        str, typer.Option("--registry", help="An SQLite file of MLflow's, or the URL of an MLflow server.")
    ] = "sqlite:///training/mlflow.db",
    name: Annotated[str, typer.Option("--name", help="Name of the registered model.")] = "aiops-forecasts",
    folder: Annotated[Path, typer.Option("--folder", help="Where snapshots and bundles are kept.")] = Path("training"),
    engine: EngineOption = Engine.LOCAL,
    ray_address: RayAddressOption = None,
    forecaster: Annotated[
        list[str] | None,
        typer.Option(
            "--forecaster",
            help="A forecaster to choose from; may be given again.",
            show_default="seasonal-naive, fleet",
        ),
    ] = None,
    horizon: Annotated[
        timedelta,
        lasting("--horizon", "How far to forecast.", "2d"),
    ] = timedelta(days=2),
    choosing: Annotated[int, typer.Option("--choosing", min=1, help="Folds that a forecaster is chosen by.")] = 2,
    judging: Annotated[int, typer.Option("--judging", min=1, help="Later folds that it is judged by.")] = 2,
    margin: Annotated[
        float, typer.Option("--margin", min=0, max=0.99, help="Share by which a champion's loss must be beaten.")
    ] = 0.02,
    history: HistoryOption = timedelta(days=28),
    step: StepOption = timedelta(minutes=5),
    end: EndOption = None,
    workers: WorkersOption = CORES,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops train --source metrics/ --registry sqlite:///training/mlflow.db`

    Take a snapshot of the telemetry, choose a forecaster for each series by rolling origins, forecast the coming days,
    compare with the champion on the same folds, and register the bundle. It becomes the champion only if it is better
    and its intervals cover what they promise. Prints one row a series; ends with 5 if some were left out.
    """
    from aiops import telemetry, wiring
    from aiops.adapters.bundle_files import BundleFolder
    from aiops.adapters.snapshot import write_snapshot
    from aiops.backtest.promotion import Gate
    from aiops.backtest.training import Plan
    from aiops.usecases import train as training

    telemetry.configure()
    require_writable(output)
    require_apart([source] if source else [], output)
    given = {"forecasters": tuple(dict.fromkeys(forecaster))} if forecaster else {}
    plan = Plan(horizon=horizon, history=history, choosing=choosing, judging=judging, **given)
    configured = wiring.settings()
    mapper = chosen_mapper(engine, workers, ray_address, configured)
    store = wiring.model_store(registry)
    taken, warnings = _taken(source, query, snapshot, history, step, end, configured)
    if snapshot is None:
        snapshot = write_snapshot(taken, folder / "snapshots")
    messages.print(f"snapshot: {snapshot}")
    with progress("training") as advance:
        done = asyncio.run(
            training.run(
                taken,
                plan,
                Gate(margin=margin),
                name=name,
                mapper=mapper,
                shelf=BundleFolder(folder / "bundles"),
                store=store,
                progress=advance,
            )
        )
    title = f"{len(done.bundle.entries)} series until {done.bundle.cutoff:%Y-%m-%d %H:%M} UTC"
    write_table(done.rows(), form, output, title=title)
    messages.print(f"bundle: {done.kept.path}")
    messages.print(f"[bold]{done.fate()}[/]: {done.verdict.explanation}")
    end_partially(done.bundle.skipped, warnings)


def _taken(
    source: str | None,
    query: str | None,
    snapshot: Path | None,
    history: timedelta,
    step: timedelta,
    end: datetime | None,
    configured: Settings,
) -> tuple[Snapshot, tuple[str, ...]]:
    from aiops import wiring
    from aiops.adapters.clock import SystemClock
    from aiops.adapters.snapshot import read_snapshot

    if (source is None) == (snapshot is None):
        raise ConfigError("give --source or --snapshot, one of them")
    if snapshot is not None:
        if query is not None or end is not None:
            raise ConfigError("--query and --end go with --source: a snapshot is what it is")
        return read_snapshot(snapshot), ()
    request = wiring.Request(source=source or "", query=query, history=history, step=step, end=end)
    return wiring.snapshot(request, configured, SystemClock())
