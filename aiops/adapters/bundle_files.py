"""Bundles on disk: ``forecasts.parquet``, ``manifest.json`` with the SHA-256 of the table, and that of the manifest.

Loading reads tables and text and runs no code. ``sha256sum --check manifest.sha256`` works too. See docs/adr/0005.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aiops.adapters.whole_folder import write_whole
from aiops.errors import DataError, ModelError
from aiops.forecasting.bundle import Accuracy, Bundle, Entry, Lineage
from aiops.forecasting.forecast import Forecast
from aiops.ports import KeptBundle
from aiops.series import SeriesKey

MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
TABLE = "forecasts.parquet"
SCHEMA_VERSION = 1
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class BundleFolder:
    """A BundleShelf in a folder.

    Args:
        root: Bundles go below it, each in a folder named after its digest.
    """

    root: Path

    def keep(self, bundle: Bundle) -> KeptBundle:
        """Write a bundle; the same bundle twice is the same folder.

        Raises:
            ConfigError: If it cannot be written.
        """
        files = to_files(bundle)
        digest = _digest(files[MANIFEST])
        folder = self.root / digest[:16]
        write_whole(folder, files)
        return KeptBundle(path=folder, digest=digest)


def to_files(bundle: Bundle) -> dict[str, bytes]:
    """Return the content of each file; the same bundle gives the same bytes."""
    table = _table(bundle)
    units = [unit for forecast in bundle.forecasts for unit in forecast.units]
    models = [model for forecast in bundle.forecasts for model in forecast.models]
    grids = [forecast for forecast in bundle.forecasts for _ in forecast.keys]
    series = [
        {
            "series_id": entry.key.series_id,
            "unit": unit,
            "recipe": entry.recipe,
            "model": model,
            "cutoff": grid.cutoff.isoformat(),
            "step_us": grid.step // _MICROSECOND,
            "horizon": grid.horizon,
            "accuracy": asdict(entry.accuracy),
        }
        for entry, unit, model, grid in zip(bundle.entries, units, models, grids, strict=True)
    ]
    lineage = asdict(bundle.lineage)
    lineage["until"] = bundle.lineage.until.isoformat()
    for name in ("horizon", "history"):
        lineage[f"{name}_us"] = lineage.pop(name) // _MICROSECOND
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "lineage": lineage,
        "levels": bundle.forecasts[0].levels.tolist(),
        "files": {TABLE: {"sha256": _digest(table), "size_bytes": len(table)}},
        "grids": [len(forecast.keys) for forecast in bundle.forecasts],
        "series": series,
        "skipped": [list(each) for each in bundle.skipped],
    }
    text = (json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    return {TABLE: table, MANIFEST: text, SEAL: f"{_digest(text)}  {MANIFEST}\n".encode()}


def read_bundle(folder: Path, digest: str | None = None) -> Bundle:
    """Read a bundle and check every byte of it.

    Args:
        folder: Where it is.
        digest: What the registry says; None trusts the seal in the folder.

    Raises:
        ModelError: If a file is missing or is not what was written, or the schema version is another one.
    """
    try:
        text = (folder / MANIFEST).read_bytes()
        expected = digest or (folder / SEAL).read_text(encoding="ascii").split()[0]
        _require_same(folder / MANIFEST, text, expected)
        manifest = json.loads(text)
        if manifest["schema_version"] != SCHEMA_VERSION:
            raise ModelError(
                f"{folder} has schema version {manifest['schema_version']}, and {SCHEMA_VERSION} is read here: "
                "train again with this version"
            )
        table = (folder / TABLE).read_bytes()
        _require_same(folder / TABLE, table, manifest["files"][TABLE]["sha256"])
        return _bundle(manifest, pq.read_table(pa.BufferReader(table)))
    except (OSError, ValueError, KeyError, IndexError, TypeError, DataError, pa.ArrowException) as error:
        raise ModelError(f"{folder} is no bundle that can be read: {error}; train again") from error


def _require_same(path: Path, content: bytes, expected: str) -> None:
    found = _digest(content)
    if found != expected:
        raise ModelError(
            f"{path} is not what was registered: its SHA-256 is {found} and should be {expected}; copy it again, or "
            "train again"
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _column(level: float) -> str:
    return f"q{level:g}"


def _table(bundle: Bundle) -> bytes:
    """Return one row a series and step: series_id, timestamp (start of its step), mean, one column a level."""
    grids = bundle.forecasts
    keys = [key.series_id for grid in grids for key in grid.keys for _ in range(grid.horizon)]
    stamps = [
        np.tile((np.arange(grid.horizon) * (grid.step // _MICROSECOND)) + _microseconds(grid.start), len(grid.keys))
        for grid in grids
    ]
    columns = {
        "series_id": pa.array(keys, pa.string()).dictionary_encode(),
        "timestamp": pa.array(np.concatenate(stamps), pa.timestamp("us", "UTC")),
        "mean": pa.array(np.concatenate([grid.mean.ravel() for grid in grids])),
    }
    for number, level in enumerate(grids[0].levels):
        columns[_column(level)] = pa.array(np.concatenate([grid.values[:, number].ravel() for grid in grids]))
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content, compression="zstd")
    return content.getvalue()


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


def _bundle(manifest: Mapping[str, Any], table: Any) -> Bundle:
    levels = np.array(manifest["levels"], dtype=np.float64)
    mean = table["mean"].to_numpy()
    values = np.stack([table[_column(level)].to_numpy() for level in levels])  # [q, rows]
    forecasts, first_row, first_series = [], 0, 0
    for count in manifest["grids"]:
        series = manifest["series"][first_series : first_series + count]
        horizon = series[0]["horizon"]
        rows = slice(first_row, first_row + count * horizon)
        forecasts.append(
            Forecast(
                keys=tuple(SeriesKey.parse(each["series_id"]) for each in series),
                cutoff=datetime.fromisoformat(series[0]["cutoff"]).astimezone(UTC),
                step=series[0]["step_us"] * _MICROSECOND,
                mean=mean[rows].reshape(count, horizon).astype(np.float64),
                levels=levels,
                values=values[:, rows].reshape(len(levels), count, horizon).swapaxes(0, 1).astype(np.float64),
                units=tuple(each["unit"] for each in series),
                models=tuple(each["model"] for each in series),
            )
        )
        first_row, first_series = rows.stop, first_series + count
    return Bundle(
        forecasts=tuple(forecasts),
        entries=_entries(manifest["series"]),
        lineage=_lineage(manifest["lineage"]),
        skipped=tuple((name, reason) for name, reason in manifest["skipped"]),
    )


def _entries(series: Sequence[Mapping[str, Any]]) -> tuple[Entry, ...]:
    return tuple(
        Entry(key=SeriesKey.parse(each["series_id"]), recipe=each["recipe"], accuracy=Accuracy(**each["accuracy"]))
        for each in series
    )


def _lineage(said: Mapping[str, Any]) -> Lineage:
    rest = dict(said)
    return Lineage(
        until=datetime.fromisoformat(rest.pop("until")).astimezone(UTC),
        horizon=rest.pop("horizon_us") * _MICROSECOND,
        history=rest.pop("history_us") * _MICROSECOND,
        forecasters=tuple(rest.pop("forecasters")),
        **rest,
    )
