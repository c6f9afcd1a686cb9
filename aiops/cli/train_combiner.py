"""``aiops train-combiner``: what labelled incidents and feedback teach the detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aiops.cli.output import end_partially, messages, progress, require_apart, require_writable


def train_combiner(
    source: Annotated[
        Path,
        typer.Option("--source", help="A folder of CSV or Parquet files with an index.csv; `label` is 1 in incidents."),
    ],
    state: Annotated[
        Path | None,
        typer.Option("--state", help="The folder of `aiops serve`: verdicts on its incidents are labels, too."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="JSON file that is written.")] = Path("combiner.json"),
) -> None:
    """Example: `aiops train-combiner --source labelled/ --output combiner.json`

    Learn which of the points that the detector finds odd belong to incidents. `aiops score` and `aiops serve` go by the
    file with their option --combiner. The column `label` is 1 in an incident, 0 elsewhere and empty where nobody knows.
    Series of one `group` in index.csv (else each its own) are never used to judge what was learnt from the others;
    `probation` leading points teach nothing but the detector. It takes 20 incidents, and 20 false alerts, at least.

    With --state, what was said by `aiops feedback` counts where it differs from the labels, for the oddest series of
    each incident: `useful` is 1, `noise` is 0, and `expected` teaches nothing. Series without labels of which something
    was said are ordinary where nobody was told.
    """
    from aiops import wiring
    from aiops.adapters.combiner_file import write_combiner

    require_writable(output)
    require_apart([source], output)
    with progress("replaying") as advance:
        combiner, skipped = wiring.train_combiner(source, state, wiring.settings(), advance)
    write_combiner(combiner, output)
    about = combiner.about
    messages.print(
        f"{output}: {about['incidents']:,.0f} incidents in {about['series_weeks']:,.0f} series-weeks of "
        f"{about['series']:.0f} series; on groups that were not learnt from it finds {about['recall_at_1']:.0%} of "
        f"them at one false alert a series-week, and {about['recall_at_0.1']:.0%} at one in ten weeks",
        markup=False,
    )
    end_partially(skipped)
