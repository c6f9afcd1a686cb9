"""The part of a scaling report about what went wrong: the worst workloads with the reason, and each gravest miss."""

from __future__ import annotations

from collections.abc import Sequence

from aiops.backtest.axes import number
from aiops.backtest.explorer import Explored
from aiops.backtest.misses import Miss, causes
from aiops.backtest.replica_chart import replica_chart, worst_day
from aiops.backtest.report import Cell, Column, Section, Table
from aiops.series.duration import duration_text

_MOST_CAUSES = 3
_LEAST_SHARE = 0.005


def worst_workloads(explored: Sequence[Explored], scaler: str, setting: str) -> Section:
    """Return the workloads of which a scaler left most unmet, and why."""
    rows: list[tuple[Cell, ...]] = []
    for each in explored:
        outcome, found = each.outcome, each.misses
        rows.append(
            (
                outcome.name,
                100 * outcome.unmet_ratio,
                outcome.cost_ratio,
                outcome.short_minutes,
                len(found),
                _why(found),
                found[0].worst if found else None,
            )
        )
    columns = (
        Column(name="series_id", title="Workload"),
        Column(name="unmet_percent", title="Unmet", unit="%", decimals=3),
        Column(name="cost_ratio", title="Cost", unit="times the oracle's", decimals=2),
        Column(name="short_minutes", title="Below demand", unit="minutes", decimals=0),
        Column(name="misses", title="Misses"),
        Column(name="why", title="Why", unit="share of what was missing"),
        Column(name="gravest_at", title="The gravest", unit="UTC"),
    )
    return Section(
        title="The worst workloads, and why",
        text=f"With {scaler} at its setting {setting}. A miss is a stretch in which fewer replicas were ready than "
        "demand needed; its reason is the last decision that could still have had replicas ready in time.",
        tables=(Table(name="Worst workloads", columns=columns, rows=tuple(rows)),),
    )


def close_up(each: Explored) -> Section:
    """Return the worst day of one workload, and a walk through each of its gravest misses."""
    outcome = each.outcome
    begin, end = worst_day(outcome)
    rows = tuple(_row(miss) for miss in each.misses)
    columns = (
        Column(name="worst_at", title="When", unit="UTC"),
        Column(name="short_seconds", title="Short for", unit="s"),
        Column(name="needed", title="Needed"),
        Column(name="ready", title="Ready"),
        Column(name="missing_replica_minutes", title="Missing", unit="replica-minutes", decimals=1),
        Column(name="cause", title="Cause"),
        Column(name="reason", title="In words"),
    )
    return Section(
        title=f"{outcome.name}: its worst day, and each grave miss",
        text=f"From {outcome.start:%Y-%m-%d} to {outcome.end:%Y-%m-%d}, {outcome.scaler} left "
        f"{number(100 * outcome.unmet_ratio, digits=2)} % of demand unmet at {number(outcome.cost_ratio)} times the "
        f"oracle's replica-hours: {number(outcome.replica_hours)} against {number(outcome.oracle_hours)}, with "
        f"{outcome.scale_events:,} changes and {number(outcome.short_minutes)} minutes below demand."
        + (" Open a miss, and move along its time." if each.walks else ""),
        charts=(replica_chart(outcome, begin, end),),
        walks=each.walks,
        tables=(Table(name=f"Misses of {outcome.name}", columns=columns, rows=rows),) if rows else (),
    )


def _row(miss: Miss) -> tuple[Cell, ...]:
    seconds = round((miss.end - miss.begin).total_seconds())
    return miss.worst, seconds, miss.needed, miss.ready, miss.replica_minutes, str(miss.cause), miss.text


def _why(found: Sequence[Miss]) -> str:
    shares = [item for item in causes(found).items() if item[1] >= _LEAST_SHARE][:_MOST_CAUSES]
    longest = max((miss.end - miss.begin for miss in found), default=None)
    said = ", ".join(f"{cause} {100 * share:.0f} %" for cause, share in shares) or "nothing was missing"
    return said if longest is None else f"{said}; longest {duration_text(longest)}"
