"""Labelled series of a folder, one at a time, for learning from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from aiops.adapters.folder import Entry, FolderSource
from aiops.alerting.feedback_labels import Told, labels_of
from aiops.detection.combiner_fit import Example
from aiops.errors import DataError

COLUMN = "label"


class Labelled:
    """Series with a column ``label``, and those of which people were told.

    Args:
        folder: Where they are. ``group`` and ``probation`` of its index are used.
        told: What people were told of, and what they said of it.
    """

    def __init__(self, folder: FolderSource, told: Sequence[Told] = ()) -> None:
        self._folder = folder
        self._told = told
        self.skipped: list[tuple[str, str]] = []
        """(series id, reason) of those that were left out so far."""

    def examples(self, advance: Callable[[int, int], None]) -> Iterator[Example]:
        """Yield those that can be used; ``skipped`` says why the others cannot.

        Raises:
            DataError: If the folder holds no telemetry.
        """
        entries = self._folder.entries()
        for done, entry in enumerate(entries, start=1):
            try:
                yield self._example(entry)
            except DataError as error:
                self.skipped.append((entry.name, str(error)))
            advance(done, len(entries))

    def _example(self, entry: Entry) -> Example:
        (series,) = self._folder.read([entry]).series
        try:
            given, missing = self._folder.column([entry], COLUMN)[0].values, ""
        except DataError as error:
            given, missing = None, str(error)
        labels = labels_of(series, given, self._told)
        if labels is None:
            raise DataError(f"series {entry.name!r} has no labels ({missing}), and nobody said anything of it")
        probation = entry.metadata.get("probation") or "0"
        if not probation.isdecimal():
            raise DataError(f"series {entry.name!r}: probation is a number of points, got {probation!r}")
        seen = np.flatnonzero(~np.isnan(series.values))
        return Example(
            at=series.stamps()[seen].astype(np.float64),
            values=series.values[seen],
            labels=labels[seen],
            step_seconds=series.step.total_seconds(),
            probation=int(probation),
            group=entry.metadata.get("group") or entry.name,
        )
