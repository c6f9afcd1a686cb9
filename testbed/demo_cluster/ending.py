"""How the demo ends: both workloads side by side, in the terminal, as a page and as a picture."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from rich.markup import escape
from rich.table import Table as ConsoleTable

from aiops.backtest.charts import Axis, Band, Line, Span, TimeChart, Tone
from aiops.backtest.outcome import ScalingOutcome
from aiops.backtest.report import Column, KeyFigure, Report, Section, Table
from aiops.scaling.capacity import replicas_for
from aiops.series import FloatArray
from testbed.demo_cluster import stage
from testbed.demo_cluster.load import Tick
from testbed.demo_cluster.outcome import Seen
from testbed.demo_cluster.rehearsal import STEP, scaled
from testbed.demo_cluster.telling import Telling
from testbed.demo_cluster.trace import Trace
from testbed.demo_cluster.violation import RolledBack

_MINUTES = STEP.total_seconds() / 60


def side_by_side(telling: Telling, seen: Seen) -> None:
    """Print unmet demand and pod-hours of both, and the sentence that follows."""
    table = ConsoleTable(box=None, padding=(0, 3), show_edge=False)
    table.add_column("")
    for each in (seen.plain, seen.ours):
        table.add_column(each.scaler, justify="right")
    rows = (
        ("unmet demand", *(f"{each.unmet_ratio:.3%}" for each in (seen.plain, seen.ours))),
        ("pod-hours", *(f"{each.replica_hours:.1f}" for each in (seen.plain, seen.ours))),
        ("minutes short of pods", *(f"{each.short_minutes:.1f}" for each in (seen.plain, seen.ours))),
        ("changes of replicas", *(f"{each.scale_events}" for each in (seen.plain, seen.ours))),
    )
    for row in rows:
        table.add_row(*row)
    telling.console.print(table)
    telling.console.print(f"  [bold]{escape(verdict(seen))}[/]")


def verdict(seen: Seen) -> str:
    """Return the finding as a sentence, whoever won."""
    plain, ours = seen.plain, seen.ours
    cost = ours.replica_hours / plain.replica_hours - 1
    paid = (
        f"{abs(cost):.1%} {'more' if cost > 0 else 'fewer'} pod-hours" if abs(cost) >= 0.0005 else "the same pod-hours"
    )
    if plain.unmet_total == ours.unmet_total == 0:
        return f"Neither left any demand unmet; the floor cost {paid}."
    if ours.unmet_total == 0:
        return f"The plain HPA left {plain.unmet_ratio:.2%} of demand unmet; with the floor it was nothing, for {paid}."
    if ours.unmet_total < plain.unmet_total:
        share = 1 - ours.unmet_total / plain.unmet_total
        return f"The floor left {share:.0%} less demand unmet than the plain HPA, for {paid}."
    if ours.unmet_total > plain.unmet_total:
        return f"The plain HPA did better: it left less demand unmet than with the floor, which took {paid}."
    return f"Both left the same demand unmet; the floor cost {paid}."


def report(trace: Trace, speed: float, seen: Seen, ticks: list[Tick], back: RolledBack | None, command: str) -> Report:
    """Return the page; its first section's charts are the picture."""
    sections = [_race(seen)]
    if back is not None:
        sections.append(_rollback(trace, ticks, back))
    sections.append(_how(trace, speed, seen))
    plain, ours = seen.plain, seen.ours
    return Report(
        kind="demo-cluster",
        title=f"aiops on a cluster: {trace.name}, {trace.start:%d %B %Y %H:%M} to {trace.end:%H:%M}",
        verdict=verdict(seen),
        command=command,
        made_at=datetime.now(UTC),
        figures=(
            KeyFigure(name="Unmet, plain HPA", value=100 * plain.unmet_ratio, unit="%"),
            KeyFigure(name="Unmet, with the floor", value=100 * ours.unmet_ratio, unit="%"),
            KeyFigure(name="Pod-hours, plain HPA", value=plain.replica_hours),
            KeyFigure(name="Pod-hours, with the floor", value=ours.replica_hours),
        ),
        sections=tuple(sections),
        notes=(
            "One run of one stretch is an example and no measurement: see the benchmarks for that.",
            "Demand does not react: what is not served in its 15 s is lost, and not tried again.",
            "The stretch is chosen by how steep it is, and not by how anybody does on it.",
        ),
    )


def charts(seen: Seen) -> tuple[TimeChart, ...]:
    """Return both workloads and what each left unmet."""
    missing = {
        each.scaler: np.cumsum(np.maximum(each.needed - each.track.ready, 0)) * _MINUTES
        for each in (seen.plain, seen.ours)
    }
    return (
        _replicas(seen.plain, "The plain HPA", None),
        _replicas(seen.ours, "The same HPA with the floor", seen.forecast),
        TimeChart(
            title="Missing replica-minutes so far",
            axis=Axis(label="Replica-minutes"),
            start=seen.plain.start,
            step=STEP,
            lines=tuple(
                Line(name=name, values=values, tone=tone)
                for (name, values), tone in zip(missing.items(), (Tone.ORANGE, Tone.BLUE), strict=True)
            ),
        ),
    )


def _replicas(outcome: ScalingOutcome, title: str, forecast: FloatArray | None) -> TimeChart:
    needed, ready = outcome.needed.astype(np.float64), outcome.track.ready.astype(np.float64)
    lines = [Line(name="Ready", values=ready, tone=Tone.BLUE, steps=True)]
    if forecast is not None:
        floor = outcome.track.floors.astype(np.float64)
        lines = [
            Line(name="Forecast of the next four minutes' highest demand", values=forecast, tone=Tone.PURPLE),
            Line(name="Floor (the HPA's minReplicas)", values=floor, tone=Tone.GREEN, steps=True),
            *lines,
        ]
    bands = [Band(name="Needed to serve all demand", lower=np.zeros(len(needed)), upper=needed, tone=Tone.GREY)]
    if (needed > ready).any():
        bands.append(Band(name="Missing", lower=ready, upper=needed, tone=Tone.RED))
    return TimeChart(
        title=f"{title}: {outcome.unmet_ratio:.2%} unmet, {outcome.replica_hours:.0f} pod-hours",
        axis=Axis(label="Replicas"),
        start=outcome.start,
        step=STEP,
        lines=tuple(lines),
        bands=tuple(bands),
    )


def _race(seen: Seen) -> Section:
    rows = tuple(
        (each.scaler, 100 * each.unmet_ratio, each.replica_hours, each.short_minutes, each.scale_events)
        for each in (seen.plain, seen.ours)
    )
    columns = (
        Column(name="scaler", title="Scaler"),
        Column(name="unmet_percent", title="Unmet demand", unit="%", decimals=3),
        Column(name="pod_hours", title="Pod-hours", decimals=1),
        Column(name="short_minutes", title="Short of pods", unit="minutes", decimals=1),
        Column(name="changes", title="Changes of replicas"),
    )
    return Section(
        title="The same load at both, at the same time",
        text="Two namespaces of one cluster: the same Deployment under the same HPA, with the real controller. In one "
        "of them a PredictiveScaler raises the HPA's minReplicas to what its forecast says.",
        charts=charts(seen),
        tables=(Table(name="Side by side", columns=columns, rows=rows),),
    )


def _rollback(trace: Trace, ticks: list[Tick], back: RolledBack) -> Section:
    shown = [tick for tick in ticks if tick.at >= trace.end]
    pods = [tick.pods[stage.FLOOR] for tick in shown]
    needed = np.array([replicas_for(tick.demand, trace.capacity_per_replica) for tick in shown], np.float64)
    start = shown[0].at
    lines = (
        Line(name="Floor", values=np.array([float(each.floor) for each in pods]), tone=Tone.GREEN, steps=True),
        Line(name="Ready", values=np.array([float(each.ready) for each in pods]), tone=Tone.BLUE, steps=True),
    )
    chart = TimeChart(
        title=f"The floor goes from {back.trial.before} to {back.trial.after}, errors come, and it goes back",
        axis=Axis(label="Replicas"),
        start=start,
        step=STEP,
        lines=lines,
        bands=(Band(name="Needed to serve all demand", lower=np.zeros(len(needed)), upper=needed, tone=Tone.GREY),),
        spans=(
            Span(start=back.trial.started, end=back.errors_from, text="on trial", tone=Tone.SKY),
            Span(start=back.errors_from, end=back.floor_at, text="errors", tone=Tone.RED),
        ),
    )
    events = Table(
        name="Events of the PredictiveScaler",
        columns=(Column(name="at", title="At", unit="UTC"), Column(name="reason"), Column(name="message")),
        rows=back.events,
    )
    return Section(
        title="A change that did harm is taken back",
        text="After the two hours demand is made to fall, so that the floor follows it. While that change is on trial, "
        f"errors are put into the SLO's metric. Alertmanager says: {back.alert or 'nothing'}",
        charts=(chart,),
        tables=(events,),
    )


def _how(trace: Trace, speed: float, seen: Seen) -> Section:
    rows = tuple(scaled(speed))
    columns = (Column(name="what"), Column(name="in_the_story"), Column(name="here"))
    return Section(
        title="How it was made",
        text=f"Trace: {trace.name}, {trace.origin}. It climbs by {trace.climb:.0f} replicas within the two hours; one "
        f"replica serves {trace.capacity_per_replica:g}.\n\nOne day of the story lasts "
        f"{24 * 60 / speed:.0f} minutes: everything below is scaled by {speed:g}. What people write (policies, steps, "
        "histories) is as it would be. No count of pods came later than "
        f"{seen.latest.total_seconds():.0f} s of the story.",
        tables=(Table(name="What is scaled", columns=columns, rows=rows),),
    )
