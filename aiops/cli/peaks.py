"""``aiops peaks``: how high the days of the coming weeks go, and when a limit is reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops.cli.options import EndOption, FormatOption, QueryOption, SourceOption, lasting
from aiops.cli.output import (
    Format,
    Row,
    end_partially,
    messages,
    progress,
    require_apart,
    require_writable,
    write_table,
)
from aiops.cli.report_files import command, write_report, written
from aiops.cli.work import CORES, EngineOption, RayAddressOption, Reader, WorkersOption, chosen_mapper
from aiops.errors import ConfigError, DataError
from aiops.wiring import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiops.usecases.peaks import Outlook


def peaks(
    source: SourceOption,
    horizon: Annotated[
        timedelta,
        lasting("--horizon", "Days to look ahead.", "28d"),
    ] = timedelta(days=28),
    history: Annotated[
        timedelta,
        lasting("--history", "Most history to learn from.", "84d"),
    ] = timedelta(days=84),
    step: Annotated[
        timedelta,
        lasting(
            "--step",
            "Finer series are aggregated to the highest value of this; of a Prometheus, the grid that is read.",
            "1h",
        ),
    ] = timedelta(hours=1),
    limit: Annotated[
        float | None,
        typer.Option(
            "--limit", help="What a series must not pass, in its unit; a column limit of index.csv goes first."
        ),
    ] = None,
    forecaster: Annotated[
        str, typer.Option("--forecaster", help="fleet, or fleet@ZONE,COUNTRY for days and holidays of a place.")
    ] = "fleet",
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the quantiles of each day of each series to this CSV file.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write a page with pictures of the most urgent; JSON beside it.")
    ] = None,
    engine: EngineOption = Engine.LOCAL,
    ray_address: RayAddressOption = None,
    workers: WorkersOption = CORES,
    query: QueryOption = None,
    end: EndOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Example: `aiops peaks --source metrics/ --horizon 28d --limit 800 --report peaks.html`

    Forecast the highest value of each day (of UTC, or of the place, as in `--forecaster fleet@Europe/Berlin,DE`) and
    when a limit is reached. Prints one row a series, the most urgent
    first: the highest value seen; what the highest of the whole horizon stays below at 50 and 90 %; the share of the
    limit that the latter takes; the dates by which the limit is reached with a chance of 10, 50 and 90 % (`-`: not
    within the horizon). `--output` has every day: `series_id,cutoff,day,q0.1,q0.5,q0.9,q0.95,limit`. Ends with 5 if
    some series were left out.
    """
    from aiops import wiring
    from aiops.adapters.clock import SystemClock
    from aiops.forecasting.catalog import path_forecaster
    from aiops.forecasting.fleet.forecaster import Fleet
    from aiops.usecases.peaks import Ask, Outlook, outlooks

    chosen = path_forecaster(forecaster)
    if not isinstance(chosen, Fleet):
        raise ConfigError(f"--forecaster {forecaster}: peaks are told by fleet, or fleet@Europe/Berlin,DE")
    require_writable(output, *(() if report is None else written(report)))
    require_apart([source], output, *(() if report is None else written(report)))
    ask = Ask(horizon=horizon, history=history, step=step, limit=limit, calendar=chosen.calendar)
    configured = wiring.settings()
    mapper = chosen_mapper(engine, workers, ray_address, configured)
    request = wiring.Request(source=source, query=query, history=history, step=step, end=end)
    reader = Reader(wiring.read_in_parts(request, configured, SystemClock()))
    found: list[Outlook] = []
    skipped: list[tuple[str, str]] = []
    with progress("looking ahead") as advance:
        for each in outlooks(reader.parts(), ask, mapper):
            if isinstance(each, Outlook):
                found.append(each)
            else:
                skipped.append(each)
            advance(len(found), reader.total)
    skipped = reader.skipped + skipped
    if not found:
        first = f"; the first: {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        raise DataError(f"nothing can be told of what is ahead, {len(skipped)} left out{first}")
    found.sort(key=lambda each: each.urgency)
    title = f"{len(found)} series, {horizon.days} days ahead of {max(each.cutoff for each in found):%Y-%m-%d %H:%M} UTC"
    write_table([_row(each) for each in found], form, None, title=title)
    if output is not None:
        write_table([row for each in found for row in _days(each)], Format.CSV, output)
    if report is not None:
        from aiops.usecases.peaks_report import peaks_report

        write_report(peaks_report(found, ask, skipped, command(), datetime.now(UTC)), report)
        messages.print(f"report: {report}", markup=False)
    end_partially(skipped, reader.warnings)


def _row(each: Outlook) -> Row:
    from aiops.usecases.peaks import CHANCES

    return {
        "series_id": each.key.series_id,
        "unit": each.unit,
        "seen": each.highest_seen,
        "peak_50%": float(each.highest[1]),
        "peak_90%": float(each.highest[2]),
        "limit": each.limit,
        "taken_90%": each.taken,
        **{
            f"reached_{100 * chance:g}%": None if at is None else f"{at:%Y-%m-%d}"
            for chance, at in zip(CHANCES, each.reached, strict=True)
        },
    }


def _days(each: Outlook) -> Iterator[Row]:
    from aiops.usecases.peaks import LEVELS

    for place, day in enumerate(each.days):
        quantiles = {f"q{level:g}": float(each.peaks[row, place]) for row, level in enumerate(LEVELS)}
        yield {
            "series_id": each.key.series_id,
            "cutoff": each.cutoff,
            "day": f"{day:%Y-%m-%d}",
            **quantiles,
            "limit": each.limit,
        }
