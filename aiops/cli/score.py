"""``aiops score``: how odd each point of a folder is, by the detector that the service uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aiops.cli.output import end_partially, messages, progress, require_apart, require_writable


def score(
    source: Annotated[
        Path, typer.Option("--source", help="A folder of CSV or Parquet files, with an index.csv beside them or not.")
    ],
    output: Annotated[Path, typer.Option("--output", help="CSV that is written: series_id,timestamp,score,alert.")],
    budget: Annotated[
        float, typer.Option("--budget", help="Alerts a week and series that you are willing to read.")
    ] = 1.0,
    combiner: Annotated[
        Path | None, typer.Option("--combiner", help="File of `aiops train-combiner`: what labels have taught.")
    ] = None,
) -> None:
    """Example: `aiops score --source telemetry/ --output scores.csv`

    Score every row as it would have come, from the rows before it alone, and say where a person would have been told.
    One line for each row of the input. `score` is 1 / (1 + alerts a week that a threshold there would give): 0.5 is
    once a week, for every series. `alert` is 1 at the row at which somebody is told, 0 elsewhere. Rows without a value,
    a second row in a step, and the first 30 values of a series score 0. A series whose rows go back in time is left
    out. Columns other than the value, such as labels, are not read.
    """
    from aiops import wiring

    require_writable(output)
    require_apart([source], output)
    with progress("scoring") as advance:
        scored = wiring.score_folder(source, output, budget, combiner, advance)
    messages.print(f"{scored.rows:,} rows of {scored.series} series scored, {scored.alerts:,} alerts", markup=False)
    end_partially(scored.skipped)
