"""``aiops backtest``: what a scaler or a forecaster would have done on one's own history."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops.cli import backtest_detection
from aiops.cli.options import (
    EndOption,
    FormatOption,
    HistoryOption,
    OutputOption,
    QueryOption,
    SourceOption,
    StartupOption,
    StepOption,
    lasting,
)
from aiops.cli.output import (
    Format,
    end_partially,
    progress,
    require_apart,
    require_writable,
    stages,
    write_table,
    write_text,
)
from aiops.cli.report_files import command, conclude, write_report, written
from aiops.errors import ConfigError

if TYPE_CHECKING:
    from aiops.backtest.replay import Case
    from aiops.backtest.study import Contender
    from aiops.scaling.policy import Prices

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""
Example: `aiops backtest scaling --source traces/ --report verdict.html`

What a scaler, a forecaster or a detector would have done on your own history.
""",
)

app.command("detection", short_help="What on-call would have been told, and how often.")(backtest_detection.detection)

_CORES = os.cpu_count() or 1
_OURS = "boosted"

ReportOption = Annotated[Path, typer.Option("--report", help="Where the HTML report goes; its JSON goes beside it.")]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, help="Processes that share the work.", show_default="one a core")
]


@app.command(short_help="Scalers beside the HPA and the optimum, at equal cost.")
def scaling(
    source: SourceOption,
    query: QueryOption = None,
    policy: Annotated[
        list[Path] | None,
        typer.Option("--policy", help="A policy in YAML (the spec of a PredictiveScaler); may be given again."),
    ] = None,
    forecaster: Annotated[
        list[str] | None,
        typer.Option("--forecaster", help="Without --policy: a forecaster to try; may be given again."),
    ] = None,
    capacity: Annotated[
        float | None,
        typer.Option("--capacity-per-replica", help="Demand that one replica serves, where index.csv does not say."),
    ] = None,
    room: Annotated[
        float | None,
        typer.Option(
            "--room",
            min=0.0,
            metavar="REPLICAS",
            help="For the early warning: the most replicas that quota and nodes let exist, where index.csv does not "
            "say (room_replicas).",
        ),
    ] = None,
    startup: StartupOption = timedelta(seconds=120),
    scored: Annotated[
        timedelta,
        lasting(
            "--scored", "Length of the scored end, where index.csv does not say; at most half of the history.", "14d"
        ),
    ] = timedelta(days=14),
    cost: Annotated[
        float, typer.Option("--cost", min=1.0, help="Compare at so many times the oracle's replica-hours.")
    ] = 1.5,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="CHANGE",
            help="growth=1.5, launch=3, startup=300s, zone-loss[=0.33], or several joined by commas; may be given "
            "again. Each scaler stays at the setting that was best for it before.",
        ),
    ] = None,
    replica_hour: Annotated[
        float, typer.Option("--replica-hour", min=0.0, help="Price of a replica-hour, in any currency.")
    ] = 0.0,
    unmet_request: Annotated[
        float,
        typer.Option(
            "--unmet-request", min=0.0, help="Price of a request that is not served; demand is a rate a second."
        ),
    ] = 0.0,
    history: HistoryOption = timedelta(days=28),
    step: StepOption = timedelta(minutes=1),
    end: EndOption = None,
    workers: WorkersOption = _CORES,
    report: ReportOption = Path("backtest-scaling.html"),
    decisions: Annotated[
        Path | None,
        typer.Option(
            "--decisions",
            metavar="FOLDER",
            help="Instead of a report: write every decision of the scored time, one CSV a workload.",
        ),
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops backtest scaling --source traces/ --forecaster boosted --report verdict.html`

    Replay demand through the scaling loop of the operator, beside the HPA (default and tuned) and the optimum that
    knows the future. Demand is the rate that replicas serve, one series a workload. Prints what each scaler would have
    left unmet at equal cost, and writes a report with a verdict, the worst workloads and the decisions around each
    grave miss.

    What if: growth multiplies all demand; a launch multiplies six hours from the busiest hour on, unannounced; startup
    is from creation to ready; zone-loss kills a third of the ready pods at the busiest hour. With prices, the report
    has the bill, and each scaler is at the setting whose bill is lowest.

    With --decisions, writes a file of the name of each workload into the folder, with the columns timestamp, replicas,
    reason: the floor under the HPA that the policy asks for from that instant (seconds since 1970) on, from values
    whose step has ended by then.
    """
    from aiops import telemetry, wiring
    from aiops.adapters.clock import SystemClock
    from aiops.adapters.local_mapper import LocalMapper
    from aiops.backtest.study import Grid
    from aiops.backtest.whatif import what_if as read_what_if
    from aiops.usecases.backtest import Replay, cases_from
    from aiops.usecases.capacity import Plan, study

    telemetry.configure()
    require_writable(*(() if decisions else written(report)), output)
    require_apart([source, *(policy or [])], *(() if decisions else written(report)), output)
    if decisions is not None and what_if:
        raise ConfigError("--decisions is of what was: leave --what-if out, or --decisions for a report")
    worlds = [read_what_if(each) for each in dict.fromkeys(what_if or ())]
    prices = _prices(replica_hour, unmet_request)
    contenders = _contenders(policy or [], forecaster or ([_OURS] if decisions and not policy else []))
    if decisions is not None and len(contenders) > 1:
        raise ConfigError("--decisions is of one policy: give --policy or --forecaster once")
    if policy and capacity is None:
        capacity = _capacity_of(contenders)
    request = wiring.Request(source=source, query=query, history=history, step=step, end=end)
    reading = wiring.read(request, wiring.settings(), SystemClock())
    replay = Replay(capacity_per_replica=capacity, startup_delay=startup, scored=scored, room=room)
    cases, unfit = cases_from(reading.telemetry.series, reading.metadata, replay)
    if decisions is not None:
        require_apart([source, *(policy or [])], *(_decisions_file(decisions, case.name) for case in cases))
        rows, failed = _write_decisions(cases, contenders[0], decisions, workers)
        write_table(rows, form, output, title=f"decisions of {contenders[0].name}, in {decisions}")
        end_partially((*reading.telemetry.skipped, *unfit, *failed), reading.telemetry.warnings)
        return
    # A forecaster alone is tried at every level; a policy says which one its owner wants.
    grid = Grid(levels=()) if policy else Grid()
    with stages() as advance:
        made = study(
            cases,
            Plan(contenders=contenders, grid=grid, cost=cost, worlds=worlds, prices=prices),
            mapper=LocalMapper(workers),
            progress=advance,
            command=command(),
            made_at=datetime.now(UTC),
            skipped=(*reading.telemetry.skipped, *unfit),
        )
    write_report(made.report, report)  # before the table: a reader of stdout that is gone must not cost the report
    write_table(made.rows(), form, output, title=f"demand left unmet at {cost:g} times the oracle's replica-hours, %")
    if made.worlds and form is Format.TABLE and output is None:
        write_table(made.world_rows(), form, None, title="what if, each scaler left at its setting; all workloads")
    conclude(made.report, report)
    end_partially(made.skipped, reading.telemetry.warnings)


@app.command(short_help="Forecasters beside seasonal naive, on the same windows.")
def forecast(
    source: SourceOption,
    query: QueryOption = None,
    forecaster: Annotated[
        list[str] | None, typer.Option("--forecaster", help="A forecaster to try; may be given again.")
    ] = None,
    horizon: Annotated[
        timedelta,
        lasting("--horizon", "How far to forecast.", "1d"),
    ] = timedelta(days=1),
    origins: Annotated[int, typer.Option("--origins", min=1, help="How often, counted back from the end.")] = 4,
    history: HistoryOption = timedelta(days=28),
    step: StepOption = timedelta(minutes=5),
    end: EndOption = None,
    workers: WorkersOption = _CORES,
    report: ReportOption = Path("backtest-forecast.html"),
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops backtest forecast --source metrics/ --forecaster selection --forecaster holt-winters`

    Forecast the end of each series from several earlier origins, by each forecaster, and compare with seasonal naive on
    the same windows: error, quantile loss, coverage, seconds a series. Writes a report with a verdict.
    """
    import numpy as np

    from aiops import telemetry, wiring
    from aiops.adapters.clock import SystemClock
    from aiops.adapters.local_mapper import LocalMapper
    from aiops.backtest.forecast_report import forecast_report
    from aiops.forecasting.catalog import path_forecaster
    from aiops.usecases.backtest import evaluate_all

    telemetry.configure()
    require_writable(*written(report), output)
    require_apart([source], *written(report), output)
    names = dict.fromkeys(["seasonal-naive", *(forecaster or ["fleet", "holt-winters", "weekly-naive"])])
    forecasters = {name: path_forecaster(name) for name in names}
    request = wiring.Request(source=source, query=query, history=history, step=step, end=end)
    reading = wiring.read(request, wiring.settings(), SystemClock())
    with progress("forecasting") as advance:
        compared = evaluate_all(
            reading.telemetry.series,
            forecasters,
            horizon,
            origins,
            history,
            np.arange(1, 10) / 10,
            LocalMapper(workers),
            advance,
        )
    skipped = reading.telemetry.skipped
    made = forecast_report(compared, command=command(), made_at=datetime.now(UTC), horizon=horizon, skipped=skipped)
    rows = [
        {
            "model": line.model,
            "series": line.series,
            "mase_ratio": line.relative_mase,
            "p10": line.relative_mase_low,
            "p90": line.relative_mase_high,
            "crps_ratio": line.relative_crps,
            "worse": line.worse_ratio,
            "coverage": line.coverage,
            "seconds": line.seconds,
        }
        for line in compared.summaries()
    ]
    write_report(made, report)
    write_table(rows, form, output, title=f"{len(reading.telemetry.series)} series, relative to {compared.baseline}")
    conclude(made, report)
    left_out = [(f"{each.series_id} by {each.model}", each.reason) for each in compared.skipped]
    end_partially((*skipped, *left_out), reading.telemetry.warnings)


def _contenders(policies: list[Path], forecasters: list[str]) -> list[Contender]:
    from aiops.backtest.study import Contender
    from aiops.forecasting.catalog import window_forecaster
    from aiops.usecases.capacity import contenders_of
    from aiops.usecases.policies import read_policies

    if policies and forecasters:
        raise ConfigError("give --policy or --forecaster, not both: a policy names its own forecaster")
    if not policies:
        return contenders_of(forecasters or [_OURS, "last-week"])
    return [
        Contender(name=name, policy=each, forecaster=window_forecaster(each.forecast.model), own_window=True)
        for name, each in read_policies(policies).items()
    ]


def _prices(replica_hour: float, unmet_request: float) -> Prices | None:
    from aiops.scaling.policy import Prices

    if not replica_hour and not unmet_request:
        return None
    if not replica_hour or not unmet_request:
        raise ConfigError(
            "a bill needs both prices: with one alone, the fewest or the most replicas are always best: give "
            "--replica-hour and --unmet-request"
        )
    return Prices(replica_hour=replica_hour, unmet_request=unmet_request)


def _write_decisions(
    cases: Sequence[Case], contender: Contender, folder: Path, workers: int
) -> tuple[list[dict[str, object]], list[tuple[str, str]]]:
    """Write one file a workload, each as soon as it is decided; return what was written, and what could not be."""
    from aiops.adapters.local_mapper import LocalMapper
    from aiops.usecases.decisions import Decided, decide_all

    rows: dict[str, dict[str, object]] = {}
    failed: list[tuple[str, str]] = []
    with progress("deciding") as advance:
        for found in decide_all(cases, contender, LocalMapper(workers), advance):
            if not isinstance(found, Decided):
                failed.append(found)
                continue
            lines = (f"{at},{replicas},{reason}" for at, replicas, reason in found.rows)
            write_text(_decisions_file(folder, found.name), "\n".join(["timestamp,replicas,reason", *lines, ""]))
            counts = [replicas for _, replicas, _ in found.rows]
            rows[found.name] = {
                "workload": found.name,
                "decisions": len(counts),
                "changes": sum(after != before for before, after in itertools.pairwise(counts)),
                "fewest": min(counts),
                "most": max(counts),
            }
    return [rows[case.name] for case in cases if case.name in rows], failed


def _decisions_file(folder: Path, name: str) -> Path:
    path = folder / f"{name}.csv"
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"the workload {name!r} would be written outside of {folder}: rename it")
    return path


def _capacity_of(contenders: Sequence[Contender]) -> float | None:
    """Return what the policies say that one replica serves; None if they disagree: a table has pods of one size."""
    said = {each.policy.load.capacity_per_replica for each in contenders}
    return said.pop() if len(said) == 1 else None
