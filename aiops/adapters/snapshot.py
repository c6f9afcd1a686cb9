"""Snapshots on disk: ``series.parquet``, one row a series, and ``snapshot.json``, what was asked and the digest."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aiops.adapters.whole_folder import write_whole
from aiops.errors import DataError
from aiops.series import Series, SeriesKey
from aiops.series.snapshot import Snapshot

HEAD = "snapshot.json"
TABLE = "series.parquet"
SCHEMA_VERSION = 1
_MICROSECOND = timedelta(microseconds=1)


def write_snapshot(snapshot: Snapshot, parent: Path) -> Path:
    """Keep a snapshot in a folder named after its digest, and return that.

    Raises:
        ConfigError: If it cannot be written.
    """
    table = pa.table(
        {
            "series_id": pa.array([each.key.series_id for each in snapshot.series], pa.string()),
            "start": pa.array([each.start for each in snapshot.series], pa.timestamp("us", "UTC")),
            "step_us": pa.array([each.step // _MICROSECOND for each in snapshot.series], pa.int64()),
            "unit": pa.array([each.unit for each in snapshot.series], pa.string()),
            "values": pa.array([each.values for each in snapshot.series], pa.list_(pa.float64())),
        }
    )
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    head = {
        "schema_version": SCHEMA_VERSION,
        "digest": snapshot.digest,
        "query": snapshot.query,
        "until": snapshot.until.isoformat(),
        "skipped": [list(each) for each in snapshot.skipped],
    }
    folder = parent / snapshot.digest[:16]
    write_whole(folder, {TABLE: content.getvalue(), HEAD: (json.dumps(head, indent=1) + "\n").encode()})
    return folder


def read_snapshot(folder: Path) -> Snapshot:
    """Read a snapshot back.

    Raises:
        DataError: If it is missing, of another schema version, or not what was written.
    """
    try:
        head = json.loads((folder / HEAD).read_text(encoding="utf-8"))
        if head["schema_version"] != SCHEMA_VERSION:
            raise DataError(f"{folder} has schema version {head['schema_version']}, and {SCHEMA_VERSION} is read here")
        rows = pq.read_table(folder / TABLE)
        found = Snapshot(
            query=head["query"],
            until=datetime.fromisoformat(head["until"]).astimezone(UTC),
            series=tuple(
                Series(
                    key=SeriesKey.parse(series_id),
                    start=start.astimezone(UTC),
                    step=step * _MICROSECOND,
                    values=np.asarray(values.values.to_numpy(zero_copy_only=False), dtype=np.float64),
                    unit=unit,
                )
                for series_id, start, step, unit, values in zip(
                    *(rows[name].to_pylist() for name in ("series_id", "start", "step_us", "unit")),
                    rows["values"],
                    strict=True,
                )
            ),
            skipped=tuple((name, reason) for name, reason in head["skipped"]),
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{folder} is no snapshot that can be read: {error}; take a new one with --source") from error
    if found.digest != head["digest"]:
        raise DataError(f"{folder} is not what was written: its digest is {found.digest}; take a new one with --source")
    return found
