"""Trees on disk: a restart goes on with them, and whatever is wrong with the file costs a training and no answer."""

import sqlite3
import time
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.adapters.kept_trees import KEEP, KeptTrees
from aiops.errors import DataError
from aiops.forecasting.boosted_features import COUNT
from aiops.forecasting.boosted_trees import Trees, grow, pack, predict, unpack
from aiops.forecasting.catalog import window_forecaster
from aiops.series import Series, SeriesKey

START = datetime(2026, 1, 5, 3, 20, tzinfo=UTC)
STEP = timedelta(minutes=5)
DAY = 288
LEVELS = np.array([0.5, 0.95])


class Calendar:
    """A clock that is set."""

    def __init__(self):
        self.at = START

    def now(self):
        return self.at


@pytest.fixture
def clock():
    return Calendar()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "trees.sqlite"


@pytest.fixture
def opened(path, clock):
    """Opens the file as a process would; all are closed at the end."""
    found = []

    def once_more(**more):
        found.append(KeptTrees(path, clock, **more))
        return found[-1]

    yield once_more
    for each in found:
        each.close()


@pytest.fixture(scope="module")
def trees():
    random = np.random.default_rng(0)
    rows = random.standard_normal((1000, COUNT)).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    return grow(rows, np.nan_to_num(rows[:, 0]) + random.standard_normal(1000), 0.9)


def demand(end):
    """What is known of a series at some time."""
    random = np.random.default_rng(3)
    values = 20 + 8 * np.sin(2 * np.pi * np.arange(DAY * 9) / DAY) + random.gamma(2.0, 1.0, DAY * 9)
    values[::12] += 30
    key = SeriesKey("demand")
    return Series(key=key, start=START, step=STEP, values=values[:end])


def answer(forecaster, series):
    return forecaster.window_maximum(series, np.array([len(series) - 1]), 2, LEVELS)


def count(path):
    with sqlite3.connect(path) as file:
        return file.execute("SELECT count(*) FROM trees").fetchone()[0]


def same(one, other):
    pairs = list(zip(one, other, strict=True))
    return all(np.array_equal(mine, theirs) and mine.dtype == theirs.dtype for mine, theirs in pairs)


def test_a_restart_changes_nothing_and_trains_nothing(opened, path):
    first = window_forecaster("boosted", opened())
    answer(first, demand(DAY * 7))
    kept = count(path)
    assert kept >= 8  # two levels, and the days whose errors are remembered

    later = demand(DAY * 7 + 30)
    found, seconds = {}, {}
    for name, store in (("with nothing", None), ("with trees", opened())):
        started = time.process_time()
        found[name] = answer(window_forecaster("boosted", store), later)
        seconds[name] = time.process_time() - started
    assert seconds["with trees"] < 0.5 * seconds["with nothing"]
    assert count(path) == kept
    assert np.array_equal(found["with trees"], answer(first, later)), "as the process that went on"


def test_what_was_learnt_from_other_values_or_by_other_code_is_not_taken(opened, path, monkeypatch):
    series = demand(DAY * 7)
    answer(window_forecaster("boosted", opened()), series)
    kept = count(path)
    rewritten = Series(key=series.key, start=series.start, step=series.step, values=series.values * 2)
    again = window_forecaster("boosted", opened())
    assert np.array_equal(answer(again, rewritten), answer(window_forecaster("boosted"), rewritten))
    assert count(path) == 2 * kept
    monkeypatch.setattr("aiops.forecasting.boosted.digest_of_sources", lambda folder: "the next release")
    answer(window_forecaster("boosted", opened()), series)
    assert count(path) == 3 * kept


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE trees SET content = substr(content, 1, 100)",
        "UPDATE trees SET digest = zeroblob(32)",
        "PRAGMA user_version = 99",
        "DROP TABLE trees",
    ],
)
def test_what_is_broken_is_grown_again(opened, path, trees, harm):
    store = opened()
    store.put("it", trees)
    assert same(store.get("it"), trees)
    store.close()
    with sqlite3.connect(path) as file:
        file.execute(harm)
    store = opened()
    assert store.get("it") is None
    store.put("it", trees)
    assert same(opened().get("it"), trees)


def test_a_file_that_is_no_database_is_begun_anew(opened, path, trees):
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    opened().put("it", trees)
    assert same(opened().get("it"), trees)


def test_a_disk_that_fails_stops_no_answer(opened, path):
    path.parent.write_text("a file where the folder should be")
    series = demand(DAY * 5)
    found = answer(window_forecaster("boosted", opened()), series)
    assert np.array_equal(found, answer(window_forecaster("boosted"), series))


def test_what_nothing_asks_for_any_more_goes(opened, path, clock, trees):
    store = opened(most=3)
    store.put("old", trees)
    clock.at += KEEP + timedelta(seconds=1)
    store.put("0", trees)
    assert store.get("old") is None
    for name in "123":
        store.put(name, trees)
    assert count(path) == 3
    assert [name for name in "0123" if store.get(name) is not None] == ["1", "2", "3"]


def test_whatever_is_read_is_trees_or_refused(trees):
    content = pack(trees)
    assert same(unpack(content, COUNT), trees)
    rows = np.zeros((3, COUNT), dtype=np.float32)

    plain = zlib.decompress(content)

    @given(place=st.integers(0, len(plain) - 1), byte=st.integers(0, 255), compressed=st.booleans())
    @settings(max_examples=300)
    def any_byte(place, byte, compressed):
        whole = plain if compressed else content
        place %= len(whole)
        changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
        try:
            found = unpack(zlib.compress(changed) if compressed else changed, COUNT)
        except DataError:
            return
        assert np.isfinite(predict(found, rows)).all()

    any_byte()


@pytest.mark.parametrize(
    ("part", "wrong"), [("left", 0), ("right", -(10**6)), ("feature", COUNT), ("roots", 10**6), ("leaves", np.nan)]
)
def test_trees_that_lead_nowhere_are_refused(trees, part, wrong):
    values = getattr(trees, part).copy()
    values[-1] = wrong
    with pytest.raises(DataError, match="leads nowhere"):
        unpack(pack(Trees(**{**trees._asdict(), part: values})), COUNT)
