"""Where a report goes: the page, its JSON beside it, and the verdict on the screen."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from aiops.cli.output import messages, write_text
from aiops.errors import ConfigError

if TYPE_CHECKING:
    from aiops.backtest.report import Report


def command() -> str:
    """Return what was typed."""
    return shlex.join(["aiops", *sys.argv[1:]])


def written(report: Path) -> tuple[Path, Path]:
    """Return where the page and its JSON go.

    Raises:
        ConfigError: If the page has the name of its JSON.
    """
    beside = report.with_suffix(".json")
    if beside == report:
        raise ConfigError(f"--report {report}: the page is HTML, and its JSON goes beside it: name it .html")
    return report, beside


def write_report(made: Report, path: Path) -> None:
    """Write the page and its JSON."""
    from aiops.backtest.report import to_html, to_json

    page, beside = written(path)
    write_text(page, to_html(made))
    write_text(beside, to_json(made))


def conclude(made: Report, path: Path) -> None:
    """Say the verdict, and where the report is."""
    messages.print(f"[bold]{escape(made.verdict)}[/]")
    messages.print(f"report: {path}", markup=False)
