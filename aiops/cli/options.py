"""Options that several commands share, and how their text is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from aiops.cli.output import Format
from aiops.errors import ConfigError
from aiops.series.duration import parse_duration


def duration(text: str | timedelta) -> timedelta:
    """Read a length of time such as ``15s``, ``5m``, ``1h30m`` or ``28d``.

    Raises:
        typer.BadParameter: If it is anything else, or not positive.
    """
    try:
        length = text if isinstance(text, timedelta) else parse_duration(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    if length <= timedelta():
        raise typer.BadParameter(f"{text!r} is no time at all: write it like 90s, 5m, 1h30m or 28d")
    return length


def instant(text: str | datetime) -> datetime:
    """Read an instant in ISO 8601; without an offset it is UTC.

    Raises:
        typer.BadParameter: If it is anything else.
    """
    try:
        found = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an instant: write 2026-01-31T12:00:00Z") from None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def lasting(name: str, said: str, default: str | bool = True) -> OptionInfo:
    """Return an option that takes a length of time.

    Args:
        name: With its dashes.
        said: Its help.
        default: What is shown of its default: what a person would write.
    """
    found: OptionInfo = typer.Option(name, parser=duration, metavar="DURATION", help=said, show_default=default)
    return found


SourceOption = Annotated[
    str,
    typer.Option(
        "--source",
        help="A folder of CSV or Parquet files (timestamp,value; or series_id,timestamp,value; an index.csv beside "
        "them), or the URL of a Prometheus.",
    ),
]
QueryOption = Annotated[
    str | None,
    typer.Option(
        "--query", help="PromQL for a Prometheus (needed there); a series id or a pattern like 'wsd_*' for a folder."
    ),
]
HistoryOption = Annotated[
    timedelta,
    lasting("--history", "How far back to read from a Prometheus.", "28d"),
]
StepOption = Annotated[
    timedelta,
    lasting("--step", "Grid of the series read from a Prometheus.", "1m; 5m for forecasts"),
]
StartupOption = Annotated[timedelta, lasting("--startup-delay", "Creation to ready.", "2m")]
EndOption = Annotated[
    datetime | None,
    typer.Option("--end", parser=instant, metavar="INSTANT", help="Read a Prometheus up to here; now if left out."),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the table is printed.")]
OutputOption = Annotated[Path | None, typer.Option("--output", help="Write the table to this file instead of stdout.")]
