"""The identity of a series: metric name and labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiops.errors import DataError

_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """Metric name and labels; identifies a series in logs, tables, models and on the wire.

    Attributes:
        name: Metric name, or the name of a series that has no labels.
        labels: Sorted (label, value) pairs without ``__name__``.
    """

    name: str
    labels: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.name and not self.labels:
            raise DataError("a series needs a name or at least one label")
        if list(self.labels) != sorted(set(self.labels)):
            raise DataError(f"labels must be sorted and distinct, got {self.labels!r}: use SeriesKey.of")

    @classmethod
    def of(cls, name: str, labels: Mapping[str, str] | None = None) -> SeriesKey:
        """Build a key from any mapping of labels; ``__name__`` in it stands for the name."""
        rest = dict(labels or {})
        own = rest.pop("__name__", "")
        return cls(name or own, tuple(sorted(rest.items())))

    @property
    def series_id(self) -> str:
        """Return the key as text, ``name{label="value"}``, or the bare name where there are no labels."""
        if not self.labels:
            return self.name
        inside = ",".join(f'{label}="{_escape(value)}"' for label, value in self.labels)
        return f"{self.name}{{{inside}}}"

    @classmethod
    def parse(cls, series_id: str) -> SeriesKey:
        """Read what ``series_id`` writes.

        Raises:
            DataError: If the braces hold anything but ``label="value"`` pairs.
        """
        name, brace, inside = series_id.partition("{")
        if not brace:
            return cls(series_id)
        if not inside.endswith("}"):
            raise DataError(f"series id {series_id!r} opens a brace and does not close it")
        labels, position, body = {}, 0, inside[:-1]
        while position < len(body):
            found = _LABEL.match(body, position)
            if found is None:
                raise DataError(f'series id {series_id!r}: expected label="value" at {body[position:]!r}')
            labels[found[1]] = _ESCAPED.sub(lambda each: "\n" if each[1] == "n" else each[1], found[2])
            position = found.end()
        return cls.of(name, labels)

    def __str__(self) -> str:
        return self.series_id


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
