"""The parts of a scaling report about money and change: the bill, what if, and the ledger day by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from aiops.backtest.axes import number
from aiops.backtest.charts import Axis, DotChart, Dots, Line, TimeChart, Tone
from aiops.backtest.comparison import Comparison
from aiops.backtest.prices import bill_of, bills
from aiops.backtest.profile import Profile
from aiops.backtest.report import Cell, Column, Section, Table
from aiops.backtest.scaling_curves import tone
from aiops.backtest.study import Sweep
from aiops.backtest.whatif import Fared
from aiops.forecasting.fleet.exhaustion import INTERVAL, WINDOWS, Exhaustion, surest
from aiops.scaling.policy import Prices
from aiops.series import from_epoch
from aiops.series.grid import epoch_seconds

ORACLE = "oracle"

Worlds = Mapping[str, Mapping[str, Mapping[str, Fared]]]
"""How each scaler fared on each workload: by world, scaler, workload."""

_DAY_SECONDS = 86_400
_LONGEST_PICTURE = 100


def bill(sweeps: Mapping[str, Sequence[Sweep]], profiles: Mapping[str, Profile], prices: Prices) -> Table:
    """Return what each scaler would have cost at the setting that is cheapest at these prices."""
    rows: list[tuple[Cell, ...]] = []
    for name, same in by_scaler(sweeps).items():
        found = bills(same, prices)
        best = int(found.argmin())
        hours = sum(float(each.hours_by_day[best].sum()) for each in same)
        unmet = sum(float(each.unmet_by_day[best].sum()) for each in same)
        rows.append((name, same[0].settings[best], hours, unmet * 3600, float(found[best])))
    oracle = sum(each.oracle_hours for each in profiles.values())
    rows.append((ORACLE, "knows the future", oracle, 0.0, bill_of(prices, oracle, 0.0)))
    return Table(
        name="The bill",
        columns=(
            Column(name="scaler", title="Scaler"),
            Column(name="setting", title="Cheapest setting"),
            Column(name="replica_hours", title="Replica-hours", decimals=0),
            Column(name="unmet_requests", title="Unmet requests", decimals=0),
            Column(name="money", title="Bill", unit="in your currency", decimals=2),
        ),
        rows=tuple(rows),
        text=f"All workloads over the scored time, at {prices.replica_hour:g} a replica-hour and "
        f"{prices.unmet_request:g} an unmet request, each scaler at the setting whose bill is lowest.",
    )


def what_if_section(
    compared: Comparison, worlds: Worlds, settings: Mapping[str, str], prices: Prices | None
) -> Section:
    """Return how each scaler fares in each world, its setting unchanged."""
    names, scalers = tuple(worlds), tuple(next(iter(worlds.values())))
    sums = {(world, scaler): total(worlds[world][scaler].values()) for world in names for scaler in scalers}
    base = {scaler: sums[names[0], scaler] for scaler in scalers}
    rows: list[tuple[Cell, ...]] = []
    for world in names:
        for scaler in scalers:
            found = sums[world, scaler]
            row: list[Cell] = [world, scaler, 100 * found.unmet_ratio]
            row += [100 * found.worst_hour, found.replica_hours, found.replica_hours / base[scaler].replica_hours]
            row.append(found.peak_replicas)
            if prices is not None:
                row.append(_bill(prices, found))
            rows.append(tuple(row))
        oracle = sums[world, scalers[0]].oracle_hours
        row = [world, ORACLE, 0.0, 0.0, oracle, oracle / base[scalers[0]].oracle_hours]
        row.append(sums[world, scalers[0]].peak_needed)
        rows.append((*row, *([] if prices is None else [bill_of(prices, oracle, 0.0)])))
    columns = [
        Column(name="world", title="What if"),
        Column(name="scaler", title="Scaler"),
        Column(name="unmet_percent", title="Unmet", unit="% of all demand", decimals=3),
        Column(name="worst_hour_percent", title="Worst hour", unit="% unmet, worst workload", decimals=1),
        Column(name="replica_hours", title="Replica-hours", decimals=0),
        Column(name="replica_hours_ratio", title="Against as it was", unit="times", decimals=2),
        Column(name="peak_replicas", title="Peak", unit="replicas, sum of peaks"),
    ]
    if prices is not None:
        columns.append(Column(name="money", title="Bill", unit="in your currency", decimals=2))
    charts = [
        _worlds_chart(
            compared,
            "Demand left unmet in each world",
            Axis(label="Unmet demand", unit="% of all demand", log=True),
            names,
            {scaler: [100 * sums[world, scaler].unmet_ratio for world in names] for scaler in scalers},
        )
    ]
    if prices is not None:
        charts.append(
            _worlds_chart(
                compared,
                "The bill in each world",
                Axis(label="Bill", unit="in your currency"),
                names,
                {
                    scaler: [
                        bill_of(prices, sums[world, scaler].replica_hours, sums[world, scaler].unmet) for world in names
                    ]
                    for scaler in scalers
                },
            )
        )
    said = "; ".join(f"{name}: {settings[name]}" for name in scalers)
    return Section(
        title="What if",
        text="The same history, changed, with every scaler left at the setting that was best for it before: the "
        + ("lowest bill" if prices is not None else f"least unmet at {number(compared.cost)} times the oracle's cost")
        + f" ({said}). A launch and a lost zone come unannounced, at the busiest hour of each workload.",
        charts=tuple(charts),
        tables=(Table(name="What if", columns=tuple(columns), rows=tuple(rows)),),
    )


def early_warning(found: Mapping[str, Exhaustion], profiles: Mapping[str, Profile]) -> Section:
    """Return how likely each workload needs more replicas than it can have soon, and when."""
    names = list(found)
    order = [names[row] for row in surest(list(found.values()))]
    columns = (
        Column(name="series_id", title="Workload"),
        Column(name="peak_replicas", title="Peak", unit="replicas needed, scored time"),
        Column(name="limit", title="Limit", unit="of the demand", decimals=1),
        *(
            Column(name=f"chance_percent_{window.days}d", title=f"Within {window.days} days", unit="chance in %")
            for window in WINDOWS
        ),
        *(
            Column(name=f"date_{100 * chance:g}", title=f"Reached, {100 * chance:g} % sure", unit="UTC")
            for chance in INTERVAL
        ),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            profiles[name].peak_replicas,
            found[name].limit,
            *(round(100 * chance) for chance in found[name].chances),
            *(None if at is None else f"{at:%Y-%m-%d}" for at in found[name].dates),
        )
        for name in order
    ]
    first = order[0]
    worst = f"The likeliest is {first}: {100 * found[first].chances[0]:.0f} % within {WINDOWS[0].days} days"
    return Section(
        title="Early warning: when more is needed than there can be",
        text="How likely demand needs more replicas than the least maxReplicas of the policies, or than quota and "
        f"nodes have room for where that is said, after the end of each history. {worst}, "
        f"{100 * found[first].chances[-1]:.0f} % within {WINDOWS[-1].days}. A dash is not within "
        f"{WINDOWS[-1].days} days; workloads with less than two weeks of history are not here.",
        tables=(Table(name="Early warning", columns=columns, rows=tuple(rows)),),
    )


def days(
    compared: Comparison,
    sweeps: Mapping[str, Sequence[Sweep]],
    profiles: Mapping[str, Profile],
    chosen: Mapping[str, int],
) -> Section:
    """Return the ledger: for each workload and day what each scaler would have left unmet, and what it would cost."""
    scalers = list(compared.means)
    rows: list[tuple[Cell, ...]] = []
    totals: dict[int, list[float]] = {}
    for workload, found in sweeps.items():
        by_name = {sweep.scaler: sweep for sweep in found}
        for index, entry in enumerate(profiles[workload].oracle):
            cells = [entry.demand, entry.replica_hours]
            for name in scalers:
                cells.append(float(by_name[name].unmet_by_day[chosen[name], index]))
                cells.append(float(by_name[name].hours_by_day[chosen[name], index]))
            rows.append((f"{entry.day:%Y-%m-%d}", workload, *cells))
            day = int(epoch_seconds(entry.day)) // _DAY_SECONDS
            totals[day] = [a + b for a, b in zip(totals.get(day, [0.0] * len(cells)), cells, strict=True)]
    columns = [
        Column(name="day", title="Day", unit="UTC"),
        Column(name="series_id", title="Workload"),
        Column(name="demand", title="Demand", unit="times hours"),
        Column(name="oracle_replica_hours", title="oracle", unit="replica-hours", decimals=1),
    ]
    for name in scalers:
        word = "".join(character if character.isalnum() else "_" for character in name.lower())
        columns.append(Column(name=f"{word}_unmet", title=f"{name}, unmet", unit="demand times hours"))
        columns.append(Column(name=f"{word}_replica_hours", title=name, unit="replica-hours", decimals=1))
    return Section(
        title="Day by day",
        text="The ledger: what each scaler would have done on each day, at the one setting named under each.",
        charts=_day_charts(compared, scalers, totals, chosen),
        tables=(Table(name="Ledger", columns=tuple(columns), rows=tuple(rows)),),
    )


def by_scaler(sweeps: Mapping[str, Sequence[Sweep]]) -> dict[str, list[Sweep]]:
    """Return the sweeps of each scaler, one a workload."""
    first = next(iter(sweeps.values()))
    return {each.scaler: [same[index] for same in sweeps.values()] for index, each in enumerate(first)}


def total(parts: Iterable[Fared]) -> Fared:
    """Return the sums over workloads; the worst hour of all, and the sum of the peaks."""
    each = list(parts)
    return Fared(
        demand=sum(one.demand for one in each),
        unmet=sum(one.unmet for one in each),
        worst_hour=max(one.worst_hour for one in each),
        replica_hours=sum(one.replica_hours for one in each),
        oracle_hours=sum(one.oracle_hours for one in each),
        peak_replicas=sum(one.peak_replicas for one in each),
        peak_needed=sum(one.peak_needed for one in each),
    )


def _bill(prices: Prices, found: Fared) -> float:
    return bill_of(prices, found.replica_hours, found.unmet)


def _day_charts(
    compared: Comparison, scalers: Sequence[str], totals: Mapping[int, Sequence[float]], chosen: Mapping[str, int]
) -> tuple[TimeChart, ...]:
    """Draw the sums of all workloads, where they share their days; histories of other years make no common picture."""
    first, count = min(totals), max(totals) - min(totals) + 1
    if not 2 <= count <= _LONGEST_PICTURE:
        return ()
    table = np.full((count, len(next(iter(totals.values())))), np.nan)
    for day, cells in totals.items():
        table[day - first] = cells
    start, step = from_epoch(first * _DAY_SECONDS), from_epoch(_DAY_SECONDS) - from_epoch(0)
    unmet = tuple(
        Line(
            name=f"{name} ({compared.means[name].settings[chosen[name]]})",
            values=100 * table[:, 2 + 2 * index] / np.maximum(table[:, 0], 1e-12),
            tone=tone(compared, name),
            steps=True,
        )
        for index, name in enumerate(scalers)
    )
    hours = tuple(
        Line(name=name, values=table[:, 3 + 2 * index], tone=tone(compared, name), steps=True)
        for index, name in enumerate(scalers)
    )
    oracle = Line(name=ORACLE, values=table[:, 1], tone=Tone.GREEN, steps=True, dashed=True)
    return (
        TimeChart(
            title="Unmet demand, day by day",
            axis=Axis(label="Unmet demand", unit="%"),
            start=start,
            step=step,
            lines=unmet,
        ),
        TimeChart(
            title="Replica-hours, day by day",
            axis=Axis(label="Replica-hours", unit="a day"),
            start=start,
            step=step,
            lines=(*hours, oracle),
        ),
    )


def _worlds_chart(
    compared: Comparison, title: str, axis: Axis, rows: tuple[str, ...], values: Mapping[str, Sequence[float]]
) -> DotChart:
    return DotChart(
        title=title,
        axis=axis,
        rows=rows,
        dots=tuple(
            Dots(name=name, values=np.array(each)[:, None], tone=tone(compared, name)) for name, each in values.items()
        ),
        caption="Further left is better.",
    )
