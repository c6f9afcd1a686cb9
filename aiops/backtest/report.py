"""One document for a verdict: what was found, the numbers, the pictures, and how to do it again.

``to_html`` returns one file that needs nothing else: no network, no CDN, no font. It opens from disk, prints, follows
the reader's light or dark setting, and carries the CSV of every table. ``to_json`` returns the same findings for
machines. Neither writes anything: that is the caller's.
"""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import io
import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeGuard

from aiops.backtest.axes import decimals_for, large_number, number
from aiops.backtest.charts import Chart, Walk
from aiops.errors import DataError
from aiops.series.grid import require_utc

if TYPE_CHECKING:
    import jinja2

SCHEMA_VERSION = 1
"""Of the JSON; raised when a reader of the old form would misread the new one."""

MOST_ROWS = 500
"""Rows of one table that the page shows; its CSV holds them all."""

LONG_TABLE = 25
"""Rows from which on a table is folded; pressing its line opens it."""

Cell = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFigure:
    """One number that the verdict rests on.

    Attributes:
        name: What it is.
        value: The number; NaN if there is none.
        unit: Its unit, such as ``"%"``.
        note: What to compare it with, in a few words.
    """

    name: str
    value: float
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name: For machines, in CSV and JSON: lower case, with the unit where there is one (``unmet_percent``).
        title: For people; the name if empty.
        unit: For people, under the title.
        decimals: Digits after the point on the page; None chooses them for the whole column. CSV and JSON never round.
    """

    name: str
    title: str = ""
    unit: str = ""
    decimals: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns.

    Attributes:
        name: Name of the table, and of its CSV file.
        rows: One tuple a row, as long as ``columns``. None and NaN are "no value".
        text: A sentence on how to read it.

    Raises:
        DataError: If a row has the wrong length, or two columns one name.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text: str = ""

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise DataError(f"table {self.name!r}: each column needs a name of its own, got {', '.join(names)}")
        for index, row in enumerate(self.rows):
            if len(row) != len(names):
                raise DataError(f"table {self.name!r}, row {index}: {len(row)} cells for {len(names)} columns")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """One subject: some text, then charts, walks and tables. An empty line in the text starts a new paragraph."""

    title: str
    text: str = ""
    charts: tuple[Chart, ...] = ()
    walks: tuple[Walk, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """The whole document.

    Attributes:
        kind: For machines: which report this is, such as ``"scaling"``.
        title: Heading of the page.
        verdict: The finding as one sentence; the first thing that anybody reads. What follows an empty line is smaller.
        command: The exact command that makes this report again.
        made_at: When it was made, UTC; given by the caller.
        figures: The few numbers that the verdict rests on.
        notes: Protocol and assumptions, a sentence each.
        skipped: (series id, reason) of what was asked for and left out.
    """

    kind: str
    title: str
    verdict: str
    command: str
    made_at: datetime
    figures: tuple[KeyFigure, ...] = ()
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        require_utc(self.made_at, "made_at")


def to_html(report: Report) -> str:
    """Return the whole page as text, to be stored as UTF-8."""
    environment = _environment()
    style, script = (_source(environment, name) for name in ("report.css", "report.js"))
    return environment.get_template("report.html").render(
        report=report,
        style=style,
        script=script,
        style_hash=_content_hash(style),
        script_hash=_content_hash(script),
        most_rows=MOST_ROWS,
        long_table=LONG_TABLE,
    )


def to_json(report: Report) -> str:
    """Return the findings as JSON text, without charts and walks: whatever they show in numbers is in a table.

    ``{"schema_version": 1, "kind", "title", "verdict", "command", "made_at", "figures": [{"name", "value", "unit",
    "note"}], "sections": [{"title", "text", "tables": [{"name", "text", "columns": [{"name", "title", "unit"}],
    "rows": [{column name: value}]}]}], "notes": [text], "skipped": [{"series_id", "reason"}]}``

    Times are ISO 8601 in UTC; NaN, infinities and "no value" are null; order is the report's own.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": report.kind,
        "title": report.title,
        "verdict": report.verdict,
        "command": report.command,
        "made_at": _plain(report.made_at),
        "figures": [
            {"name": each.name, "value": _plain(each.value), "unit": each.unit, "note": each.note}
            for each in report.figures
        ],
        "sections": [
            {"title": each.title, "text": each.text, "tables": [_table_document(table) for table in each.tables]}
            for each in report.sections
        ],
        "notes": list(report.notes),
        "skipped": [{"series_id": series_id, "reason": reason} for series_id, reason in report.skipped],
    }
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def to_csv(table: Table) -> str:
    """Return a table as CSV text with a header; numbers in full, "no value" as an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    writer.writerows([_plain(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def _table_document(table: Table) -> dict[str, Any]:
    names = [column.name for column in table.columns]
    return {
        "name": table.name,
        "text": table.text,
        "columns": [{"name": each.name, "title": each.title, "unit": each.unit} for each in table.columns],
        "rows": [dict(zip(names, map(_plain, row), strict=True)) for row in table.rows],
    }


def _plain(cell: Cell) -> str | int | float | bool | None:
    if isinstance(cell, datetime):
        return cell.isoformat().replace("+00:00", "Z")
    if isinstance(cell, float):
        return float(cell) if math.isfinite(cell) else None
    return cell


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aiops.backtest", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "drawn": _drawn,
        "figure": large_number,
        "csv_link": _csv_link,
        "file_name": _file_name,
        "shown": _shown,
        "number_columns": _number_columns,
        "paragraphs": lambda text: [part for part in re.split(r"\n\s*\n", text.strip()) if part],
    }
    environment.globals["legend_of"] = _legend
    return environment


def _source(environment: jinja2.Environment, name: str) -> Any:
    """Return a style sheet or script of ours as markup: it is not escaped, and not read as a template either."""
    import markupsafe

    assert environment.loader is not None  # noqa: S101  (given three functions above)
    return markupsafe.Markup(environment.loader.get_source(environment, name)[0])  # noqa: S704  (a file of this package)


def _content_hash(text: str) -> str:
    """Return what lets exactly this inline text pass the page's content security policy, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _drawn(chart: Chart, width: int, limit: int) -> Any:
    import markupsafe

    from aiops.backtest.drawing import draw

    return markupsafe.Markup(draw(chart, width, limit))  # noqa: S704  (ElementTree escaped every text in it)


def _legend(chart: Chart) -> list[tuple[str, Any]]:
    import markupsafe

    from aiops.backtest.drawing import legend

    return [(each.name, markupsafe.Markup(each.swatch)) for each in legend(chart)]  # noqa: S704  (no text in a swatch)


def _csv_link(table: Table) -> str:
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(to_csv(table).encode()).decode()


def _file_name(name: str) -> str:
    return (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "table") + ".csv"


def _is_number(cell: Cell) -> TypeGuard[int | float]:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _number_columns(table: Table) -> list[bool]:
    """Say of each column whether it holds numbers, and so stands on the right."""
    return [any(_is_number(row[index]) for row in table.rows) for index in range(len(table.columns))]


def _shown(table: Table) -> list[list[tuple[Cell, str]]]:
    """Return (value to sort by, text to show) for each cell of the rows that the page shows."""
    decimals = []
    for index, column in enumerate(table.columns):
        cells = [float(cell) for row in table.rows if _is_number(cell := row[index])]
        decimals.append(decimals_for(cells) if column.decimals is None else column.decimals)
    return [
        [(_plain(cell), _cell_text(cell, places)) for cell, places in zip(row, decimals, strict=True)]
        for row in table.rows[:MOST_ROWS]
    ]


def _cell_text(cell: Cell, decimals: int) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}" if cell.second else f"{cell:%Y-%m-%d %H:%M}"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.{decimals}f}" if math.isfinite(cell) else number(cell)
    return "–" if cell is None else cell
