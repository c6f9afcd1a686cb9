"""``aiops forecast``: quantiles of every step ahead, for every series of a source, as one CSV file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from aiops.cli.options import EndOption, QueryOption, SourceOption, StepOption, lasting
from aiops.cli.output import end_partially, messages, progress, require_apart
from aiops.cli.work import CORES, EngineOption, RayAddressOption, Reader, WorkersOption, chosen_mapper
from aiops.errors import DataError
from aiops.series import SeriesKey
from aiops.wiring import Engine


def forecast(
    source: SourceOption,
    output: Annotated[Path, typer.Option("--output", help="The CSV file to write.")] = Path("forecasts.csv"),
    horizon: Annotated[
        timedelta,
        lasting("--horizon", "How far to forecast.", "1d"),
    ] = timedelta(days=1),
    history: Annotated[
        timedelta,
        lasting("--history", "Most history to forecast from.", "28d"),
    ] = timedelta(days=28),
    cutoffs: Annotated[
        Path | None,
        typer.Option(
            "--cutoffs",
            help="A CSV file series_id,cutoff: the last observation that may be used. The end of each series if left "
            "out; with it, series that it does not name are not forecast.",
        ),
    ] = None,
    forecaster: Annotated[str, typer.Option("--forecaster", help="Name of a forecaster of the catalog.")] = "fleet",
    engine: EngineOption = Engine.LOCAL,
    ray_address: RayAddressOption = None,
    workers: WorkersOption = CORES,
    query: QueryOption = None,
    step: StepOption = timedelta(minutes=5),
    end: EndOption = None,
) -> None:
    """Example: `aiops forecast --source metrics/ --horizon 1d --output forecasts.csv`

    Forecast every series from its cutoffs on, and write `series_id,cutoff,timestamp,mean,q0.1,q0.5,q0.9,q0.95,q0.99`:
    one row a step, the first one step after the cutoff. A series whose `kind` is `counter` in the folder's index is
    forecast as its increase a step. Ends with 5 if some series or cutoffs were left out; they are named.
    """
    from aiops import wiring
    from aiops.adapters.clock import SystemClock
    from aiops.adapters.forecast_table import forecast_table, read_cutoffs
    from aiops.forecasting.catalog import path_forecaster
    from aiops.usecases.forecast import Ask, Made, forecast_all

    chosen = path_forecaster(forecaster)
    wanted = None if cutoffs is None else read_cutoffs(cutoffs)
    require_apart([source], output)
    ask = Ask(horizon=horizon, history=history)
    configured = wiring.settings()
    mapper = chosen_mapper(engine, workers, ray_address, configured)
    request = wiring.Request(source=source, query=query, history=history, step=step, end=end)
    unseen = set(wanted or ())
    reader = Reader(wiring.read_in_parts(request, configured, SystemClock(), wanted))
    skipped: list[tuple[str, str]] = []
    seen: set[SeriesKey] = set()
    written = 0
    with forecast_table(output, ask.levels) as table, progress("forecasting") as advance:
        for found in forecast_all(reader.parts(), ask, chosen, mapper):
            if isinstance(found, Made):
                table.add(found.forecast, found.cutoffs)
                written += len(found.cutoffs)
                seen.update(found.forecast.keys)
            else:
                skipped.append(found)
            advance(len(seen), reader.total)
        skipped = reader.skipped + skipped
        known = {series_id for series_id, _ in skipped}
        skipped += [
            (key.series_id, f"{cutoffs} names it, the source does not hold it")
            for key in sorted(unseen - reader.keys)
            if key.series_id not in known
        ]
        if not written:
            first = f": {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
            raise DataError(f"nothing could be forecast, {len(skipped)} left out; the first{first}")
    messages.print(f"{written} forecasts in {output}, {len(skipped)} left out", markup=False)
    end_partially(skipped, reader.warnings)
