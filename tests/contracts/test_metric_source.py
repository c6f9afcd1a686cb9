"""What every MetricSource does, in memory, from a folder and from a real Prometheus alike."""

import asyncio
import gzip
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import testbed.prometheus
from aiops.adapters.folder import FolderSource
from aiops.adapters.memory import MemorySource
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.errors import DataError
from aiops.series import Series, SeriesKey
from aiops.series.quality import Defect
from aiops.settings import PrometheusSettings

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
MINUTE = timedelta(minutes=1)
NAN = float("nan")
names = (f"contract_{number}" for number in range(1_000_000))


def in_memory(series, folder, request):
    return MemorySource(series)


def in_csv(series, folder, request):
    """One gzipped file of many series, ISO stamps, rows of missing points left out, steps told by an index."""
    lines, index = ["series_id,timestamp,value"], ["series_id,file,step_s"]
    for each in series:
        index.append(f"{each.key.series_id},all.csv.gz,{each.step.total_seconds():g}")
        for stamp, value in zip(each.stamps().tolist(), each.values.tolist(), strict=True):
            if not math.isnan(value):
                lines.append(f"{each.key.series_id},{datetime.fromtimestamp(stamp, UTC).isoformat()},{value!r}")
    (folder / "all.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "index.csv").write_text("\n".join(index))
    return FolderSource(folder)


def in_parquet(series, folder, request):
    """A file a series, no index, empty cells for missing points."""
    for each in series:
        table = pyarrow.table({"timestamp": each.stamps(), "value": each.values})
        pyarrow.parquet.write_table(table, folder / f"{each.key.series_id}.parquet")
    return FolderSource(folder)


def in_prometheus(series, folder, request):
    at = PrometheusSettings(url=request.getfixturevalue("prometheus").url)
    RemoteWriter(at).write(series)
    return PrometheusSource(at)


def in_prometheus_3(series, folder, request):
    at = PrometheusSettings(url=request.getfixturevalue("prometheus_3").url)
    RemoteWriter(at).write(series)
    return PrometheusSource(at)


@pytest.fixture(scope="module")
def prometheus_3():
    with testbed.prometheus.prometheus(program="prometheus-3") as server:
        yield server


@pytest.fixture(
    params=[in_memory, in_csv, in_parquet, in_prometheus, pytest.param(in_prometheus_3, marks=pytest.mark.slow)],
    ids=lambda make: make.__name__,
)
def make(request, tmp_path_factory):
    return lambda series: request.param(series, tmp_path_factory.mktemp("source"), request)


def series(name, values, start=START, step=MINUTE):
    return Series(key=SeriesKey(name), start=start, step=step, values=np.array(values, dtype=np.float64))


def read(source, query, start=START, end=START + 5 * MINUTE, step=MINUTE):
    return asyncio.run(source.range(query, start, end, step))


def test_values_come_back_at_their_stamps_on_the_grid_that_was_asked_for(make):
    name = next(names)
    found = read(make([series(name, [1, 2, 3])]), name)
    (only,) = found.series
    assert (only.key, only.start, only.step) == (SeriesKey(name), START, MINUTE)
    np.testing.assert_array_equal(only.values, [1, 2, 3, NAN, NAN])
    assert found.skipped == found.warnings == ()


def test_a_gap_is_nan_and_is_not_filled(make):
    name = next(names)
    np.testing.assert_array_equal(
        read(make([series(name, [1, NAN, NAN, 4, 5])]), name).series[0].values, [1, NAN, NAN, 4, 5]
    )


def test_the_first_stamp_is_in_and_the_end_is_not(make):
    name = next(names)
    source = make([series(name, range(10))])
    part = read(source, name, start=START + 3 * MINUTE, end=START + 6 * MINUTE)
    np.testing.assert_array_equal(part.series[0].values, [3, 4, 5])


def test_a_value_is_not_there_before_it_was_known(make):
    """A point whose step began at :30 was known at :30 of the next minute: it belongs to the step that ends after."""
    name = next(names)
    source = make([series(name, [7, 8], start=START + timedelta(seconds=30))])
    np.testing.assert_array_equal(read(source, name).series[0].values, [NAN, 7, 8, NAN, NAN])


def test_every_series_has_its_verdict_and_they_come_in_the_order_of_their_keys(make):
    first, second, third = sorted(next(names) for _ in range(3))
    source = make([series(third, [NAN, 1, NAN, 1, 1]), series(first, range(5)), series(second, [1, 1, 1, 1, 1])])
    for query, expected in ((first, [first]), (second, [second]), (third, [third])):
        found = read(source, query)
        assert [each.key.name for each in found.series] == expected
        assert len(found.qualities) == 1
    assert Defect.GAPPY in read(source, third).qualities[0].defects
    assert Defect.CONSTANT in read(source, second).qualities[0].defects


def test_a_series_that_is_silent_at_the_end_of_the_range_is_stale(make):
    name = next(names)
    source = make([series(name, range(60))])
    assert Defect.STALE in read(source, name, end=START + 66 * MINUTE).qualities[0].defects
    assert Defect.STALE not in read(source, name, end=START + 65 * MINUTE).qualities[0].defects


def test_what_matches_nothing_is_said_with_the_query(make):
    name = next(names)
    with pytest.raises(DataError, match="query 'no_such_series' matches nothing"):
        read(make([series(name, [1, 2])]), "no_such_series")


def test_what_has_nothing_in_the_range_is_said_with_the_range(make):
    name = next(names)
    source = make([series(name, [1, 2])])
    with pytest.raises(DataError, match="matches nothing from"):
        read(source, name, start=START + timedelta(days=1), end=START + timedelta(days=2))


@pytest.mark.parametrize(
    ("start", "step", "said"), [(START.replace(tzinfo=None), MINUTE, "UTC"), (START, -MINUTE, "step must be positive")]
)
def test_a_range_that_is_none_is_refused(make, start, step, said):
    name = next(names)
    with pytest.raises(DataError, match=said):
        read(make([series(name, [1, 2])]), name, start=start, step=step)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.one_of(st.floats(allow_infinity=False, allow_nan=False), st.just(NAN)), min_size=2, max_size=30
    ).filter(lambda values: sum(not math.isnan(value) for value in values) >= 2),
    step=st.sampled_from([timedelta(seconds=1), timedelta(seconds=15), MINUTE, timedelta(hours=1)]),
    phase=st.integers(0, 59),
)
def test_values_and_stamps_survive_the_round_trip_to_the_bit(make, values, step, phase):
    written = series(next(names), values, start=START + timedelta(seconds=phase), step=step)
    (only,) = read(make([written]), written.key.name, start=written.start, end=written.end, step=step).series
    assert (only.key, only.start, only.step) == (written.key, written.start, step)
    np.testing.assert_array_equal(only.values, written.values)
