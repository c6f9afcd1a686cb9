"""The tasks of the DAG ``backtest_capacity``; each takes and returns a path or a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from aiops import wiring
from aiops.adapters.whole_folder import write_whole
from aiops.backtest.report import to_html, to_json
from aiops.backtest.study import Grid
from aiops.errors import ConfigError
from aiops.jobs.run import Run, end_of
from aiops.settings import CapacitySettings
from aiops.usecases.backtest import Replay, cases_from
from aiops.usecases.capacity import Plan, contenders_of, study

JOB = "backtest_capacity"

_log = structlog.get_logger(__name__)


def plan(given: Mapping[str, Any], interval_end: datetime) -> str:
    """Settle what is replayed: parameters of the run before settings; return the folder of the run.

    Raises:
        ConfigError: If a parameter or a setting is wrong, or nothing says what a replica serves.
    """
    rest, end = end_of(given, interval_end)
    asked = wiring.settings().capacity.changed(rest)
    contenders_of(asked.forecasters)
    if asked.capacity_per_replica is None:
        raise ConfigError(
            "capacity_per_replica: what one replica serves is not known: give it as a parameter or a setting"
        )
    return str(Run.begin(JOB, asked, end).folder)


def take_snapshot(run: str) -> str:
    """Read the telemetry, once a run; return where it is kept.

    Raises:
        ConfigError, DataError, UpstreamError: As ``wiring.snapshot``.
    """
    asked, end = _asked(run)
    return str(Run(Path(run)).take_snapshot(asked, end))


def report(run: str) -> dict[str, Any]:
    """Replay the snapshot and write the report; return where it is and what it says.

    Raises:
        ConfigError: If it cannot be written.
        DataError: If no workload could be replayed.
    """
    asked, end = _asked(run)
    begun = Run(Path(run))
    snapshot = begun.snapshot()
    replay = Replay(
        capacity_per_replica=asked.capacity_per_replica, startup_delay=asked.startup_delay, scored=asked.scored
    )
    cases, unfit = cases_from(snapshot.series, {}, replay)
    made = study(
        cases,
        Plan(contenders=contenders_of(asked.forecasters), grid=Grid(), cost=asked.cost),
        mapper=wiring.mapper(wiring.Engine.LOCAL, asked.workers),
        progress=_went_on,
        command=f"airflow dags test {JOB} (run {begun.folder.name})",
        made_at=end,  # and not the present: the same run gives the same findings
        skipped=(*snapshot.skipped, *unfit),
    )
    folder = begun.root / "reports" / begun.folder.name
    files = {"report.html": to_html(made.report), "report.json": to_json(made.report)}
    write_whole(folder, {name: text.encode() for name, text in files.items()})
    workloads, left_out = len(made.compared.workloads), len(made.skipped)
    _log.info("report written", path=str(folder), workloads=workloads, left_out=left_out, verdict=made.report.verdict)
    return {
        "report": str(folder / "report.html"),
        "verdict": made.report.verdict,
        "workloads": workloads,
        "left_out": left_out,
    }


def _asked(run: str) -> tuple[CapacitySettings, datetime]:
    said, end = Run(Path(run)).request()
    return CapacitySettings().changed(said), end


def _went_on(what: str, done: int, total: int) -> None:
    _log.info("work went on", what=what, done=done, total=total)
