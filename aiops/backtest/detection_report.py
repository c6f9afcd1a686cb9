"""What detection would have told people, as a report: how often, of what, how soon, with pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from aiops.alerting.alert import Alert, Severity, Status
from aiops.alerting.rules import AlertRule
from aiops.backtest.axes import number
from aiops.backtest.charts import Axis, Line, Mark, Span, TimeChart, Tone
from aiops.backtest.report import Column, KeyFigure, Report, Section, Table
from aiops.series import Series, SeriesKey
from aiops.series.duration import duration_text

_PICTURES: Final = 8
_DAY: Final = timedelta(days=1)

PROTOCOL: Final = (
    "The code that serves: history teaches, then each step is scored when it was known, before it teaches in turn; "
    "rules, incidents and budgets are those of the service. Nothing later is used, and no label is read.",
    "An incident is told ten seconds after the step in which its alert began, as in the service. Its onset is the "
    "first odd point, so the delay is what the rule waits for.",
    "Whether an incident was real only you can say: compare the pictures with what you remember of those days.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An incident that people would have been told of.

    Attributes:
        at: When they would have been.
        first: What they would have been told then.
        alert: What they were last told.
    """

    at: datetime
    first: Alert
    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one series would have given by itself, before incidents and budgets.

    Attributes:
        key: The series.
        weeks: How much of it was scored.
        pages: Alerts that were pages.
        tickets: Those that were tickets.
    """

    key: SeriesKey
    weeks: float
    pages: int
    tickets: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detected:
    """What a backtest of detection found.

    Attributes:
        series: What was scored, history included.
        told: Incidents, in the order in which they would have been told.
        tallies: One a series, sorted.
        withheld: Incidents that the budget would have kept back.
        over: Incidents that were over before anybody was told.
        start: Where scoring began.
        end: Where it ended.
    """

    series: tuple[Series, ...]
    told: tuple[Told, ...]
    tallies: tuple[Tally, ...]
    withheld: int
    over: int
    start: datetime
    end: datetime

    def rows(self) -> list[dict[str, str | int | float]]:
        """Return one row a service, monitor or metric: how often people would have been told of it."""
        weeks = max((each.weeks for each in self.tallies), default=1.0)
        by_scope: dict[str, list[Told]] = defaultdict(list)
        for each in self.told:
            by_scope[_scope(each.alert)].append(each)
        ordered = sorted(by_scope.items(), key=lambda item: (-len(item[1]), item[0]))
        return [
            {
                "concerns": scope,
                "incidents": len(found),
                "pages_per_week": round(_count(found, Severity.PAGE) / weeks, 2),
                "tickets_per_week": round(_count(found, Severity.TICKET) / weeks, 2),
                "first_told": found[0].at.isoformat(timespec="minutes"),
                "median_delay_minutes": round(float(np.median([_delay_minutes(each) for each in found])), 1),
            }
            for scope, found in ordered
        ]


def detection_report(
    found: Detected,
    rule: AlertRule,
    *,
    command: str,
    made_at: datetime,
    skipped: Sequence[tuple[str, str]] = (),
) -> Report:
    """Put what would have been told on one page.

    Args:
        found: What the backtest found.
        rule: The rule that was tried.
        command: What makes this report again.
        made_at: Now, UTC.
        skipped: (series id, reason) of what was left out.
    """
    weeks = max((each.weeks for each in found.tallies), default=1.0)
    pages, tickets = _count(found.told, Severity.PAGE), _count(found.told, Severity.TICKET)
    days = weeks * 7
    series = f"{len(found.series)} series" if len(found.series) > 1 else "one series"
    per_week = pages / weeks
    verdict = (
        f"In {number(days)} days of {series} people would have been paged {pages} time{'' if pages == 1 else 's'} "
        f"({number(per_week, digits=2)} a week) and had {tickets} ticket{'' if tickets == 1 else 's'}."
    )
    if found.withheld:
        verdict += (
            f"\n\nThe budget of {rule.alerts_a_week:g} a week and service would have kept back {found.withheld} more."
        )
    return Report(
        kind="detection",
        title=f"Detection backtest: {series}, {number(days)} days",
        verdict=verdict,
        command=command,
        made_at=made_at,
        figures=(
            KeyFigure(name="Pages", value=per_week, unit="a week", note=f"{pages} in all"),
            KeyFigure(name="Tickets", value=tickets / weeks, unit="a week", note=f"{tickets} in all"),
            KeyFigure(name="Withheld", value=found.withheld, note="by the budget"),
            KeyFigure(
                name="Median delay",
                value=float(np.median([_delay_minutes(each) for each in found.told])) if found.told else float("nan"),
                unit="min",
                note="from the first odd point to the alert",
            ),
        ),
        sections=(_when(found), _incidents(found), _by_series(found)),
        notes=(*PROTOCOL, f"{found.over} incidents were over before anybody was told, and are not counted."),
        skipped=tuple(skipped),
    )


def _when(found: Detected) -> Section:
    start = found.start.replace(hour=0, minute=0, second=0, microsecond=0)
    days = max(-(-(found.end - start) // _DAY), 1)
    counts = {severity: np.zeros(days) for severity in Severity}
    for each in found.told:
        counts[each.alert.severity][min((each.at - start) // _DAY, days - 1)] += 1
    chart = TimeChart(
        title="Incidents told, a day",
        axis=Axis(label="incidents", unit="a day"),
        start=start,
        step=_DAY,
        lines=(
            Line(name="pages", values=counts[Severity.PAGE], tone=Tone.RED, steps=True),
            Line(name="tickets", values=counts[Severity.TICKET], tone=Tone.BLUE, steps=True),
        ),
    )
    names = ("concerns", "incidents", "pages_per_week", "tickets_per_week", "first_told", "median_delay_minutes")
    titles = ("Concerns", "Incidents", "Pages", "Tickets", "First told", "Delay")
    units = ("", "", "a week", "a week", "UTC", "min, median")
    table = Table(
        name="Services",
        columns=tuple(
            Column(name=name, title=title, unit=unit) for name, title, unit in zip(names, titles, units, strict=True)
        ),
        rows=tuple(tuple(row[name] for name in names) for row in found.rows()),
        text="What people would have been told of, by service, monitor or metric.",
    )
    return Section(title="How often", charts=(chart,), tables=(table,))


def _incidents(found: Detected) -> Section:
    table = Table(
        name="Incidents",
        columns=(
            Column(name="told_at", title="Told at", unit="UTC"),
            Column(name="severity", title="Severity"),
            Column(name="series", title="Series"),
            Column(name="delay_minutes", title="Delay", unit="min", decimals=0),
            Column(name="lasted", title="Lasted"),
            Column(name="summary", title="What was said"),
        ),
        rows=tuple(
            (
                each.at,
                each.alert.severity.value,
                int(each.alert.annotations["series_count"]),
                _delay_minutes(each),
                _lasted(each, found.end),
                each.first.annotations["summary"],
            )
            for each in found.told
        ),
        text="First told, last state; series are counted over all of an incident.",
    )
    by_key = {each.key.series_id: each for each in found.series}
    oddest = sorted(found.told, key=lambda each: (each.alert.severity is Severity.TICKET, -each.alert.score, each.at))
    charts = [_picture(each, by_key, found.end) for each in oddest[:_PICTURES]]
    return Section(
        title="What was told",
        text="The oddest ones as pictures: the series that was named, shaded from the first odd point to the end; the "
        "point is where people would have been told.",
        charts=tuple(chart for chart in charts if chart is not None),
        tables=(table,),
    )


def _picture(told: Told, by_key: dict[str, Series], end: datetime) -> TimeChart | None:
    series = by_key.get(told.first.annotations.get("series", ""))
    if series is None:
        return None
    ended = told.alert.ends_at or end
    around = max(2 * (ended - told.alert.starts_at), 60 * series.step)
    start, stop = max(told.alert.starts_at - around, series.start), min(ended + around, series.end)
    part = series.between(start, stop)
    index = min(max((told.at - part.start) // part.step - 1, 0), len(part) - 1)
    value = float(part.values[index])
    mark = Mark(at=part.start + index * part.step, value=value, text=f"told: {told.first.annotations['summary']}")
    return TimeChart(
        title=f"{series.key.series_id}, {told.alert.starts_at:%Y-%m-%d %H:%M}",
        axis=Axis(label="value", unit=series.unit),
        start=part.start,
        step=part.step,
        lines=(Line(name="observed", values=part.values, tone=Tone.BLUE),),
        marks=() if np.isnan(value) else (mark,),
        spans=(Span(start=told.alert.starts_at, end=ended, text=told.alert.annotations.get("kind", "")),),
        caption=told.first.annotations.get("why", ""),
    )


def _by_series(found: Detected) -> Section:
    rows = sorted(found.tallies, key=lambda each: (-(each.pages + each.tickets) / each.weeks, each.key))
    table = Table(
        name="Series",
        columns=(
            Column(name="series", title="Series"),
            Column(name="weeks", title="Scored", unit="weeks", decimals=1),
            Column(name="pages_per_week", title="Pages", unit="a week", decimals=2),
            Column(name="tickets_per_week", title="Tickets", unit="a week", decimals=2),
        ),
        rows=tuple(
            (each.key.series_id, each.weeks, each.pages / each.weeks, each.tickets / each.weeks) for each in rows
        ),
        text="Each series by itself, before incidents and budgets: where a query or a rule wants another look.",
    )
    return Section(title="By series", tables=(table,))


def _scope(alert: Alert) -> str:
    return ", ".join(f"{label}={value}" for label, value in sorted(alert.scope.items())) or alert.labels["alertname"]


def _count(told: Sequence[Told], severity: Severity) -> int:
    return sum(each.alert.severity is severity for each in told)


def _delay_minutes(told: Told) -> float:
    return (told.at - told.alert.starts_at) / timedelta(minutes=1)


def _lasted(told: Told, end: datetime) -> str:
    if told.alert.status is Status.FIRING or told.alert.ends_at is None:
        return f"{duration_text(end - told.alert.starts_at)}, goes on"
    return duration_text(told.alert.ends_at - told.alert.starts_at)
