"""Telemetry as it was once read: what training starts from, with a digest of its content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from aiops.errors import DataError
from aiops.series.grid import epoch_seconds, require_utc
from aiops.series.series import Series


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """All that a training run knows of the world.

    Attributes:
        query: What the source was asked; empty if all of a folder.
        until: End of the range that was asked for; silence is measured against it.
        series: The series, sorted by key, each once.
        skipped: (series id or query, reason) of what the source could not give.

    Raises:
        DataError: If the series are not sorted and distinct.
    """

    query: str
    until: datetime
    series: tuple[Series, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        require_utc(self.until, "until")
        keys = [each.key for each in self.series]
        if keys != sorted(set(keys)):
            raise DataError("a snapshot holds each series once, sorted by key")

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the content as hex: of the values themselves, not of a file that holds them."""
        found = hashlib.sha256()
        head = [self.query, epoch_seconds(self.until), [list(each) for each in self.skipped]]
        found.update(json.dumps(head).encode())
        for each in self.series:
            grid = [each.key.series_id, epoch_seconds(each.start), each.step.total_seconds(), each.unit, len(each)]
            found.update(json.dumps(grid).encode())
            clean = (
                np.where(np.isnan(each.values), np.nan, each.values) + 0.0
            )  # one NaN and one zero, whatever the bits
            found.update(clean.astype("<f8").tobytes())
        return found.hexdigest()
