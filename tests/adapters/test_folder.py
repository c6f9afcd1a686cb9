"""Folders of telemetry: layouts, the index, units and metadata, and what one bad file does to the others."""

import asyncio
import gzip
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from aiops.adapters.folder import FolderSource
from aiops.errors import DataError
from aiops.series import SeriesKey
from aiops.series.quality import Defect

START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROWS = "timestamp,value\n" + "".join(f"{START.timestamp() + 60 * row:.0f},{row}\n" for row in range(100))
NAN = float("nan")


def only(root):
    (series,) = FolderSource(root).read().series
    return series


@pytest.mark.parametrize(
    "stamps",
    [
        ["1793577600", "1793577660", "1793577780"],
        ["1793577600.0", "1793577660.0", "1793577780.0"],
        ["2026-11-02T00:00:00Z", "2026-11-02T00:01:00Z", "2026-11-02T00:03:00Z"],
        ["2026-11-02T00:00:00Z", "2026-11-02T00:01:00.000Z", "2026-11-02T00:03:00Z"],
        ["2026-11-02T02:00:00+02:00", "2026-11-02T02:01:00+02:00", "2026-11-02T02:03:00+02:00"],
        ["2026-11-02 00:00:00", "2026-11-02 00:01:00", "2026-11-02 00:03:00"],
    ],
    ids=["seconds", "fractions", "zulu", "mixed fractions", "offset", "no zone"],
)
def test_every_way_to_write_a_timestamp_means_the_same(tmp_path, stamps):
    rows = "\n".join(f"{stamp},{number}" for number, stamp in enumerate(stamps))
    (tmp_path / "a.csv").write_text(f"timestamp,value\n{rows}\n")
    (tmp_path / "index.csv").write_text("name,step_s\na,60\n")
    series = only(tmp_path)
    assert (series.start, series.step) == (START, MINUTE)
    np.testing.assert_array_equal(series.values, [0, 1, NAN, 2])


def test_a_fraction_far_down_a_long_file_is_no_surprise(tmp_path):
    rows = [f"{1_790_000_000 + 60 * row},{row}" for row in range(150_000)]
    rows[-1] = f"{1_790_000_000 + 60 * 149_999}.5,7"
    (tmp_path / "a.csv").write_text("timestamp,value\n" + "\n".join(rows))
    assert only(tmp_path).values[-1] == 7


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_parquet_may_hold_instants_of_any_precision(tmp_path, unit, zone):
    stamps = pyarrow.array([1793577600, 1793577660], pyarrow.int64()).cast(pyarrow.timestamp("s"))
    table = pyarrow.table({"timestamp": stamps.cast(pyarrow.timestamp(unit, zone)), "value": pyarrow.array([1, 2])})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", version="2.6")
    assert (only(tmp_path).start, only(tmp_path).values.tolist()) == (START, [1.0, 2.0])


def test_without_an_index_all_files_below_are_read_and_named_by_their_path(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "web.v2.csv").write_text(ROWS)
    (tmp_path / "shop" / "cart.csv.gz").write_bytes(gzip.compress(ROWS.encode()))
    (tmp_path / "shop" / "notes.txt").write_text("no telemetry")
    assert [entry.name for entry in FolderSource(tmp_path).entries()] == ["shop/cart", "web.v2"]


def test_one_file_is_a_folder_of_its_own(tmp_path):
    (tmp_path / "web.csv").write_text(ROWS)
    (tmp_path / "other.csv").write_text("broken")
    assert only(tmp_path / "web.csv").key == SeriesKey("web")


def test_many_series_may_stand_in_one_file_in_any_order(tmp_path):
    start = int(START.timestamp())
    rows = "".join(
        f"{name},{start + 60 * row},{row + shift}\n" for row in range(3) for name, shift in (("b", 0), ("a", 10))
    )
    (tmp_path / "all.csv").write_text("series_id,timestamp,value\n" + rows)
    found = FolderSource(tmp_path).read()
    assert {each.key.name: each.values.tolist() for each in found.series} == {"b": [0, 1, 2], "a": [10, 11, 12]}


def test_an_id_with_labels_is_a_key_with_labels(tmp_path):
    row = '"up{job=""shop""}",1793577600,1\n"up{job=""shop""}",1793577660,2\n'
    (tmp_path / "all.csv").write_text("series_id,timestamp,value\n" + row)
    assert only(tmp_path).key == SeriesKey.of("up", {"job": "shop"})


def test_the_index_says_step_unit_and_more(tmp_path):
    (tmp_path / "a.csv").write_text(ROWS)
    (tmp_path / "hidden.csv").write_text("not listed, not read")
    (tmp_path / "index.csv").write_text("name,step_s,unit,capacity_per_replica\na,60,requests/s,6.5\n")
    (entry,) = FolderSource(tmp_path).entries()
    assert (entry.step, entry.unit, entry.metadata) == (MINUTE, "requests/second", {"capacity_per_replica": "6.5"})
    assert only(tmp_path).unit == "requests/second"


def test_another_column_comes_on_the_same_grid(tmp_path):
    start = int(START.timestamp())
    rows = f"{start},5,0\n{start + 60},6,1\n{start + 60},7,0\n{start + 180},8,1\n"
    (tmp_path / "a.csv").write_text("timestamp,value,label\n" + rows)
    (tmp_path / "index.csv").write_text("name,step_s\na,60\n")
    source = FolderSource(tmp_path)
    (label,) = source.column(source.entries(), "label")
    np.testing.assert_array_equal(label.values, [0, 1, NAN, 1])
    assert (label.start, len(label)) == (only(tmp_path).start, len(only(tmp_path)))
    with pytest.raises(DataError, match="no column colour, only timestamp, value, label"):
        source.column(source.entries(), "colour")


def test_duplicated_rows_are_counted_and_the_first_is_kept(tmp_path):
    start = int(START.timestamp())
    (tmp_path / "a.csv").write_text(f"timestamp,value\n{start},1\n{start + 60},2\n{start + 60},3\n{start + 120},4\n")
    found = FolderSource(tmp_path).read()
    assert found.series[0].values.tolist() == [1, 2, 4]
    assert found.qualities[0].duplicates == 1
    assert Defect.DUPLICATES in found.qualities[0].defects


def test_bad_files_are_named_and_the_others_are_read(tmp_path):
    (tmp_path / "good.csv").write_text(ROWS)
    (tmp_path / "bad.csv").write_text("timestamp,value\n1,x\n")
    (tmp_path / "empty.csv").write_text("")
    found = FolderSource(tmp_path).read()
    assert [each.key.name for each in found.series] == ["good"]
    assert [name for name, _ in found.skipped] == ["bad", "empty"]
    assert "bad.csv, line 2: value 'x' is not a number" in found.skipped[0][1]


def test_one_bad_series_of_a_file_spares_the_others(tmp_path):
    rows = "a,1793577600,1\na,1793577660,2\nb,1793577660,1\nb,1793577600,2\nc,1793577600,inf\nc,1793577660,2\n"
    (tmp_path / "all.csv").write_text("series_id,timestamp,value\n" + rows)
    found = FolderSource(tmp_path).read()
    assert [each.key.name for each in found.series] == ["a"]
    assert [(name, reason.split(": ")[0].split(", ")[1]) for name, reason in found.skipped] == [
        ("b", "line 5"),
        ("c", "line 6"),
    ]


def test_only_bad_files_are_an_error_that_shows_one_and_counts_the_rest(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text("")
    with pytest.raises(DataError, match=r"a\.csv is empty.*and 2 more that cannot be used"):
        FolderSource(tmp_path).read()


def test_a_range_leaves_out_what_has_another_step_and_says_so(tmp_path):
    (tmp_path / "fine.csv").write_text(ROWS)
    coarse = "".join(f"{START.timestamp() + 300 * row:.0f},{row}\n" for row in range(9))
    (tmp_path / "coarse.csv").write_text("timestamp,value\n" + coarse)
    found = asyncio.run(FolderSource(tmp_path).range("*", START, START + 10 * MINUTE, MINUTE))
    assert [each.key.name for each in found.series] == ["fine"]
    assert found.skipped == (("coarse", "coarse has a step of 300 s and not of 60 s"),)
    with pytest.raises(DataError, match="nothing that matches 'coarse' can be used"):
        asyncio.run(FolderSource(tmp_path).range("coarse", START, START + 10 * MINUTE, MINUTE))


def test_the_real_folders_are_read_whole(data_dir):
    for name, series, points in (("workload", 22, 800_000), ("forecast", 358, 1_800_000), ("anomaly", 86, 2_700_000)):
        found = FolderSource(data_dir / name).read()
        assert (len(found.series), found.skipped) == (series, ())
        assert sum(quality.points for quality in found.qualities) > points


def test_the_real_index_agrees_with_what_is_read(data_dir):
    source = FolderSource(data_dir / "forecast")
    entries = source.entries()
    for entry, series, quality in zip(entries, source.read().series, source.read().qualities, strict=True):
        assert series.start == datetime.fromisoformat(entry.metadata["start"])
        assert series.end - series.step == datetime.fromisoformat(entry.metadata["end"])
        assert quality.points == int(entry.metadata["n"])
        assert quality.gap_ratio == pytest.approx(float(entry.metadata["missing_frac"]), abs=1e-4)
