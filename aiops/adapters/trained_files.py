"""What came of shards, on disk between the tasks of a training run: a table of forecasts a shard, and one record.

No more lasting than the run: the same version of the library writes and reads it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aiops.adapters.whole_folder import write_whole
from aiops.backtest.training import Trained
from aiops.errors import DataError
from aiops.forecasting.bundle import Accuracy, Entry
from aiops.forecasting.forecast import Forecast
from aiops.series import SeriesKey

_RECORD = "trained.json"
_MICROSECOND = timedelta(microseconds=1)


def write_trained(trained: Sequence[Trained], folder: Path, snapshot_digest: str) -> None:
    """Write what came of some shards, in their order; a folder that is there already is replaced.

    Raises:
        ConfigError: If it cannot be written.
    """
    files: dict[str, bytes] = {}
    shards: list[dict[str, Any]] = []
    for number, each in enumerate(trained):
        record: dict[str, Any] = {
            "entries": [
                {"series_id": entry.key.series_id, "recipe": entry.recipe, "accuracy": asdict(entry.accuracy)}
                for entry in each.entries
            ],
            "champion_crps": {key.series_id: loss for key, loss in each.champion_crps.items()},
            "skipped": [list(skipped) for skipped in each.skipped],
            "forecast": None,
        }
        if each.forecast is not None:
            name = f"shard-{number:04d}.parquet"
            files[name] = _table(each.forecast)
            record["forecast"] = {
                "file": name,
                "cutoff": each.forecast.cutoff.isoformat(),
                "step_us": each.forecast.step // _MICROSECOND,
                "levels": each.forecast.levels.tolist(),
            }
        shards.append(record)
    text = json.dumps({"snapshot_digest": snapshot_digest, "shards": shards}, indent=1) + "\n"
    write_whole(folder, {**files, _RECORD: text.encode()})


def read_trained(folder: Path, snapshot_digest: str) -> list[Trained]:
    """Read back what ``write_trained`` wrote.

    Raises:
        DataError: If it is missing or broken, or was made from another snapshot.
    """
    try:
        said = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if said["snapshot_digest"] != snapshot_digest:
            raise DataError(f"{folder} was made from another snapshot: train its shards again")
        return [_trained(folder, record) for record in said["shards"]]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{folder} cannot be read: {error}; train its shards again") from error


def _table(forecast: Forecast) -> bytes:
    """Return one row a series; ``values`` holds all steps of the first level, then of the second, and so on."""
    columns = {
        "series_id": pa.array([key.series_id for key in forecast.keys], pa.string()),
        "unit": pa.array(list(forecast.units), pa.string()),
        "model": pa.array(list(forecast.models), pa.string()),
        "mean": pa.array(list(forecast.mean), pa.list_(pa.float64())),
        "values": pa.array([row.ravel() for row in forecast.values], pa.list_(pa.float64())),
    }
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content, compression="zstd")
    return content.getvalue()


def _trained(folder: Path, record: dict[str, Any]) -> Trained:
    forecast = None
    if record["forecast"] is not None:
        head = record["forecast"]
        rows = pq.read_table(folder / head["file"])
        levels = np.array(head["levels"], dtype=np.float64)
        forecast = Forecast(
            keys=tuple(SeriesKey.parse(each) for each in rows["series_id"].to_pylist()),
            cutoff=datetime.fromisoformat(head["cutoff"]).astimezone(UTC),
            step=head["step_us"] * _MICROSECOND,
            mean=np.array(rows["mean"].to_pylist(), dtype=np.float64),
            levels=levels,
            values=np.array(rows["values"].to_pylist(), dtype=np.float64).reshape(len(rows), len(levels), -1),
            units=tuple(rows["unit"].to_pylist()),
            models=tuple(rows["model"].to_pylist()),
        )
    return Trained(
        forecast=forecast,
        entries=tuple(
            Entry(key=SeriesKey.parse(each["series_id"]), recipe=each["recipe"], accuracy=Accuracy(**each["accuracy"]))
            for each in record["entries"]
        ),
        champion_crps={SeriesKey.parse(name): loss for name, loss in record["champion_crps"].items()},
        skipped=tuple((name, reason) for name, reason in record["skipped"]),
    )
