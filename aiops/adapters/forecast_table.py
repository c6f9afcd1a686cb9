"""Forecasts as one CSV file, and the cutoffs that they are asked for, as another."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from aiops.adapters.whole_file import whole_file
from aiops.errors import ConfigError, DataError
from aiops.forecasting.forecast import Forecast
from aiops.series import SeriesKey

COLUMNS = ("series_id", "cutoff")


def read_cutoffs(path: Path) -> dict[SeriesKey, list[datetime]]:
    """Read ``series_id,cutoff``: ISO 8601 (UTC where no zone is given) or seconds since 1970.

    Raises:
        ConfigError: If the file cannot be read, or a line says no series or no instant; names the line.
    """
    found: dict[SeriesKey, list[datetime]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            table = csv.DictReader(text)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path} has no column {' and no '.join(missing)}: it needs {','.join(COLUMNS)}")
            for row in table:
                where = f"{path}, line {table.line_num}"
                try:
                    key = SeriesKey.parse(row["series_id"] or "")
                except DataError as error:
                    raise ConfigError(f"{where}: {error}") from error
                found.setdefault(key, []).append(_instant(row["cutoff"] or "", where))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no CSV text in UTF-8: {error}") from error
    if not found:
        raise ConfigError(f"{path} names no cutoff: fill it, or leave the option out to forecast from each end")
    return found


class ForecastTable:
    """Writes rows ``series_id,cutoff,timestamp,mean,q0.1,...`` to an open file, forecast after forecast."""

    def __init__(self, sink: BinaryIO, levels: Sequence[float]) -> None:
        self._sink = pa.PythonFile(sink, mode="w")
        header = [*COLUMNS, "timestamp", "mean", *(f"q{level:g}" for level in levels)]
        sink.write((",".join(header) + "\n").encode())
        self._options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")

    def add(self, forecast: Forecast, cutoffs: Iterable[datetime]) -> None:
        """Write every step of every row.

        Raises:
            ConfigError: If the file cannot be written.
        """
        n, horizon = forecast.mean.shape
        stamps = np.datetime64(forecast.start.replace(tzinfo=None), "us") + np.arange(horizon) * np.timedelta64(
            round(forecast.step.total_seconds() * 1e6), "us"
        )
        columns = {
            "series_id": pa.array([key.series_id for key in forecast.keys]).take(_repeat(n, horizon)),
            "cutoff": pa.array([_text(each) for each in cutoffs]).take(_repeat(n, horizon)),
            "timestamp": pa.array([_text(each.replace(tzinfo=UTC)) for each in stamps.tolist()] * n),
            "mean": pa.array(forecast.mean.ravel()),
        }
        for place, level in enumerate(forecast.levels):
            columns[f"q{level:g}"] = pa.array(np.ascontiguousarray(forecast.values[:, place]).ravel())
        pyarrow.csv.write_csv(pa.table(columns), self._sink, self._options)


@contextmanager
def forecast_table(path: Path, levels: Sequence[float]) -> Iterator[ForecastTable]:
    """Open a table at ``path``; the file is there under its name only when all of it was written.

    Raises:
        ConfigError: If it cannot be written.
    """
    with whole_file(path) as sink:
        yield ForecastTable(sink, levels)


def _repeat(n: int, horizon: int) -> pa.Array:
    return pa.array(np.repeat(np.arange(n), horizon))


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _instant(text: str, where: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (OverflowError, OSError) as error:
        raise ConfigError(f"{where}: cutoff {text!r} is far from now: give seconds since 1970, or ISO 8601") from error
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{where}: cutoff {text!r} is not an instant: write 2026-01-31T12:00:00Z") from error
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
