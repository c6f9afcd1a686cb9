"""One file of telemetry, CSV or Parquet, as rows: ``timestamp,value``, or ``series_id,timestamp,value`` for many."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from aiops.errors import DataError
from aiops.series import FloatArray, IntArray

# Arrow would take SIGTERM and SIGINT for itself while it reads, and lose one that comes when it is nearly done. It
# would also import pandas, where there is one, at its first conversion, and swallow the exit that a signal asks for.
pa.enable_signal_handlers(False)
with suppress(ImportError):
    import pandas  # noqa: F401

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_PEEK_BYTES = 1 << 16
_LATEST_SECONDS = 1e11  # beyond the year 5000: milliseconds or finer
_ROW = re.compile(r"Row #(\d+)")
_COLUMN = re.compile(r"In CSV column #(\d+)")
_INVALID = re.compile(r"invalid value '(.*)'", re.DOTALL)
_ZONE = re.compile(r"(Z|[+-]\d{2}(:?\d{2})?)$")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The rows of one series, as they stand in their file.

    Attributes:
        stamps: Seconds since the epoch, in order, shape ``[n]``; n is at least 2.
        values: Observations, shape ``[n]``; NaN where there is none; never infinite, and not all NaN.
    """

    stamps: FloatArray
    values: FloatArray


def stem(path: Path) -> str:
    """Return the file's name without ``.csv``, ``.csv.gz`` or ``.parquet``."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.name


class TelemetryFile:
    """A file that was read whole.

    Args:
        path: A file that ends in one of ``SUFFIXES``.
        column: The column that holds the values.

    Raises:
        DataError: If it cannot be read or its header is wrong; names the file, the line and the remedy.
    """

    def __init__(self, path: Path, column: str = "value") -> None:
        self.path = path
        self._column = column
        table = _read(path, column)
        self._line_offset = 1 if path.suffix == ".parquet" else 2  # a CSV file has a header, and lines count from 1
        self._stamps = self._seconds(table["timestamp"])
        self._values = np.asarray(table[column].to_numpy(), dtype=np.float64)
        self._ids: dict[str, int] | None = None
        if "series_id" in table.column_names:
            encoded = table["series_id"].combine_chunks()
            nameless = pyarrow.compute.equal(encoded.cast(pa.string()), "").fill_null(True)
            if pyarrow.compute.any(nameless).as_py():
                self._fail(
                    int(np.flatnonzero(nameless)[0]), "no series_id: every row of a file that has them needs one"
                )
            codes = encoded.indices.to_numpy(zero_copy_only=False)
            self._order = np.argsort(codes, kind="stable")
            self._bounds = np.searchsorted(codes[self._order], np.arange(len(encoded.dictionary) + 1))
            self._ids = {name: code for code, name in enumerate(encoded.dictionary.to_pylist())}

    def series_ids(self) -> tuple[str, ...] | None:
        """Return the ids in the file, in order of appearance; None if it holds one series without an id."""
        return None if self._ids is None else tuple(self._ids)

    def rows(self, series_id: str) -> Rows:
        """Return the rows of one series; of the file's only one, whatever its id, if the file has no ids.

        Raises:
            DataError: If they are missing, unsorted, infinite, fewer than two, or all without a value.
        """
        where = self._where(series_id)
        stamps, values = self._stamps[where], self._values[where]
        if len(stamps) < 2:
            raise DataError(
                f"{self._named(series_id)} holds {'one row' if len(stamps) else 'no rows below its header'}: a series "
                f"needs at least two"
            )
        backwards = np.flatnonzero(np.diff(stamps) < 0)
        if len(backwards):
            self._fail(int(where[backwards[0] + 1]), "the timestamp is before that of the row above: sort the rows")
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            self._fail(
                int(where[infinite[0]]), f"{self._column} is infinite: leave it empty or out where it is unknown"
            )
        if np.isnan(values).all():
            raise DataError(f"{self._named(series_id)} has no value in any of its {len(values)} rows: leave it out")
        return Rows(stamps=stamps, values=values)

    def _where(self, series_id: str) -> IntArray:
        if self._ids is None:
            return np.arange(len(self._stamps))
        if series_id not in self._ids:
            raise DataError(
                f"{self.path} holds no series {series_id!r}, only {_few(list(self._ids))}: correct the index"
            )
        code = self._ids[series_id]
        where: IntArray = self._order[self._bounds[code] : self._bounds[code + 1]]
        return where

    def _seconds(self, column: Any) -> FloatArray:
        if pa.types.is_timestamp(column.type):
            column = pyarrow.compute.cast(column, pa.timestamp("us", column.type.tz), safe=False)
            seconds = pyarrow.compute.cast(column, pa.int64()).to_numpy() / 1e6
        else:
            seconds = np.asarray(column.to_numpy(), dtype=np.float64)
        if column.null_count:
            self._fail(int(np.flatnonzero(np.asarray(column.is_null()))[0]), "no timestamp: every row needs one")
        absurd = np.flatnonzero(~(np.abs(seconds) < _LATEST_SECONDS))
        if len(absurd):
            self._fail(
                int(absurd[0]),
                f"timestamp {seconds[absurd[0]]:.0f} is far from now: give seconds since 1970, or ISO 8601",
            )
        return np.asarray(seconds, dtype=np.float64)

    def _named(self, series_id: str) -> str:
        return f"{self.path}" if self._ids is None else f"series {series_id!r} in {self.path}"

    def _fail(self, row: int, what: str) -> None:
        unit = "row" if self.path.suffix == ".parquet" else "line"
        raise DataError(f"{self.path}, {unit} {row + self._line_offset}: {what}")


def read_series_ids(path: Path) -> tuple[str, ...] | None:
    """Return the ids in a file without reading its values; None if it has no ``series_id``.

    Raises:
        DataError: As TelemetryFile.
    """
    try:
        if path.suffix == ".parquet":
            if "series_id" not in pyarrow.parquet.read_schema(path).names:
                return None
            ids = pyarrow.parquet.read_table(path, columns=["series_id"])["series_id"]
        else:
            header, _ = _peek(path)
            if "series_id" not in header:
                return None
            ids = pyarrow.csv.read_csv(
                path,
                read_options=pyarrow.csv.ReadOptions(use_threads=False),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=["series_id"], column_types={"series_id": pa.string()}
                ),
            )["series_id"]
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise DataError(_reason(path, error, ())) from error
    return tuple(str(each) for each in ids.unique().to_pylist())


def _read(path: Path, column: str) -> Any:
    """Return the table of ``timestamp``, the values as ``column``, and ``series_id`` as a dictionary if it is there."""
    header: Sequence[str] = ()
    try:
        if path.suffix == ".parquet":
            header = pyarrow.parquet.read_schema(path).names
            wanted = _wanted(path, header, column)
            return _as_read_from_csv(path, pyarrow.parquet.read_table(path, columns=wanted))
        header, first = _peek(path)
        wanted = _wanted(path, header, column)
        types = {"series_id": pa.dictionary(pa.int32(), pa.string()), column: pa.float64()}
        types["timestamp"] = _stamp_type(first.get("timestamp", ""))
        return pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(use_threads=False),  # with threads, errors do not say the row
            convert_options=pyarrow.csv.ConvertOptions(include_columns=wanted, column_types=types),
        ).unify_dictionaries()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: put it there, or correct the index") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
        raise DataError(_reason(path, error, header)) from error


def _wanted(path: Path, header: Sequence[str], column: str) -> list[str]:
    missing = [name for name in ("timestamp", column) if name not in header]
    if missing:
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}, only {_few(list(header))}: its header must be "
            f"timestamp,value or series_id,timestamp,value; more columns do no harm"
        )
    return [name for name in ("series_id", "timestamp", column) if name in header]


def _peek(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the header of a CSV file, and its first row by column."""
    with pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(_PEEK_BYTES).decode("utf-8-sig", errors="replace")
    if not start.strip():
        raise DataError(f"{path} is empty: it needs the header timestamp,value and at least two rows")
    lines = csv.reader(start.splitlines())
    header = next(lines)
    return header, dict(zip(header, next(lines, []), strict=False))


def _stamp_type(first: str) -> Any:
    try:
        float(first)
    except ValueError:
        return pa.timestamp("us", "UTC") if _ZONE.search(first) and ":" in first else pa.timestamp("us")
    return pa.float64()


def _as_read_from_csv(path: Path, table: Any) -> Any:
    """Give a Parquet file's columns the types that a CSV file's have."""
    columns = {}
    for name in table.column_names:
        data = table[name]
        if name == "series_id":
            data = data.cast(pa.string()).dictionary_encode() if not pa.types.is_dictionary(data.type) else data
        elif pa.types.is_string(data.type) or pa.types.is_large_string(data.type):
            raise DataError(f"{path}: the column {name} holds text and not {_expected(name)}")
        elif not (name == "timestamp" and pa.types.is_temporal(data.type)):
            data = data.cast(pa.float64())
        columns[name] = data
    return pa.table(columns).unify_dictionaries()


def _reason(path: Path, error: Exception, header: Sequence[str]) -> str:
    """Say what a message of Arrow means for the one who made the file."""
    said = str(error)
    row, invalid, column = _ROW.search(said), _INVALID.search(said), _COLUMN.search(said)
    if invalid and row and column:
        wanted = [name for name in ("series_id", "timestamp", "value") if name in header]
        name = wanted[int(column[1])] if int(column[1]) < len(wanted) else "value"
        return f"{path}, line {row[1]}: {name} {invalid[1]!r} is not {_expected(name)}"
    if row:
        return f"{path}, line {row[1]}: {said.split(': ', 2)[-1].splitlines()[0]}"
    if "Truncated compressed" in said:
        return f"{path} breaks off within its gzip data: it was not copied whole"
    if "incorrect header check" in said:
        return f"{path} is not gzip data, though its name ends in .gz"
    if "Parquet" in said:
        return f"{path} is no Parquet file, or not a whole one"
    if isinstance(error, UnicodeDecodeError):
        return f"{path} is not text in UTF-8"
    return f"{path} cannot be read: {said}"


def _expected(name: str) -> str:
    return (
        "seconds since 1970 or ISO 8601"
        if name == "timestamp"
        else "a number: leave the cell empty where it is unknown"
    )


def _few(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
