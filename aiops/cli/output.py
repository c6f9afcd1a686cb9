"""What a command prints: one table in the format that was asked for, progress and messages on stderr."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Protocol

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from aiops.adapters.whole_file import require_whole_file, whole_file
from aiops.errors import ConfigError
from aiops.series.duration import format_duration

Row = Mapping[str, object]

PARTIAL = 5
"""Exit code of a command that did its work and had to leave some series out."""

_UNFOLDED = 200

messages = Console(stderr=True, highlight=False, soft_wrap=True)


class Format(StrEnum):
    """How a table is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Advance(Protocol):
    """Tells a progress bar that ``done`` of ``total`` items are done."""

    def __call__(self, done: int, total: int) -> None:
        """Move the bar."""
        ...


@contextmanager
def progress(title: str) -> Iterator[Advance]:
    """Show a bar with the time left on a terminal, and nothing elsewhere."""
    with stages() as advance:
        advance(title, 0, None)
        yield partial(advance, title)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show bars as ``progress`` does, for work of several parts: told what is done, how many are, of how many."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def advance(title: str, done: int, total: int | None) -> None:
        if title not in tasks:
            tasks[title] = bar.add_task(title, total=total)
        bar.update(tasks[title], completed=done, total=total)

    with bar:
        yield advance


def write_table(rows: Sequence[Row], form: Format, output: Path | None, title: str = "") -> None:
    """Write rows to a file, or to stdout.

    Args:
        rows: All with the same columns in the same order; NaN becomes null in JSON and an empty cell elsewhere.
        form: Table, JSON (a list of objects) or CSV.
        output: A file; stdout if None.
        title: Shown above a table.

    Raises:
        ConfigError: If the file cannot be written.
    """
    if output is None and form is Format.TABLE:
        console = Console()
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = _UNFOLDED  # a file or a program has no width: its lines are not folded to a guessed one
        console.print(_table(rows, title))
        return
    text = {Format.TABLE: _plain, Format.JSON: _json, Format.CSV: _csv}[form](rows)
    if output is None:
        print(text, end="")  # noqa: T201 - the one place where a result goes to stdout
    else:
        write_text(output, text)


def end_partially(skipped: Sequence[tuple[str, str]], warnings: Sequence[str] = ()) -> None:
    """Say what was left out and why; end with the exit code of a partial success if anything was.

    Args:
        skipped: (series id, reason) of what could not be used.
        warnings: What the source said beside the data.
    """
    for warning in warnings:
        messages.print(f"warning: {visible(warning)}", markup=False)
    for series_id, reason in skipped:
        messages.print(f"left out: {visible(series_id)}: {visible(reason)}", markup=False)
    if skipped:
        raise typer.Exit(PARTIAL)


def visible(text: str) -> str:
    r"""Return text with its control characters as ``\x1b``: what stands in a file must not steer the terminal."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def require_writable(*paths: Path | None) -> None:
    """Find out before long work, and not after it, that a file cannot be written.

    Raises:
        ConfigError: If one cannot.
    """
    for path in paths:
        if path is not None:
            require_whole_file(path)


def require_apart(inputs: Iterable[str | Path], *paths: Path | None) -> None:
    """Refuse to write over what is read.

    Args:
        inputs: Files, and sources: folders (all telemetry in them is read), or URLs (nothing of which is overwritten).
        paths: What will be written.

    Raises:
        ConfigError: If one of them is read.
        DataError: If the index of a folder cannot be read.
    """
    from aiops.adapters.folder import is_telemetry

    roots = [Path(each) for each in inputs]
    for path in filter(None, paths):
        for root in roots:
            if is_telemetry(root, path) or (path.is_file() and root.is_file() and path.samefile(root)):
                raise ConfigError(f"{path} is read by this command, and would be lost: write to another file or folder")


def write_text(path: Path, text: str) -> None:
    """Write a file, its folder too if it is missing; whole or not at all.

    Raises:
        ConfigError: If that cannot be done.
    """
    with whole_file(path) as sink:
        sink.write(text.encode())


def _table(rows: Sequence[Row], title: str) -> Table:
    table = Table(title=title or None, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    names = [name for name in (rows[0] if rows else ()) if any(row[name] not in (None, "") for row in rows)]
    for name in names:
        if all(isinstance(row[name], int | float) for row in rows):
            # Half a number on the next line would be read as another number: its column is narrowed at the head.
            table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
        else:
            table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(row[name])) for name in names))
    return table


def _plain(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    Console(file=text, width=_UNFOLDED).print(_table(rows, ""))
    return text.getvalue()


def _json(rows: Sequence[Row]) -> str:
    clean = [{name: _exact(value) for name, value in row.items()} for row in rows]
    return json.dumps(clean, indent=2, ensure_ascii=False, default=str) + "\n"


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    exact = ([_exact(value) for value in row.values()] for row in rows)
    writer.writerows(["" if value is None else value for value in row] for row in exact)
    return text.getvalue()


def _exact(value: object) -> object:
    """Return a value as programs read it: ISO 8601 for an instant, None for NaN."""
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"  # a narrow table folds it between date and time
    if isinstance(value, timedelta) and not value % timedelta(seconds=1):
        return format_duration(value)
    return "-" if value is None else str(value)
