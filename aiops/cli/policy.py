"""``aiops policy``: whether a policy is right, what it decides in a situation, and what it would have decided."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from aiops.cli.options import FormatOption, OutputOption, duration
from aiops.cli.output import Format, require_writable, write_table
from aiops.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""
Example: `aiops policy check policies/`

Whether a policy is right, what it decides and why, what it would have decided.
""",
)

StartupOption = Annotated[
    timedelta,
    typer.Option("--startup-delay", parser=duration, metavar="DURATION", help="Creation to ready.", show_default="2m"),
]


@app.command(short_help="Mistakes with their lines, risky settings, scenarios.")
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Policies: a PredictiveScaler or a bare spec each; or folders of them.", show_default=False
        ),
    ] = None,
    scenarios: Annotated[
        list[Path] | None,
        typer.Option("--scenarios", help="Stories to play: a file or a folder; may be given again."),
    ] = None,
    startup: StartupOption = timedelta(seconds=120),
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops policy check policies/ --scenarios scenarios/`

    Refuse what the API server would refuse, with file and line, and warn of settings that are allowed and risky. Play
    stories: what is seen turn by turn, and what must be decided; a story that has no policy of its own is played under
    every policy that is given.

    Ends with 0 if nothing is wrong (warnings may be there), with 2 if anything is, or a story went another way.
    """
    from aiops.usecases.policies import check_policies, check_scenarios

    if not files and not scenarios:
        raise ConfigError("nothing to check: name policies, or give --scenarios")
    require_writable(output)
    policies = files or []
    found = [*check_policies(policies, startup), *check_scenarios(scenarios or [], policies)]
    write_table([each._asdict() for each in found], form, output)
    wrong = sum(each.verdict == "error" for each in found)
    if wrong:
        raise ConfigError(f"{wrong} thing{'s' if wrong > 1 else ''} wrong: see above")
