"""Training against a real MLflow on SQLite: who becomes the champion, and what a broken run leaves behind."""

import asyncio
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from aiops.adapters.bundle_files import TABLE, BundleFolder, to_files
from aiops.adapters.local_mapper import LocalMapper
from aiops.adapters.mlflow_models import MlflowModels
from aiops.adapters.snapshot import read_snapshot, write_snapshot
from aiops.backtest.promotion import Gate, Reason
from aiops.backtest.training import Plan
from aiops.errors import ConfigError, DataError, ModelError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.series import Series, SeriesKey
from aiops.series.snapshot import Snapshot
from aiops.usecases import train
from testbed.server import free_port
from tests.usecases import deadly

STEP = timedelta(minutes=30)
DAY = timedelta(days=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 28
NAME = "fleet"
GOOD = Plan(forecasters=("holt-winters",), horizon=DAY)
POOR = Plan(forecasters=("seasonal-naive",), horizon=DAY)


def load(name, days=DAYS, seed=0, weekend=1.0):
    """A noisy load of days that are alike: seasonal naive repeats the noise, Holt-Winters smooths it."""
    hours = np.arange(days * 48) / 2
    weekday = np.where(hours // 24 % 7 < 5, 1.0, weekend)
    noise = np.random.default_rng(seed).lognormal(0, 0.1, len(hours))
    values = 100 * weekday * (1.5 + np.sin(hours * np.pi / 12)) * noise
    return Series(key=SeriesKey.of(name), start=START, step=STEP, values=values, unit="requests/second")


def snapshot(until=None, names=("mail", "search", "shop")):
    """The fleet as it was known at an instant."""
    until = until or START + DAYS * DAY
    series = [load(name, seed=number).known_at(until) for number, name in enumerate(names)]
    return Snapshot(query="", until=until, series=tuple(series))


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory):
    """An SQLite file with MLflow's tables: making them takes seconds, copying them does not."""
    folder = tmp_path_factory.mktemp("registry")
    assert asyncio.run(MlflowModels(f"sqlite:///{folder}/mlflow.db").champion(NAME)) is None
    return folder / "mlflow.db"


@pytest.fixture
def place(tmp_path, empty_registry):
    shutil.copy(empty_registry, tmp_path / "mlflow.db")
    return tmp_path


def uri(place):
    return f"sqlite:///{place}/mlflow.db"


def trained(place, taken, plan=GOOD, registry=None, workers=1):
    return asyncio.run(
        train.run(
            taken,
            plan,
            Gate(),
            name=NAME,
            mapper=LocalMapper(workers),
            shelf=BundleFolder(place / "bundles"),
            store=MlflowModels(registry or uri(place)),
            progress=lambda done, total: None,
        )
    )


def champion(place):
    return asyncio.run(MlflowModels(uri(place)).champion(NAME))


def test_the_first_is_the_champion_and_its_bundle_comes_back(place):
    done = trained(place, snapshot())
    assert (done.verdict.reason, done.champion) == (Reason.FIRST, None)
    assert champion(place) == done.version
    found = asyncio.run(MlflowModels(uri(place)).load(done.version))
    assert to_files(found) == to_files(done.bundle)
    forecast = found.forecast_of(SeriesKey.of("shop"))
    assert forecast.start == START + DAYS * DAY
    assert forecast.horizon == 48
    assert forecast.units == ("requests/second",)


def test_a_worse_challenger_is_registered_and_refused(place):
    first = trained(place, snapshot(START + 27 * DAY))
    worse = trained(place, snapshot(START + 27.5 * DAY), POOR)
    assert worse.verdict.reason is Reason.WORSE
    assert worse.verdict.ratio is not None
    assert worse.verdict.ratio > 1.1
    assert worse.version.number != first.version.number
    assert champion(place) == first.version


def test_a_better_challenger_becomes_the_champion_on_the_same_data(place):
    first = trained(place, snapshot(), POOR)
    better = trained(place, snapshot(), GOOD)
    assert better.verdict.reason is Reason.BETTER
    assert better.champion == first.version
    assert champion(place) == better.version
    own = {entry.key: entry.accuracy.crps for entry in first.bundle.entries}
    assert better.champion_crps == own, "the champion is scored on the same folds as it was itself"


def test_intervals_that_do_not_cover_refuse_even_the_first(place):
    quiet_weekends = replace(snapshot(), series=(load("office", weekend=0.3),))
    done = trained(place, quiet_weekends, POOR)  # a Saturday is not like the Friday before
    assert done.verdict.reason is Reason.UNCOVERED
    assert champion(place) is None


def test_the_same_recipe_on_later_data_follows_and_again_does_not(place):
    trained(place, snapshot(START + 27 * DAY))
    later = trained(place, snapshot())
    assert (later.verdict.reason, later.verdict.ratio) == (Reason.FRESHER, 1.0)
    again = trained(place, snapshot())
    assert again.verdict.reason is Reason.NOT_BETTER
    assert again.version == later.version == champion(place)


def test_a_champion_that_has_run_out_is_followed_even_by_a_worse_one(place):
    trained(place, snapshot(START + 27 * DAY))
    done = trained(place, snapshot(START + 28 * DAY), POOR)  # a day later, a day was forecast: nothing is left of it
    assert done.verdict.reason is Reason.EXPIRED
    assert champion(place) == done.version


def test_older_data_do_not_move_a_champion(place):
    first = trained(place, snapshot(), POOR)
    older = trained(place, snapshot(START + 20 * DAY))
    assert older.verdict.reason is Reason.STALE
    assert champion(place) == first.version


def test_silent_series_are_left_out_counted_and_do_not_move_a_champion(place):
    first = trained(place, snapshot(START + 27 * DAY), POOR)
    whole = snapshot()
    silent = whole.series[0].known_at(whole.until - DAY / 2)
    done = trained(place, replace(whole, series=(silent, *whole.series[1:])))
    assert done.verdict.reason is Reason.STALE
    assert champion(place) == first.version
    ((series_id, reason),) = done.bundle.skipped
    assert series_id == "mail"
    assert reason.startswith("stale: last seen 2026-03-29T11:30:00+00:00")


def test_a_short_series_is_left_out_with_what_it_would_need(place):
    whole = snapshot()
    short = load("young", days=2).known_at(whole.until)
    short = replace(short, start=whole.until - 2 * DAY)
    done = trained(place, replace(whole, series=(*whole.series, short)))
    assert done.verdict.reason is Reason.FIRST
    assert [entry.key.name for entry in done.bundle.entries] == ["mail", "search", "shop"]
    ((series_id, reason),) = done.bundle.skipped
    assert (series_id, reason[:20]) == ("young", "too short: 96 points")


def test_a_flat_series_has_no_error_to_scale_and_says_so(place):
    whole = snapshot()
    flat = replace(whole.series[-1], key=SeriesKey.of("still"), values=np.full(DAYS * 48, 3.0))
    done = trained(place, replace(whole, series=(*whole.series, flat)))
    assert done.bundle.skipped[0][0] == "still"
    assert "flat" in done.bundle.skipped[0][1]


def test_nothing_to_train_on_is_an_error_that_names_the_first_reason(place):
    with pytest.raises(DataError, match="none of 3 series can be trained on; the first: mail: too short"):
        trained(place, snapshot(START + 2 * DAY))


def test_the_same_snapshot_gives_the_same_bytes_wherever_and_by_whomever(place, tmp_path):
    plan = Plan(horizon=DAY)
    taken = snapshot()
    folder = write_snapshot(taken, tmp_path / "snapshots")
    here = trained(place, taken, plan)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(place / "mlflow.db", elsewhere / "mlflow.db")  # a registry with a champion
    there = trained(elsewhere, read_snapshot(folder), plan, workers=2)
    assert here.kept.digest == there.kept.digest
    names = sorted(each.name for each in here.kept.path.iterdir())
    assert len(names) == 3
    for name in names:
        assert (here.kept.path / name).read_bytes() == (there.kept.path / name).read_bytes()


def test_what_comes_after_the_cutoff_does_not_change_the_bundle(place):
    until = START + 26 * DAY
    known = snapshot(until)
    spoiled = [replace(load(each.key.name, seed=number), values=load(each.key.name, seed=number).values.copy())
               for number, each in enumerate(known.series)]  # fmt: skip
    for each in spoiled:
        each.values[26 * 48 :] = 1e9
    same = replace(known, series=tuple(each.known_at(until) for each in spoiled))
    assert trained(place, known).kept.digest == trained(place, same).kept.digest


def test_a_series_that_kills_or_fails_each_worker_is_left_out_alone_and_named(monkeypatch):
    monkeypatch.setattr("aiops.usecases.train.train", deadly.train)
    names = ("a", "killer", "mail", "riddle", "shop")
    done = []
    shards = train.deal(snapshot(names=names).series, {}, GOOD)
    found = train.fit(shards, LocalMapper(2), lambda each, of: done.append((each, of)))
    skipped = dict(reason for each in found for reason in each.skipped)
    assert [entry.key.name for each in found for entry in each.entries] == ["a", "mail", "shop"]
    assert "its worker died twice" in skipped["killer"]
    assert skipped["riddle"] == "ZeroDivisionError: no model is defined for it"
    assert len(skipped) == 2
    assert done == [(1, 1)]
    assert len(train.bundle_of(snapshot(names=names), GOOD, (), found).entries) == 3


def test_a_champion_with_a_flipped_bit_is_refused_and_stays(place):
    first = trained(place, snapshot(START + 27 * DAY))
    (path,) = (place / "artifacts").rglob(TABLE)
    broken = bytearray(path.read_bytes())
    broken[len(broken) // 2] ^= 1
    path.write_bytes(broken)
    with pytest.raises(ModelError, match="is not what was registered"):
        trained(place, snapshot())
    assert champion(place) == first.version


KILLED = """
import sys
sys.path.insert(0, {tests!r})
import os
from pathlib import Path
from mlflow.tracking import MlflowClient
def die(*_, **__): os._exit(9)
import test_train as t
setattr(MlflowClient, {method!r}, die)
t.trained(Path({place!r}), t.snapshot(), t.GOOD)
"""


@pytest.mark.parametrize(
    ("method", "versions"), [("log_artifacts", 0), ("create_model_version", 0), ("set_registered_model_alias", 1)]
)
def test_a_run_that_is_killed_leaves_the_champion_and_a_rerun_completes_it(place, method, versions):
    from mlflow.tracking import MlflowClient

    first = trained(place, snapshot(), POOR)
    code = KILLED.format(tests=str(Path(__file__).parent), method=method, place=str(place))
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, check=False, capture_output=True, timeout=100)
    assert ended.returncode == 9, ended.stderr.decode()
    assert champion(place) == first.version
    client = MlflowClient(tracking_uri=uri(place), registry_uri=uri(place))
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1 + versions
    again = trained(place, snapshot(), GOOD)
    assert again.verdict.reason is Reason.BETTER
    assert champion(place) == again.version
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 2


def test_an_mlflow_that_does_not_answer_costs_no_work(place, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    began = time.monotonic()
    with pytest.raises(UpstreamUnavailableError, match=r"the bundle is kept in .* run again with --snapshot") as raised:
        trained(place, snapshot(), registry=f"http://127.0.0.1:{free_port()}")
    assert time.monotonic() - began < 60
    (folder,) = (place / "bundles").iterdir()
    assert str(folder) in str(raised.value)
    assert trained(place, snapshot()).kept.path == folder


def test_a_registry_that_is_none_is_named(place):
    with pytest.raises(ConfigError, match="sqlite:///path"):
        MlflowModels("postgres://db")
    (place / "text.db").write_text("this is no database, and MLflow would try for minutes")
    with pytest.raises(UpstreamRejectedError, match="no SQLite database"):
        asyncio.run(MlflowModels(f"sqlite:///{place}/text.db").champion(NAME))
