"""``aiops backtest detection``: what on-call would have been told, before anything is switched on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops.cli.options import (
    EndOption,
    FormatOption,
    HistoryOption,
    OutputOption,
    QueryOption,
    SourceOption,
    StepOption,
)
from aiops.cli.output import Format, end_partially, progress, require_apart, require_writable, write_table
from aiops.cli.report_files import command, conclude, write_report, written
from aiops.errors import ConfigError

if TYPE_CHECKING:
    from aiops.alerting.monitor import AnomalyMonitor


def detection(
    source: SourceOption,
    query: QueryOption = None,
    days: Annotated[int, typer.Option("--days", min=1, help="How many days at the end are scored.")] = 14,
    monitor: Annotated[
        Path | None,
        typer.Option(
            "--monitor", help="An AnomalyMonitor whose detectors, rule, labels, groupBy and together are tried."
        ),
    ] = None,
    history: HistoryOption = timedelta(days=28),
    step: StepOption = timedelta(minutes=1),
    end: EndOption = None,
    report: Annotated[
        Path, typer.Option("--report", help="Where the HTML report goes; its JSON goes beside it.")
    ] = Path("backtest-detection.html"),
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops backtest detection --source telemetry/ --days 14 --report alerts.html`

    Replay the last days of your own history through the code that serves, and see who would have been told of what:
    pages a week by service, how soon after the first odd point, and the incidents with their pictures. What lies before
    those days teaches, at least a fifth of each series. Try a rule with --monitor before you switch it on.
    """
    from aiops import telemetry, wiring
    from aiops.adapters.clock import SystemClock
    from aiops.alerting.rules import AlertRule
    from aiops.backtest.detection_report import detection_report

    telemetry.configure()
    require_writable(*written(report), output)
    require_apart([source], *written(report), output)
    tried = _monitor(monitor)
    rule = tried.spec.rule.alert_rule if tried is not None else AlertRule()
    request = wiring.Request(source=source, query=query, history=history, step=step, end=end)
    reading = wiring.read(request, wiring.settings(), SystemClock())
    with progress("scoring") as advance:
        found = wiring.backtest_detection(reading.telemetry.series, rule, timedelta(days=days), tried, advance)
    skipped = reading.telemetry.skipped
    made = detection_report(found, rule, command=command(), made_at=datetime.now(UTC), skipped=skipped)
    write_report(made, report)
    write_table(found.rows(), form, output, title="what people would have been told")
    conclude(made, report)
    end_partially(skipped, reading.telemetry.warnings)


def _monitor(path: Path | None) -> AnomalyMonitor | None:
    """Return the one monitor of a file.

    Raises:
        ConfigError: If it cannot be read, or holds another number of them.
    """
    if path is None:
        return None
    from aiops.adapters.monitor_file import MonitorFile

    found = MonitorFile(path).changed() or ()
    if len(found) != 1:
        raise ConfigError(f"--monitor {path} holds {len(found)} monitors: give a file with the one to try")
    return found[0]
