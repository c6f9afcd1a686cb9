"""What a person reads of an incident: its oddest series as if it were alone, how many there are, and which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from aiops.alerting.alert import Alert, Status
from aiops.alerting.quantity import instant
from aiops.series.duration import duration_text

_LONGEST: Final = 1000  # characters of an annotation: pagers cut what is longer
_NAMED: Final = 10


def words(states: Sequence[Alert], scope: Mapping[str, str], since: datetime, ended: datetime | None) -> dict[str, str]:
    """Return the annotations of an incident.

    Args:
        states: The last state of the alert of each of its series, at least one.
        scope: What it concerns.
        since: When it began.
        ended: When it ended; None while it goes on.
    """
    ordered = sorted(states, key=lambda each: (-each.score, each.starts_at, each.annotations.get("series", "")))
    top, count = ordered[0], len(ordered)
    said = dict(top.annotations)
    said["series_count"] = str(count)
    if count > 1:
        still = sum(each.status is Status.FIRING for each in ordered)
        said["series_open"] = str(still)
        said["related"] = _related(ordered[1:])
        said["since"] = instant(since)
        scopes = len({tuple(sorted(each.scope.items())) for each in states})
        said["summary"] = f"{_where(scope, scopes)}: {_what(ordered, since, ended)}: {top.annotations['summary']}"
    return {name: _cut(text) for name, text in said.items()}


def _where(scope: Mapping[str, str], scopes: int) -> str:
    shared = ", ".join(scope.values())
    return shared if scopes == 1 else f"{scopes} services or monitors{f' of {shared}' if shared else ''}"


def _what(ordered: Sequence[Alert], since: datetime, ended: datetime | None) -> str:
    kind = "silent" if ordered[0].annotations.get("kind") == "silence" else "odd"
    count = f"{len(ordered):,}".replace(",", " ")
    if ended is not None:
        return f"{count} series normal again after {duration_text(ended - since)}; of the oddest"
    return f"{count} series {kind} since {instant(since)}; the oddest"


def _related(others: Sequence[Alert]) -> str:
    """Return the next oddest series, one a line, and how many more there are; never cut within a name."""
    lines: list[str] = []
    for each in others[:_NAMED]:
        line = each.annotations.get("series", "")
        kind = each.annotations.get("kind", "")
        line = f"{line} ({kind})" if kind else line
        if sum(map(len, lines)) + len(line) > _LONGEST - 100:
            break
        lines.append(line)
    more = len(others) - len(lines)
    return "\n".join([*lines, f"and {more:,} more".replace(",", " ")] if more else lines)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
