"""The outlook of a fleet as a page: who runs out first, and pictures of the most urgent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from aiops.backtest.axes import number
from aiops.backtest.charts import Axis, Band, Line, TimeChart, Tone
from aiops.backtest.report import Column, KeyFigure, Report, Section, Table
from aiops.usecases.peaks import CHANCES, LEVELS, Ask, Outlook

DAY = timedelta(days=1)
MOST_PICTURES = 12


def peaks_report(
    found: Sequence[Outlook], ask: Ask, skipped: Sequence[tuple[str, str]], command: str, made_at: datetime
) -> Report:
    """Put outlooks, the most urgent first, into a report."""
    limited = [each for each in found if each.limit is not None]
    by_chance = [sum(each.reached[place] is not None for each in limited) for place in range(len(CHANCES))]
    return Report(
        kind="peaks",
        title=f"Daily peaks of the next {ask.horizon.days} days",
        verdict=_verdict(found, limited, ask),
        command=command,
        made_at=made_at,
        figures=tuple(
            KeyFigure(
                name=f"Limit reached, {100 * chance:g} % or surer",
                value=count,
                unit="series",
                note=f"of {len(limited)} with a limit",
            )
            for chance, count in zip(CHANCES, by_chance, strict=True)
        ),
        sections=(
            Section(
                title="Each series",
                text="The most urgent first. A date is the day by which the limit is reached with that chance; none "
                "means not within the horizon.",
                tables=(_table(found),),
            ),
            Section(
                title="The most urgent",
                text=f"The first {min(len(found), MOST_PICTURES)} of {len(found)}: the highest value of each day, as "
                "seen and as forecast.",
                charts=tuple(map(chart, found[:MOST_PICTURES])),
            ),
        ),
        notes=(
            f"Series finer than {ask.step} were aggregated to the highest value of each step; at most "
            f"{ask.history.days} days of each were learnt from. Days are of {ask.calendar.timezone}; the first is what "
            "is left of the day of the last value.",
            "A forecast knows the past of its series only: no launch, holiday or migration that is not in it.",
        ),
        skipped=tuple(skipped),
    )


def chart(outlook: Outlook) -> TimeChart:
    """Plot the daily peaks of one series: seen, forecast, and its limit."""
    ahead = (outlook.days[0] - outlook.first_seen) // DAY
    length = ahead + len(outlook.days)
    seen = np.full(length, np.nan)
    count = min(len(outlook.seen), ahead)  # the day that is not over yet would look like a fall
    seen[:count] = outlook.seen[:count]
    low, middle, high = (np.full(length, np.nan) for _ in range(3))
    for line, level in ((low, 0.1), (middle, 0.5), (high, 0.9)):
        line[ahead:] = outlook.peaks[LEVELS.index(level)]
    lines = [Line(name="Seen", values=seen, tone=Tone.GREY), Line(name="Forecast", values=middle, tone=Tone.BLUE)]
    if outlook.limit is not None:
        lines.append(Line(name="Limit", values=np.full(length, outlook.limit), tone=Tone.RED, dashed=True))
    return TimeChart(
        title=outlook.key.series_id,
        axis=Axis(label="Highest value of the day", unit=outlook.unit),
        start=outlook.first_seen,
        step=DAY,
        lines=tuple(lines),
        bands=(Band(name="8 of 10 peaks", lower=low, upper=high, tone=Tone.BLUE),),
        caption=_dates(outlook),
    )


def _dates(outlook: Outlook) -> str:
    if outlook.limit is None:
        return "It has no limit."
    if outlook.reached[0] is None:
        return f"It reaches {number(outlook.limit)} within the horizon with a chance below {100 * CHANCES[0]:g} %."
    by = [
        f"{100 * chance:g} % by {at:%a %Y-%m-%d}" if at else f"below {100 * chance:g} % within the horizon"
        for chance, at in zip(CHANCES, outlook.reached, strict=True)
    ]
    return f"Chance of having reached {number(outlook.limit)}: {', '.join(dict.fromkeys(by))}."


def _verdict(found: Sequence[Outlook], limited: Sequence[Outlook], ask: Ask) -> str:
    if not limited:
        return f"None of {len(found)} series has a limit; what is told is how high their days go."
    likely = [each for each in limited if each.reached[1] is not None]
    possible = [each for each in limited if each.reached[0] is not None]
    if not possible:
        return f"None of {len(limited)} series with a limit reaches it in {ask.horizon.days} days, at 9 to 1."
    first = possible[0]
    return (
        f"In {ask.horizon.days} days {len(likely)} of {len(limited)} series with a limit rather reach it than not, and "
        f"{len(possible) - len(likely)} more might; the first is {first.key.series_id}, perhaps by "
        f"{first.reached[0]:%Y-%m-%d}."
    )


def _table(found: Sequence[Outlook]) -> Table:
    columns = (
        Column(name="series_id", title="Series"),
        Column(name="unit", title="Unit"),
        Column(name="seen", title="Seen"),
        Column(name="peak_50", title="Peak, 50 %"),
        Column(name="peak_90", title="Peak, 90 %"),
        Column(name="limit", title="Limit"),
        Column(name="taken_percent", title="Taken at 90 %", unit="%", decimals=0),
        *(Column(name=f"reached_{100 * chance:g}", title=f"Reached, {100 * chance:g} %") for chance in CHANCES),
    )
    rows = tuple(
        (
            each.key.series_id,
            each.unit,
            each.highest_seen,
            float(each.highest[1]),
            float(each.highest[2]),
            each.limit,
            None if each.taken is None else 100 * each.taken,
            *(None if at is None else f"{at:%Y-%m-%d}" for at in each.reached),
        )
        for each in found
    )
    return Table(name="Outlook", columns=columns, rows=rows)
