"""Telemetry from a folder of CSV and Parquet files, with an ``index.csv`` beside them or without."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice, zip_longest
from pathlib import Path, PurePath

import numpy as np

from aiops.adapters.memory import matches, window
from aiops.adapters.telemetry_file import SUFFIXES, Rows, TelemetryFile, read_series_ids, stem
from aiops.errors import DataError
from aiops.ports import Telemetry
from aiops.series import Series, SeriesKey
from aiops.series.grid import epoch_seconds, from_epoch
from aiops.series.quality import assess
from aiops.series.regular import regularize

INDEX = "index.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One series of a folder, before it is read.

    Attributes:
        name: Its id in the index, or in the column ``series_id``, or its file's path without the suffixes.
        key: The same as a key.
        path: The file that holds it.
        step: What the index says (``step_s``); None leaves it to the rows.
        unit: What the index says (``unit``); empty if nothing.
        metadata: All other columns of the index, as text.
    """

    name: str
    key: SeriesKey
    path: Path
    step: timedelta | None = None
    unit: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class FolderSource:
    """A MetricSource over files, for history that is not in Prometheus.

    A file holds ``timestamp,value`` (one series) or ``series_id,timestamp,value`` (many); further columns do no harm.
    Timestamps are seconds since 1970 or ISO 8601 (UTC where no zone is given) and mark the start of their step. An
    ``index.csv`` lists the series: ``name`` or ``series_id``; ``file`` if it differs from the name; ``step_s``;
    ``unit``; anything else becomes metadata. Without one, all files below the folder are read.

    Args:
        root: The folder; or one file.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def entries(self) -> tuple[Entry, ...]:
        """Return what the folder holds, without reading values.

        Raises:
            DataError: If there is no such folder, it has no telemetry, or its index cannot be read.
        """
        if not self._root.exists():
            raise DataError(f"{self._root} does not exist: give a folder of CSV or Parquet files")
        index = self._root / INDEX
        found = tuple(_from_index(index) if index.is_file() else self._from_files())
        if not found:
            raise DataError(
                f"{index} lists no series: fill it, or remove it to have all files read"
                if index.is_file()
                else f"{self._root} holds no telemetry: files that end in {', '.join(SUFFIXES)} are read"
            )
        by_key: dict[SeriesKey, Entry] = {}
        for entry in found:
            other = by_key.setdefault(entry.key, entry)
            if other is not entry:
                raise DataError(f"{self._root} holds series {entry.name!r} twice: in {other.path} and in {entry.path}")
        return found

    def read(self, entries: Sequence[Entry] | None = None, *, even_if_none: bool = False) -> Telemetry:
        """Read whole series, each on its own grid, in the order of ``entries``; all of the folder if None.

        A series that cannot be used is left out and named in ``skipped``.

        Args:
            entries: What to read.
            even_if_none: Answer also if not one can be used: the reader of a part still wants the others.

        Raises:
            DataError: If not one can be used; as ``entries`` if there are none to choose from.
        """
        chosen = self.entries() if entries is None else tuple(entries)
        found = _telemetry(_grids(((entry, None) for entry in chosen), "value"))
        if not found.series and found.skipped and not even_if_none:
            more = f" (and {len(found.skipped) - 1} more that cannot be used either)" if found.skipped[1:] else ""
            raise DataError(f"{found.skipped[0][1]}{more}")
        return found

    def read_until(
        self, entries: Sequence[Entry], cutoffs: Mapping[SeriesKey, Sequence[datetime]]
    ) -> Iterator[tuple[dict[SeriesKey, datetime], Telemetry]]:
        """Read series as they were at their cutoffs: of the first of each, then of the second of each, and so on.

        Later rows are not looked at, not even for the grid, whose step may be the usual distance of the rows until
        then. What cannot be used is told once.

        Args:
            entries: What to read.
            cutoffs: Stamps of the last rows that may be used.

        Yields:
            The cutoff of each series, and the series; each file is read once in all.
        """
        rounds = [
            {entry.key: cutoff for entry, cutoff in zip(entries, each, strict=True) if cutoff is not None}
            for each in zip_longest(*(dict.fromkeys(cutoffs.get(entry.key, ())) for entry in entries))
        ]
        asked = [(entry, each[entry.key]) for each in rounds for entry in entries if entry.key in each]
        grids = _grids(asked, "value")
        told: set[tuple[str, str]] = set()
        for each in rounds:
            found = _telemetry(islice(grids, len(each)))
            skipped = tuple(reason for reason in found.skipped if reason not in told)
            told |= set(skipped)
            yield each, replace(found, skipped=skipped)

    def column(self, entries: Sequence[Entry], name: str) -> tuple[Series, ...]:
        """Read another column, such as ``label``, on the grids that ``read`` gives the values.

        Raises:
            DataError: If one of them cannot be read.
        """
        columns = []
        for _, made in _grids(((entry, None) for entry in entries), name):
            if isinstance(made, DataError):
                raise made
            columns.append(made[0])
        return tuple(columns)

    def rows(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Rows | DataError]]:
        """Yield the rows of each series as they stand in its file, or what is wrong with them; labels are not read."""
        last: tuple[Path, TelemetryFile] | None = None
        for entry in entries:
            try:
                if last is None or last[0] != entry.path:
                    last = (entry.path, TelemetryFile(entry.path))
                yield entry, last[1].rows(entry.name)
            except DataError as error:
                yield entry, error

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Telemetry:
        """Return the series whose id is ``query``, or matches it as a pattern such as ``*``, within the range.

        A series of another step, or one that cannot be read, is skipped, with the reason.

        Raises:
            DataError: If no series matches, none can be used, or none has a value in the range.
        """
        return await asyncio.to_thread(self._range, query, start, end, step)

    def _range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Telemetry:
        found = self.read([entry for entry in self.entries() if matches(query, entry.key)])
        part = window(query, found.series, start, end, step)
        return Telemetry(series=part.series, qualities=part.qualities, skipped=found.skipped + part.skipped)

    def _from_files(self) -> Iterator[Entry]:
        files = [self._root] if self._root.is_file() else sorted(self._root.rglob("*"))
        for path in files:
            if not path.is_file() or not path.name.endswith(SUFFIXES):
                continue
            alone = path.with_name(stem(path))
            own = alone.name if path == self._root else alone.relative_to(self._root).as_posix()
            try:
                names = read_series_ids(path)
            except DataError:
                names = None  # `read` says what is wrong with it, and reads the others
            for name in (own,) if names is None else filter(None, names):  # `read` names the line without one
                yield Entry(name=name, key=_key(name, path), path=path)


def is_telemetry(root: Path, path: Path) -> bool:
    """Return whether a file is among the telemetry that a ``FolderSource`` over ``root`` reads: what may not be lost.

    Raises:
        DataError: If the index cannot be read.
    """
    root, path = root.resolve(), path.resolve()
    if not path.is_file() or not path.is_relative_to(root) or not path.name.endswith(SUFFIXES):
        return False
    index = root / INDEX
    if index.is_file():
        return path == index or any(entry.path.resolve() == path for entry in _from_index(index))
    try:
        TelemetryFile(path)
    except DataError:
        return False
    return True


_Grid = tuple[Series, int] | DataError
"""A series and how many of its rows were dropped, or what is wrong with it."""


def _telemetry(grids: Iterable[tuple[Entry, _Grid]]) -> Telemetry:
    series, qualities, skipped = [], [], []
    for entry, made in grids:
        if isinstance(made, DataError):
            skipped.append((entry.key.series_id, str(made)))
        else:
            series.append(made[0])
            qualities.append(assess(made[0], duplicates=made[1]))
    return Telemetry(series=tuple(series), qualities=tuple(qualities), skipped=tuple(skipped))


def _grids(asked: Iterable[tuple[Entry, datetime | None]], column: str) -> Iterator[tuple[Entry, _Grid]]:
    """Yield each entry as it was at its cutoff; in full where that is None. Reads each file once."""
    files: dict[Path, TelemetryFile | DataError] = {}
    wanted = list(asked)
    last_use = {entry.path: number for number, (entry, _) in enumerate(wanted)}
    for number, (entry, cutoff) in enumerate(wanted):
        if entry.path not in files:
            try:
                files[entry.path] = TelemetryFile(entry.path, column)
            except DataError as error:
                files[entry.path] = error
        file = files[entry.path]
        if last_use[entry.path] == number:
            del files[entry.path]  # it may be large
        if isinstance(file, DataError):
            yield entry, file
            continue
        try:
            rows = file.rows(entry.name)
            if cutoff is not None:
                rows = _until(rows, cutoff)
            try:
                made = regularize(entry.key, rows.stamps, rows.values, step=entry.step, unit=entry.unit)
            except DataError as error:
                raise DataError(f"series {entry.name!r} in {entry.path}: {error}") from error
        except DataError as error:
            yield entry, error
        else:
            yield entry, made


def _until(rows: Rows, cutoff: datetime) -> Rows:
    """Return the rows that were there at the cutoff.

    Raises:
        DataError: If that is before the first, or too few had come.
    """
    count = int(np.searchsorted(rows.stamps, epoch_seconds(cutoff), side="right"))
    if not count:
        first = from_epoch(rows.stamps[0]).isoformat()
        raise DataError(f"the cutoff {cutoff.isoformat()} is before its first row at {first}")
    if rows.stamps[count - 1] == rows.stamps[0]:
        raise DataError(f"too short: 1 values up to the cutoff {cutoff.isoformat()}, at least 2 needed")
    return Rows(stamps=rows.stamps[:count], values=rows.values[:count])


def _from_index(index: Path) -> Iterator[Entry]:
    try:
        with index.open(newline="", encoding="utf-8-sig") as text:
            table = csv.DictReader(text)
            header = table.fieldnames or ()
            named = next((column for column in ("name", "series_id") if column in header), None)
            if named is None:
                raise DataError(f"{index} needs a column name or series_id, it has: {', '.join(header) or 'nothing'}")
            for row in table:
                where = f"{index}, line {table.line_num}"
                if None in row or None in row.values():
                    raise DataError(f"{where}: the header has {len(header)} columns, this row another number")
                name = row.pop(named)
                if not name:
                    raise DataError(f"{where}: {named} is empty")
                path = _file(index.parent, name, row.pop("file", ""), where)
                step, unit = _step(row.pop("step_s", ""), where), _unit(row.pop("unit", ""))
                yield Entry(name=name, key=_key(name, index), path=path, step=step, unit=unit, metadata=row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{index} is no CSV text in UTF-8: {error}") from error


def _file(root: Path, name: str, file: str, where: str) -> Path:
    for candidate in [file] if file else [f"{name}{suffix}" for suffix in SUFFIXES]:
        inside = PurePath(candidate)
        if inside.is_absolute() or ".." in inside.parts:
            raise DataError(f"{where}: file {candidate!r} is not below {root}")
        if (root / inside).is_file() or file:
            return root / inside
    return root / f"{name}{SUFFIXES[0]}"


def _step(text: str, where: str) -> timedelta | None:
    if not text:
        return None
    try:
        step = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        step = timedelta(0)
    if step <= timedelta(0):
        raise DataError(f"{where}: step_s {text!r} is not a positive number of seconds")
    return step


def _unit(text: str) -> str:
    """Write a rate as everywhere else: ``requests/second``."""
    return f"{text.removesuffix('/s')}/second" if text.endswith("/s") else text


def _key(name: str, where: Path) -> SeriesKey:
    try:
        return SeriesKey.parse(name)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
