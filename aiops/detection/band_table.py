"""The champion's forecasts as detectors see them, for series that join and leave: by row and number of step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.forecasting.bundle import Bundle
from aiops.series import FloatArray, IntArray, SeriesKey, epoch_seconds

_LAYERS = 2
"""Bundles that are looked at: the champion, and the one before it for points that are older than the champion."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BandTable:
    """A bundle's forecasts for one grid: expected (its median), lowest and highest quantile of each step.

    Attributes:
        query: What the bundle's series were read by; empty if all of a folder.
        index: Number of each series in the arrays below.
        starts: Number of the first forecast step of each series, counted since 1970, shape ``[n]``.
        ends: One after its last, shape ``[n]``.
        offsets: Column of the first forecast step in ``values``, shape ``[n]``.
        values: Expected, lower, upper; shape ``[3, columns]``.
        models: Who made each forecast.
    """

    query: str
    index: dict[SeriesKey, int]
    starts: IntArray
    ends: IntArray
    offsets: IntArray
    values: FloatArray
    models: tuple[str, ...]

    @classmethod
    def of(cls, bundle: Bundle, step: timedelta, version: str) -> BandTable:
        """Read the forecasts of a bundle that are on a grid of whole multiples of ``step`` since 1970.

        Args:
            bundle: What was trained.
            step: The grid; forecasts on another one are left out.
            version: Which bundle it is, for people who read an alert.
        """
        seconds = step.total_seconds()
        fitting = [each for each in bundle.forecasts if each.step == step and not epoch_seconds(each.start) % seconds]
        index: dict[SeriesKey, int] = {}
        starts: list[int] = []
        ends: list[int] = []
        blocks, models = [np.empty((3, 0))], []
        for forecast in fitting:
            middle = int(np.argmin(np.abs(forecast.levels - 0.5)))
            expected = forecast.values[:, middle] if np.isclose(forecast.levels[middle], 0.5) else forecast.mean
            first = round(epoch_seconds(forecast.start) / seconds)
            for row, key in enumerate(forecast.keys):
                index[key] = len(starts)
                starts.append(first)
                ends.append(first + forecast.horizon)
                blocks.append(np.stack([expected[row], forecast.values[row, 0], forecast.values[row, -1]]))
                models.append(f"{forecast.models[row]} ({version})")
        lengths = np.array(ends, dtype=np.int64) - np.array(starts, dtype=np.int64)
        return cls(
            query=bundle.lineage.query.strip(),
            index=index,
            starts=np.array(starts, dtype=np.int64),
            ends=np.array(ends, dtype=np.int64),
            offsets=np.cumsum(lengths) - lengths,
            values=np.concatenate(blocks, axis=1),
            models=tuple(models),
        )

    def number(self, key: SeriesKey, query: str) -> int:
        """Return the number of a series that was read by ``query``; -1 if the bundle does not have it.

        A series without a metric name is what its query makes of it: it counts only if the query is the same.
        """
        return self.index.get(key, -1) if key.name or query.strip() == self.query else -1


class Bands:
    """What the champion says of each row of a group of series.

    Args:
        query: What the series are read by; empty for pushed ones.
    """

    def __init__(self, query: str = "") -> None:
        self._query = query
        self._layers: list[tuple[BandTable, list[int]]] = []  # newest first, with the number of each row

    def use(self, table: BandTable | None, keys: list[SeriesKey | None]) -> None:
        """Expect what a new champion says, from its first step on; before it, what the one before said.

        Args:
            table: The champion's forecasts; None if there is no champion any more.
            keys: Series of each row; None for a row that is free.
        """
        if table is None:
            self._layers = []
            return
        numbers = [-1 if key is None else table.number(key, self._query) for key in keys]
        self._layers = [(table, numbers), *self._layers][:_LAYERS]

    def join(self, row: int, key: SeriesKey) -> None:
        """Let a row stand for a series; a new row follows the last one."""
        for table, numbers in self._layers:
            numbers.extend([-1] * (row + 1 - len(numbers)))
            numbers[row] = table.number(key, self._query)

    def at(self, rows: IntArray, places: IntArray) -> FloatArray:
        """Return expected, lower and upper for one step of each row, shape ``[3, m]``; NaN where nothing is said."""
        found = np.full((3, len(rows)), np.nan)
        for table, numbers in reversed(self._layers):
            if len(rows) == 1:
                number, place = numbers[rows[0]], int(places[0])
                if number >= 0 and table.starts[number] <= place < table.ends[number]:
                    found[:, 0] = table.values[:, table.offsets[number] + place - table.starts[number]]
                continue
            chosen = np.array([numbers[row] for row in rows.tolist()], dtype=np.int64)
            (said,) = np.nonzero(chosen >= 0)
            chosen = chosen[said]
            covered = (table.starts[chosen] <= places[said]) & (places[said] < table.ends[chosen])
            said, chosen = said[covered], chosen[covered]
            found[:, said] = table.values[:, table.offsets[chosen] + places[said] - table.starts[chosen]]
        return found

    def model(self, row: int, place: int) -> str:
        """Return who made the forecast of a step; empty if nobody did."""
        for table, numbers in self._layers:
            number = numbers[row]
            if number >= 0 and table.starts[number] <= place < table.ends[number]:
                return table.models[number]
        return ""
