"""The parts of a scaling report that are drawn from sweeps: curves, kinds of workloads, each workload, each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aiops.backtest.axes import number
from aiops.backtest.charts import Axis, Curve, DotChart, Dots, PlaneChart, Tone
from aiops.backtest.comparison import PLAIN, Comparison, compare
from aiops.backtest.outcome import cost_at, unmet_at
from aiops.backtest.profile import BURSTY, Profile
from aiops.backtest.report import Cell, Column, Section, Table
from aiops.backtest.study import DEFAULT_HPA, TUNED_HPA, Sweep

COSTS = (1.3, 1.5, 2.0)
"""Replica-hours, in those of the oracle, at which scalers are compared in a table."""

MOST_ROWS = 30
"""Workloads that one picture shows; its table holds them all."""

_TONES = {DEFAULT_HPA: Tone.GREY, TUNED_HPA: Tone.ORANGE}
_OUR_TONES = (Tone.BLUE, Tone.PURPLE, Tone.SKY, Tone.OLIVE)


def overview(compared: Comparison, tables: Sequence[Table] = ()) -> Section:
    """Return all workloads together: what each scaler leaves unmet at what cost; other tables may follow."""
    chart = plane(
        compared,
        "What is missed, against what it costs",
        "Lower and further left is better; the oracle knows the future, leaves nothing unmet and costs 1. Each point "
        f"is one setting that no other setting of the same scaler beats on both axes, {compared.where}. Dotted: the "
        "costs of the table below.",
    )
    columns = [Column(name="scaler", title="Scaler"), *_cost_columns()]
    columns.append(Column(name="forecast_seconds", title="Forecasting", unit="seconds a workload"))
    rows: list[tuple[Cell, ...]] = [
        (name, *(100 * unmet_at(curve, at) for at in COSTS), compared.means[name].forecast_seconds or None)
        for name, curve in compared.curves.items()
    ]
    at_cost = Table(name="Unmet demand at equal cost", columns=tuple(columns), rows=tuple(rows))
    return Section(title="All workloads together", charts=(chart,), tables=(at_cost, *tables))


def kinds(sweeps: Mapping[str, Sequence[Sweep]], profiles: Mapping[str, Profile], cost: float) -> Section:
    """Return smooth and bursty workloads apart: a forecast is worth something else on each."""
    charts, rows = [], []
    for kind, bursty in (("Smooth", False), ("Bursty", True)):
        part = {name: each for name, each in sweeps.items() if profiles[name].bursty is bursty}
        if not part:
            continue
        compared = compare(part, cost)
        where = f"{compared.where[:1].upper()}{compared.where[1:]}."
        charts.append(plane(compared, f"{kind}: {len(part)} of {len(sweeps)} workloads", where))
        default = compared.unmet[DEFAULT_HPA]
        for name, curve in compared.curves.items():
            cells: list[Cell] = [kind.lower(), len(part), name]
            cells += [100 * unmet_at(curve, at) for at in COSTS]
            cells.append(cost_at(curve, default))
            rows.append(tuple(cells))
    columns = (
        Column(name="kind", title="Kind"),
        Column(name="workloads", title="Workloads"),
        Column(name="scaler", title="Scaler"),
        *_cost_columns(),
        Column(
            name="cost_ratio_as_default",
            title="Cost of doing as well",
            unit=f"as the default HPA at {number(cost)} ×",
            decimals=2,
        ),
    )
    return Section(
        title="Smooth and bursty workloads",
        text=f"Bursty: at one minute in a hundred, demand grows {number(BURSTY)} times or more before a replica that "
        "is started then could serve. Nobody can see all of that coming, so what is bought there is headroom; on "
        "smooth workloads a forecast saves replicas.",
        charts=tuple(charts),
        tables=(Table(name="Smooth and bursty apart", columns=columns, rows=tuple(rows)),),
    )


def each_workload(compared: Comparison, profiles: Mapping[str, Profile]) -> Section:
    """Return every workload by itself, those first on which the default HPA leaves most."""
    first = next(iter(compared.means))
    order = sorted(range(len(compared.workloads)), key=lambda row: -np.nan_to_num(compared.apiece[first][row]))
    names = tuple(compared.workloads[row] for row in order)
    values = {name: [100 * each[row] for row in order] for name, each in compared.apiece.items()}
    at = f"at {number(compared.cost)} times the oracle's replica-hours"
    left_off = f" The {MOST_ROWS} of {len(names)} that the default HPA serves worst." if len(names) > MOST_ROWS else ""
    chart = DotChart(
        title=f"Unmet demand {at}, workload by workload",
        axis=Axis(label="Unmet demand", unit="%", log=True),
        rows=names[:MOST_ROWS],
        dots=tuple(
            Dots(name=name, values=np.array(each[:MOST_ROWS])[:, None], tone=tone(compared, name))
            for name, each in values.items()
        ),
        caption="Further left is better. A scaler without a dot has no setting that is as cheap as that." + left_off,
    )
    columns = [
        Column(name="series_id", title="Workload"),
        *(Column(name=f"unmet_percent_{_word(name)}", title=name, unit="%", decimals=3) for name in values),
    ]
    rows: list[tuple[Cell, ...]] = [(name, *(each[row] for each in values.values())) for row, name in enumerate(names)]
    if profiles:
        columns += [
            Column(name="kind", title="Kind"),
            Column(name="growth_p99", title="Grows", unit="times, at p99", decimals=2),
            Column(name="peak_replicas", title="Peak", unit="replicas needed"),
        ]
        rows = [(*row, *_kind(profiles[name])) for row, name in zip(rows, names, strict=True)]
    table = Table(name=f"Unmet demand {at}", columns=tuple(columns), rows=tuple(rows))
    return Section(title="Each workload", charts=(chart,), tables=(table,))


def every_setting(compared: Comparison) -> Section:
    """Return all points that were measured."""
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


def plane(compared: Comparison, title: str, caption: str) -> PlaneChart:
    """Plot what each scaler leaves unmet against what it costs, beside the oracle."""
    curves = [
        Curve(
            name=name,
            x=np.array([point.cost for point in curve]),
            y=np.array([100 * point.unmet for point in curve]),
            tone=tone(compared, name),
            labels=tuple(point.setting for point in curve),
        )
        for name, curve in compared.curves.items()
    ]
    oracle = Curve(name="oracle", x=np.ones(1), y=np.zeros(1), tone=Tone.GREEN)
    return PlaneChart(
        title=title,
        x=Axis(label="Replica-hours", unit="times the oracle's", log=True),
        y=Axis(label="Unmet demand", unit="%", log=True),
        curves=(*curves, oracle),
        guides=COSTS,
        caption=caption,
    )


def tone(compared: Comparison, scaler: str) -> Tone:
    """Return the colour of a scaler, the same in every chart."""
    ours = [name for name in compared.means if name not in PLAIN]
    return _TONES.get(scaler) or _OUR_TONES[ours.index(scaler) % len(_OUR_TONES)]


def _kind(profile: Profile) -> tuple[Cell, ...]:
    return "bursty" if profile.bursty else "smooth", profile.growth, profile.peak_replicas


def _cost_columns() -> list[Column]:
    return [
        Column(name=f"unmet_percent_at_{_word(number(at))}", title=f"Unmet at {number(at)} ×", unit="%", decimals=3)
        for at in COSTS
    ]


def _word(text: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in text.lower())
