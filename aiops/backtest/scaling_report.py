"""The report of `aiops backtest scaling`: scalers side by side at equal cost, and the worst day of a few workloads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from aiops.backtest.axes import number
from aiops.backtest.charts import (
    Axis,
    Band,
    Curve,
    DotChart,
    Dots,
    Line,
    Mark,
    PlaneChart,
    TimeChart,
    Tone,
)
from aiops.backtest.comparison import PLAIN, Comparison, compare, verdict
from aiops.backtest.hpa import SYNC
from aiops.backtest.outcome import ScalingOutcome, cost_at, unmet_at
from aiops.backtest.report import Cell, Column, KeyFigure, Report, Section, Table
from aiops.backtest.study import DEFAULT_HPA, TUNED_HPA, Sweep
from aiops.series import FloatArray
from aiops.series.duration import duration_text

COSTS = (1.3, 1.5, 2.0)
"""Replica-hours, in those of the oracle, at which scalers are compared in a table."""

PROTOCOL = (
    "Demand is replayed in steps of 15 s. It is what was observed; it does not react to being served badly.",
    "A replica serves a fixed demand. A pod costs from its creation and serves only after the start-up delay; "
    "a scale-down takes starting pods first.",
    "Unmet demand is what lies above the ready capacity, as a share of all demand. It is not queued.",
    "Cost is replica-hours over those of the oracle: the cheapest plan that leaves nothing unmet, found afterwards "
    "with the future known and with the same start-up delay.",
    "The HPA acts every 15 s on the mean demand of the last minute, 15 s late, with a tolerance of 0.1. "
    "The tuned HPA may also choose its scale-down window; one grid of settings serves all workloads.",
    "A forecast is a floor under the default HPA: each minute it asks for replicas for the coming minutes, from "
    "quantiles of its own earlier errors. It sees nothing that was not known at that minute.",
    "Curves are means over workloads, setting by setting. Between two points of a curve the logarithm of unmet demand "
    "is taken as linear in cost. A measured point can lie above such a line: so the tuned HPA, which has all settings "
    "of the default one and more, can read a little worse than it between two of them.",
)

_TONES = {DEFAULT_HPA: Tone.GREY, TUNED_HPA: Tone.ORANGE}
_OUR_TONES = (Tone.BLUE, Tone.PURPLE, Tone.GREEN, Tone.OLIVE, Tone.SKY)
_MOST_DECISIONS = 200
_MOST_MARKS = 12


def scaling_report(
    sweeps: Mapping[str, Sequence[Sweep]],
    *,
    command: str,
    made_at: datetime,
    examples: Sequence[ScalingOutcome] = (),
    cost: float = 1.5,
    skipped: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = PROTOCOL,
) -> Report:
    """Put scalers side by side.

    Args:
        sweeps: By workload: one sweep a scaler, the same scalers in the same order everywhere, as ``sweep_case`` makes.
        command: What makes this report again.
        made_at: Now, UTC.
        examples: Replays of one setting each, of which the worst day is shown.
        cost: Replica-hours over those of the oracle at which the verdict compares.
        skipped: (workload, reason) of what was left out.
        notes: Protocol and assumptions.

    Raises:
        DataError: If there is no workload, or the scalers differ between workloads.
    """
    compared = compare(sweeps, cost)
    count = len(compared.workloads)
    return Report(
        kind="scaling",
        title=f"Scaling backtest: {count} workload{'s' if count > 1 else ''}, {len(compared.means)} scalers",
        verdict=verdict(compared),
        command=command,
        made_at=made_at,
        figures=_figures(compared),
        sections=(_overview(compared), _each_workload(compared), *map(_example, examples), _settings(compared)),
        notes=tuple(notes),
        skipped=tuple(skipped),
    )


def replica_chart(outcome: ScalingOutcome, begin: datetime, end: datetime) -> TimeChart:
    """Plot needed, ready, floor and oracle replicas of one replay between two instants."""
    first = max((begin - outcome.start) // SYNC, 0)
    last = min(-((outcome.start - end) // SYNC), len(outcome.demand))
    part = slice(first, last)
    needed = np.where(np.isnan(outcome.demand[part]), np.nan, outcome.needed[part])
    ready = outcome.track.ready[part].astype(np.float64)
    lines = [
        Line(name="Oracle", values=outcome.oracle[part].astype(np.float64), tone=Tone.ORANGE, steps=True, dashed=True),
        Line(name="Ready", values=ready, tone=Tone.BLUE, steps=True),
    ]
    if outcome.turns:
        floor = outcome.track.floors[part].astype(np.float64)
        lines.insert(1, Line(name="Floor from the forecast", values=floor, tone=Tone.GREEN, steps=True))
    bands = [Band(name="Needed to serve all demand", lower=np.zeros(len(needed)), upper=needed, tone=Tone.GREY)]
    start = outcome.start + first * SYNC
    marks = _misses(start, needed, ready)
    if marks:
        bands.append(Band(name="Missing", lower=ready, upper=needed, tone=Tone.RED))
    return TimeChart(
        title=f"{outcome.name}: replicas needed and ready",
        axis=Axis(label="Replicas"),
        start=start,
        step=SYNC,
        lines=tuple(lines),
        bands=tuple(bands),
        marks=marks,
        caption="The red triangles mark the times at which most replicas were missing."
        if marks
        else "At no time was a replica missing.",
    )


def _misses(start: datetime, needed: FloatArray, ready: FloatArray) -> tuple[Mark, ...]:
    """Mark the worst moment of each of the worst stretches without enough ready replicas."""
    missing = np.nan_to_num(np.maximum(needed - ready, 0.0))
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], np.sign(missing), [0.0]])))
    worst = [
        (float(missing[first:last].sum()), int(first + missing[first:last].argmax()), int(last - first))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]
    return tuple(
        Mark(
            at=start + at * SYNC,
            value=float(needed[at]),
            text=f"{start + at * SYNC:%H:%M}: {ready[at]:.0f} ready of {needed[at]:.0f} needed, "
            f"short for {duration_text(steps * SYNC)}",
        )
        for _, at, steps in sorted(worst, reverse=True)[:_MOST_MARKS]
    )


def worst_day(outcome: ScalingOutcome) -> tuple[datetime, datetime]:
    """Return the 24 hours in which most replicas were missing; the last 24 if none ever were."""
    day = timedelta(days=1) // SYNC
    n = len(outcome.demand)
    if n <= day:
        return outcome.start, outcome.end
    missing = np.where(np.isnan(outcome.demand), 0.0, np.maximum(outcome.needed - outcome.track.ready, 0))
    until = np.concatenate([[0.0], np.cumsum(missing)])
    within = until[day:] - until[:-day]
    best = np.flatnonzero(within == within.max())
    # Many windows hold the same moments: the middle one shows what came before and after.
    first = int(best[len(best) // 2]) if within.max() > 0 else n - day
    return outcome.start + first * SYNC, outcome.start + (first + day) * SYNC


def _figures(compared: Comparison) -> tuple[KeyFigure, ...]:
    best = compared.ours or compared.plain
    if best is None:
        return ()
    others = [f"{name} {compared.percent(name)}" for name in PLAIN if name in compared.means and name != best]
    figures = [
        KeyFigure(
            name=f"Unmet with {best}",
            value=100 * compared.unmet[best],
            unit="%",
            note=f"{', '.join(others)}, at {number(compared.cost)} × the oracle's cost",
        )
    ]
    for other in PLAIN:
        if best != other and other in compared.means and len(compared.workloads) > 1:
            wins, known = compared.wins(best, other)
            figures.append(
                KeyFigure(name="Workloads better off", value=wins, unit=f"of {known}", note=f"than with the {other}")
            )
    plain = compared.plain
    if plain is not None and plain != best:
        curve = compared.curves[best]
        same = cost_at(curve, compared.unmet[plain])
        if math.isfinite(same):
            figures.append(
                KeyFigure(
                    name=f"Replica-hours {'under' if same <= compared.cost else 'over'} the {plain}",
                    value=100 * abs(1 - same / compared.cost),
                    unit="%",
                    note="at least; its cheapest setting leaves less"
                    if same == curve[0].cost
                    else "at equal unmet demand",
                )
            )
    return tuple(figures)


def _overview(compared: Comparison) -> Section:
    chart = PlaneChart(
        title="What is missed, against what it costs",
        x=Axis(label="Replica-hours", unit="times the oracle's", log=True),
        y=Axis(label="Unmet demand", unit="%", log=True),
        curves=tuple(
            Curve(
                name=name,
                x=np.array([point.cost for point in curve]),
                y=np.array([100 * point.unmet for point in curve]),
                tone=_tone(compared, name),
                labels=tuple(point.setting for point in curve),
            )
            for name, curve in compared.curves.items()
        ),
        guides=COSTS,
        caption="Lower and further left is better. Each point is one setting that no other setting of the same scaler "
        f"beats on both axes, {compared.where}. Dotted: the costs of the table below.",
    )
    columns = [Column(name="scaler", title="Scaler")]
    columns += [
        Column(name=f"unmet_percent_at_{_word(number(at))}", title=f"Unmet at {number(at)} ×", unit="%", decimals=3)
        for at in COSTS
    ]
    rows: list[tuple[Cell, ...]] = []
    columns.append(Column(name="forecast_seconds", title="Forecasting", unit="seconds a workload"))
    rows += [
        (name, *(100 * unmet_at(curve, at) for at in COSTS), compared.means[name].forecast_seconds or None)
        for name, curve in compared.curves.items()
    ]
    return Section(
        title="All workloads together",
        charts=(chart,),
        tables=(Table(name="Unmet demand at equal cost", columns=tuple(columns), rows=tuple(rows)),),
    )


def _each_workload(compared: Comparison) -> Section:
    first = next(iter(compared.means))
    order = sorted(range(len(compared.workloads)), key=lambda row: -np.nan_to_num(compared.apiece[first][row]))
    names = tuple(compared.workloads[row] for row in order)
    values = {name: [100 * each[row] for row in order] for name, each in compared.apiece.items()}
    at = f"at {number(compared.cost)} times the oracle's replica-hours"
    chart = DotChart(
        title=f"Unmet demand {at}, workload by workload",
        axis=Axis(label="Unmet demand", unit="%", log=True),
        rows=names,
        dots=tuple(
            Dots(name=name, values=np.array(each)[:, None], tone=_tone(compared, name)) for name, each in values.items()
        ),
        caption="Further left is better. A scaler without a dot has no setting that is as cheap as that.",
    )
    columns = (
        Column(name="series_id", title="Workload"),
        *(Column(name=f"unmet_percent_{_word(name)}", title=name, unit="%", decimals=3) for name in values),
    )
    rows: list[tuple[Cell, ...]] = []
    rows += [(name, *(each[row] for each in values.values())) for row, name in enumerate(names)]
    table = Table(name=f"Unmet demand {at}", columns=columns, rows=tuple(rows))
    return Section(title="Each workload", charts=(chart,), tables=(table,))


def _settings(compared: Comparison) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for name, sweep in compared.means.items():
        on_curve = {point.setting for point in compared.curves[name]}
        rows += [
            (name, setting, cost, 100 * unmet, setting in on_curve)
            for setting, cost, unmet in zip(sweep.settings, sweep.cost.tolist(), sweep.unmet.tolist(), strict=True)
        ]
    columns = (
        Column(name="scaler", title="Scaler"),
        Column(name="setting", title="Setting"),
        Column(name="cost_ratio", title="Replica-hours", unit="times the oracle's", decimals=2),
        Column(name="unmet_percent", title="Unmet demand", unit="%", decimals=3),
        Column(name="on_curve", title="On the curve"),
    )
    return Section(
        title="Every setting",
        text=f"All points that were measured, {compared.where}.",
        tables=(Table(name="Settings", columns=columns, rows=tuple(rows)),),
    )


def _example(outcome: ScalingOutcome) -> Section:
    begin, end = worst_day(outcome)
    changes = [
        turn for turn in outcome.turns if begin <= turn.at < end and turn.decision.desired != turn.decision.current
    ]
    decisions = Table(
        name=f"Decisions for {outcome.name}",
        columns=(
            Column(name="at", title="At", unit="UTC"),
            Column(name="current", title="From"),
            Column(name="desired", title="To"),
            Column(name="reason", title="Reason"),
            Column(name="message", title="In words"),
        ),
        rows=tuple(
            (turn.at, turn.decision.current, turn.decision.desired, str(turn.decision.reason), turn.decision.message)
            for turn in changes[:_MOST_DECISIONS]
        ),
        text=f"The first {_MOST_DECISIONS} of {len(changes)} changes." if len(changes) > _MOST_DECISIONS else "",
    )
    return Section(
        title=f"The worst day of {outcome.name} with {outcome.scaler}",
        text=f"Over the whole of {outcome.start:%Y-%m-%d} to {outcome.end:%Y-%m-%d} it left "
        f"{number(100 * outcome.unmet_ratio, digits=2)} % of demand unmet at {number(outcome.cost_ratio)} times the "
        f"oracle's replica-hours: {number(outcome.replica_hours)} against {number(outcome.oracle_hours)}, with "
        f"{outcome.scale_events:,} changes and {number(outcome.short_minutes)} minutes below demand.",
        charts=(replica_chart(outcome, begin, end),),
        tables=(decisions,) if changes else (),
    )


def _tone(compared: Comparison, scaler: str) -> Tone:
    ours = [name for name in compared.means if name not in PLAIN]
    return _TONES.get(scaler) or _OUR_TONES[ours.index(scaler) % len(_OUR_TONES)]


def _word(text: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in text.lower())
