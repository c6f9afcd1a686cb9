"""How the demo ends: what was found of the known truth, a week of scaling replayed, a report and one sentence."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from rich.console import Console
from rich.markup import escape

from aiops.alerting.alert import Alert, Status
from aiops.backtest.charts import Axis, Band, Line, Span, TimeChart, Tone
from aiops.backtest.replay import Case
from aiops.backtest.replica_chart import replica_chart
from aiops.backtest.report import Column, Report, Section, Table
from aiops.backtest.scaling_report import scaling_report
from aiops.backtest.study import Contender, Grid, sweep_case
from aiops.demo.cast import Cast
from aiops.demo.story import Ending, policy_for
from aiops.forecasting.catalog import window_forecaster
from aiops.series import Frame, Series

_FORECASTERS = ("holt-winters", "last-week")
_WEEK = timedelta(weeks=1)
_SLACK = timedelta(minutes=10)


def conclude(cast: Cast, ending: Ending, command: str, console: Console, began: float) -> Report:
    """Say what was found and the verdict, and return the report."""
    if cast.incidents:
        console.print(f"\n[bold]What really happened, and what was said of it[/] [dim]({_since(began)})[/]")
        for row in _truth(cast, ending):
            console.print(escape(f"  {row[0]}: {row[1]}, {row[2]:%H:%M} to {row[3]:%H:%M}: {row[4]}"))
    console.print(f"\n[bold]Verdict: the last days of {escape(str(cast.scaled))} replayed[/] [dim]({_since(began)})[/]")
    report = _report(cast, ending, command)
    console.print(f"  {escape(report.verdict)}")
    return report


def _report(cast: Cast, ending: Ending, command: str) -> Report:
    demand = _joined(ending.history, ending.streamed, cast)
    case = Case(
        name=str(cast.scaled),
        history=demand,
        capacity_per_replica=cast.capacity_per_replica,
        start=max(demand.end - _WEEK, demand.start + timedelta(days=2)),
        end=demand.end,
    )
    policy = policy_for(cast)
    contenders = [Contender(name=each, policy=policy, forecaster=window_forecaster(each)) for each in _FORECASTERS]
    made = scaling_report(
        {case.name: sweep_case(case, contenders, Grid())},
        command=command,
        made_at=datetime.now(UTC),
        cost=1.3,
    )
    return replace(
        made,
        kind="demo",
        title=f"aiops demo: {cast.origin}",
        sections=(_incidents(cast, ending), _scaling(ending), *made.sections),
    )


def _incidents(cast: Cast, ending: Ending) -> Section:
    told = [alert for alert in ending.alerts if alert.status is Status.FIRING]
    said = {alert.annotations["series"] for alert in told}
    keys = [key for key in ending.band.keys if key.series_id in said or any(key == each.key for each in cast.incidents)]
    alerts = Table(
        name="Alerts",
        columns=(
            Column(name="since", title="Since", unit="UTC"),
            Column(name="severity", title="Severity"),
            Column(name="status", title="Status"),
            Column(name="series_id", title="Series"),
            Column(name="summary", title="What"),
            Column(name="why", title="Why we think so"),
        ),
        rows=tuple(
            (
                each.starts_at,
                each.severity.value,
                each.status.value,
                each.annotations["series"],
                each.annotations["summary"],
                each.annotations["why"],
            )
            for each in ending.alerts
        ),
    )
    tables = [alerts]
    if cast.incidents:
        columns = ("series_id", "what_happened", "from", "to", "first_alert")
        rows = tuple(_truth(cast, ending))
        tables.append(Table(name="The truth", columns=tuple(Column(name=name) for name in columns), rows=rows))
    return Section(
        title="What the on-call engineer was told",
        text="Each streamed minute was written to Prometheus, read back, scored against the forecast that was made "
        "before the stream began, and then learnt from.",
        charts=tuple(_score_chart(cast, ending, ending.band.keys.index(key), told) for key in keys),
        tables=tuple(tables),
    )


def _score_chart(cast: Cast, ending: Ending, row: int, told: list[Alert]) -> TimeChart:
    key, frame = ending.band.keys[row], ending.streamed
    shown = min(frame.length, ending.band.horizon)
    truth = [
        Span(start=max(each.start, frame.start), end=min(each.end, frame.end), text=each.kind.value, tone=Tone.RED)
        for each in cast.incidents
        if each.key == key and each.end > frame.start
    ]
    alerted = [
        Span(start=each.starts_at, end=each.starts_at + 2 * frame.step, text=f"{each.severity} fired", tone=Tone.ORANGE)
        for each in told
        if each.annotations["series"] == key.series_id
    ]
    values = ending.band.values[row, :, :shown]
    return TimeChart(
        title=key.series_id,
        axis=Axis(label="Observed", unit=ending.band.units[row]),
        start=frame.start,
        step=frame.step,
        lines=(
            Line(name="Observed", values=frame.values[frame.keys.index(key), :shown], tone=Tone.BLUE),
            Line(name="Expected", values=values[1], tone=Tone.GREY, dashed=True),
        ),
        bands=(Band(name="99 % of forecast", lower=values[0], upper=values[-1], tone=Tone.GREY),),
        spans=(*truth, *alerted),
    )


def _scaling(ending: Ending) -> Section:
    changed = [turn for turn in ending.turns if turn.decision.desired != turn.decision.current]
    ours = replace(ending.ours, turns=tuple(ending.turns))
    return Section(
        title="What the scaler did during the stream",
        text=f"As a floor under the HPA it left {100 * ours.unmet_ratio:.3f} % of demand unmet at "
        f"{ours.cost_ratio:.2f} times the oracle's replica-hours; the same HPA alone "
        f"{100 * ending.plain.unmet_ratio:.3f} % at {ending.plain.cost_ratio:.2f} times.",
        charts=(
            replica_chart(ours, ours.start, ours.end),
            replace(replica_chart(ending.plain, ours.start, ours.end), title="The same under the plain HPA"),
        ),
        tables=(
            Table(
                name="Decisions that changed the floor",
                columns=(Column(name="at", unit="UTC"), Column(name="from"), Column(name="to"), Column(name="why")),
                rows=tuple((at, each.current, each.desired, each.message) for at, each in changed),
            ),
        ),
    )


def _truth(cast: Cast, ending: Ending) -> list[tuple[str, str, datetime, datetime, str]]:
    """Compare alerts with the known incidents of the stream: series, what, from, to, and what was said of it."""
    rows = []
    for incident in cast.incidents:
        if incident.end <= ending.streamed.start:
            continue
        first = min(
            (
                alert.starts_at
                for alert in ending.alerts
                if alert.status is Status.FIRING
                and alert.annotations["series"] == incident.key.series_id
                and incident.start - _SLACK <= alert.starts_at < incident.end + _SLACK
            ),
            default=None,
        )
        said = "nothing" if first is None else f"odd from {first:%H:%M} on"
        rows.append((incident.key.series_id, incident.description, incident.start, incident.end, said))
    return rows


def _joined(history: Frame, streamed: Frame, cast: Cast) -> Series:
    before, after = history.row(history.keys.index(cast.scaled)), streamed.row(streamed.keys.index(cast.scaled))
    values = np.concatenate([before.values, after.values])
    return Series(key=cast.scaled, start=before.start, step=before.step, values=values, unit=before.unit)


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
