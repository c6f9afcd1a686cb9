"""Lengths of time as people write them in policies and commands (``1h30m``), and as they read them (``1 h``)."""

from __future__ import annotations

import re
from datetime import timedelta

from aiops.errors import ConfigError

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+)([smhdw])")


def parse_duration(text: str) -> timedelta:
    """Read whole seconds, minutes, hours, days and weeks, largest first or in any order; ``0s`` is zero.

    Raises:
        ConfigError: If the text is anything else, or longer than any calendar.
    """
    parts = _PART.findall(text)
    if not parts or "".join(count + unit for count, unit in parts) != text:
        raise ConfigError(f"{text!r} is not a length of time: write it like 90s, 5m, 1h30m or 28d")
    try:
        return timedelta(seconds=sum(int(count) * _SECONDS[unit] for count, unit in parts))
    except OverflowError:
        raise ConfigError(f"{text!r} is too long for a length of time") from None


def format_duration(length: timedelta) -> str:
    """Write what ``parse_duration`` reads, such as ``1h30m``; fractions of a second are rounded."""
    seconds = round(length.total_seconds())
    parts = []
    for unit, size in _SECONDS.items():
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def duration_text(length: timedelta) -> str:
    """Return a length of time by its two largest parts, for people to read: ``2 d 3 h``, ``15 s``."""
    seconds = round(length.total_seconds())
    parts = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
