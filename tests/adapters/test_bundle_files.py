"""Bundles and snapshots on disk: what is read is what was written, and a changed byte is refused."""

import subprocess
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters.bundle_files import MANIFEST, SEAL, TABLE, BundleFolder, read_bundle, to_files
from aiops.adapters.snapshot import read_snapshot, write_snapshot
from aiops.errors import ConfigError, DataError, ModelError
from aiops.forecasting.bundle import LEVELS, Accuracy, Bundle, Entry, Lineage
from aiops.forecasting.forecast import Forecast
from aiops.series import Series, SeriesKey
from aiops.series.snapshot import Snapshot

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def forecast(*names, step=MINUTE, horizon=7):
    n = len(names)
    mean = np.random.default_rng(n).normal(100, 20, (n, horizon))
    return Forecast(
        keys=tuple(SeriesKey.of(name, {"pod": 'a"b'}) for name in names),
        cutoff=START,
        step=step,
        mean=mean,
        levels=np.array(LEVELS),
        values=mean[:, None, :] + np.array(LEVELS)[None, :, None],
        units=("requests/second",) * n,
        models=("seasonal-naive",) * n,
    )


def bundle():
    forecasts = (forecast("b", "a"), forecast("c", step=5 * MINUTE, horizon=3))
    return Bundle(
        forecasts=forecasts,
        entries=tuple(
            Entry(key=key, recipe="selection", accuracy=Accuracy(folds=2, mase=0.7, crps=0.1 / 3, coverage=0.9))
            for each in forecasts
            for key in each.keys
        ),
        lineage=Lineage(
            snapshot_digest="0" * 64,
            query="sum(up)",
            until=START,
            horizon=7 * MINUTE,
            history=timedelta(days=28),
            forecasters=("selection",),
            choosing=2,
            judging=2,
            version="0.1.0",
        ),
        skipped=(("d", "too short"),),
    )


def test_what_is_read_is_what_was_written(tmp_path):
    made = bundle()
    kept = BundleFolder(tmp_path).keep(made)
    found = read_bundle(kept.path, kept.digest)
    assert (found.entries, found.lineage, found.skipped) == (made.entries, made.lineage, made.skipped)
    for old, new in zip(made.forecasts, found.forecasts, strict=True):
        assert (new.keys, new.cutoff, new.step, new.units) == (old.keys, old.cutoff, old.step, old.units)
        assert new.models == old.models
        np.testing.assert_array_equal(new.mean, old.mean)
        np.testing.assert_array_equal(new.values, old.values)
    assert to_files(found) == to_files(made)


def test_the_same_bundle_is_the_same_folder_and_nothing_else_is_left(tmp_path):
    first, second = (BundleFolder(tmp_path).keep(bundle()) for _ in range(2))
    assert first == second
    assert [each.name for each in tmp_path.iterdir()] == [first.digest[:16]]


def test_the_seal_is_read_by_sha256sum(tmp_path):
    kept = BundleFolder(tmp_path).keep(bundle())
    said = subprocess.run(["sha256sum", "--check", "--quiet", SEAL], cwd=kept.path, check=False, timeout=10)
    assert said.returncode == 0


@pytest.mark.parametrize("name", [TABLE, MANIFEST])
def test_one_flipped_bit_anywhere_is_refused(tmp_path, name):
    kept = BundleFolder(tmp_path).keep(bundle())
    path = kept.path / name
    whole = path.read_bytes()
    for position in range(0, len(whole), max(len(whole) // 50, 1)):
        broken = bytearray(whole)
        broken[position] ^= 1 << position % 8
        path.write_bytes(broken)
        with pytest.raises(ModelError, match=f"{name} is not what was registered"):
            read_bundle(kept.path, kept.digest)
        with pytest.raises(ModelError):
            read_bundle(kept.path)
    path.write_bytes(whole)
    read_bundle(kept.path)


@pytest.mark.parametrize("name", [TABLE, MANIFEST, SEAL])
def test_a_missing_file_is_named(tmp_path, name):
    kept = BundleFolder(tmp_path).keep(bundle())
    (kept.path / name).unlink()
    with pytest.raises(ModelError, match=name):
        read_bundle(kept.path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        BundleFolder(tmp_path / "file").keep(bundle())


def snapshot():
    values = np.array([1.0, np.nan, -0.0, 1e-300, np.nan])
    series = tuple(
        Series(key=SeriesKey.of(name), start=START, step=step, values=values, unit="seconds")
        for name, step in (("a", MINUTE), ("b", timedelta(seconds=0.25)))
    )
    return Snapshot(query="up", until=START + MINUTE, series=series, skipped=(("c", "no rows"),))


def test_a_snapshot_keeps_gaps_at_the_end_and_its_digest(tmp_path):
    made = snapshot()
    found = read_snapshot(write_snapshot(made, tmp_path))
    assert found.digest == made.digest
    assert (found.query, found.until, found.skipped) == (made.query, made.until, made.skipped)
    for old, new in zip(made.series, found.series, strict=True):
        assert (new.key, new.start, new.step, new.unit) == (old.key, old.start, old.step, old.unit)
        np.testing.assert_array_equal(new.values, old.values)


def test_another_query_or_value_is_another_digest():
    made = snapshot()
    other = Snapshot(query="down", until=made.until, series=made.series, skipped=made.skipped)
    changed = Series(key=SeriesKey.of("a"), start=START, step=MINUTE, values=made.series[0].values + 1, unit="seconds")
    third = Snapshot(query="up", until=made.until, series=(changed, made.series[1]), skipped=made.skipped)
    assert len({made.digest, other.digest, third.digest}) == 3


def test_a_snapshot_that_was_changed_is_refused(tmp_path):
    folder = write_snapshot(snapshot(), tmp_path)
    head = folder / "snapshot.json"
    head.write_text(head.read_text().replace('"up"', '"down"'))
    with pytest.raises(DataError, match="is not what was written"):
        read_snapshot(folder)
    head.unlink()
    with pytest.raises(DataError, match="no snapshot"):
        read_snapshot(folder)
