"""The tasks of a training run, called one by one as Airflow calls them: on files, and to the same bundle."""

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from aiops.adapters.bundle_files import BundleFolder
from aiops.adapters.local_mapper import LocalMapper
from aiops.adapters.mlflow_models import MlflowModels
from aiops.adapters.snapshot import read_snapshot
from aiops.backtest.promotion import Gate
from aiops.backtest.training import Plan
from aiops.errors import ConfigError, DataError
from aiops.jobs import train_forecasters as job
from aiops.jobs.run import end_of, slices
from aiops.usecases import train

STEP = 1800
DAY = 48
START = 1_790_000_000 - 1_790_000_000 % 86_400
END = datetime.fromtimestamp(START, UTC) + timedelta(days=10)


@pytest.fixture
def given(tmp_path):
    """Two services, one of them younger: two grids, and so two shards."""
    source = tmp_path / "traces"
    source.mkdir()
    for number, (name, first) in enumerate((("shop", 0), ("young", 3 * DAY))):
        noise = np.random.default_rng(number).lognormal(0, 0.1, 10 * DAY)
        values = 100 * (1.5 + np.sin(np.arange(10 * DAY) * np.pi / 24)) * noise
        rows = [f"{START + STEP * row},{values[row]}" for row in range(first, 10 * DAY)]
        (source / f"{name}.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
    folder = tmp_path / "training"
    return {"source": str(source), "step": "30m", "horizon": "1d", "forecasters": "holt-winters", "folder": str(folder)}


def begun(given, **changes):
    run = job.plan({**given, **changes}, END)
    job.take_snapshot(run)
    return run, job.deal(run)


def test_tasks_come_to_what_one_process_comes_to(given, tmp_path):
    run, parts = begun(given)
    assert parts == [[0, 1], [1, 2]]
    fitted = [job.fit(run, part) for part in reversed(parts)]
    assert [each["series"] for each in fitted] == [1, 1]
    made = job.assemble(run, parts)
    assert (made["version"], made["champion"], made["reason"], made["series"]) == ("1", True, "First", 2)

    (snapshot,) = (Path(run) / "snapshots").iterdir()
    shutil.copytree(tmp_path / "training", tmp_path / "copy")
    alone = asyncio.run(
        train.run(
            read_snapshot(snapshot),
            Plan(forecasters=("holt-winters",), horizon=timedelta(days=1)),
            Gate(),
            name="alone",
            mapper=LocalMapper(),
            shelf=BundleFolder(tmp_path / "bundles"),
            store=MlflowModels(f"sqlite:///{tmp_path}/copy/mlflow.db"),
            progress=lambda done, total: None,
        )
    )
    assert alone.kept.digest == made["digest"]

    other, whole = begun(given, tasks=1, workers=2)
    assert (whole, other != run) == ([[0, 2]], True)
    job.fit(other, whole[0])
    again = job.assemble(other, whole)
    assert (again["digest"], again["version"], again["reason"]) == (made["digest"], "1", "NotBetter")


def test_the_same_question_is_the_same_run_and_another_is_another(given):
    run = job.plan(given, END)
    assert job.plan({**given, "engine": "local", "workers": 2, "query": None, "name": ""}, END) == run
    assert job.plan(given, END.astimezone(timezone(timedelta(hours=5)))) == run
    assert job.plan({**given, "end": END.isoformat()}, END + timedelta(days=1)) == run
    others = [
        job.plan({**given, "horizon": "2d"}, END),
        job.plan({**given, "name": "another"}, END),
        job.plan(given, END + timedelta(days=1)),
    ]
    assert len({run, *others}) == 4
    request = json.loads((Path(run) / "asked" / "request.json").read_text())
    assert (request["asked"]["horizon"], request["end"]) == ("1d", END.isoformat())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folder": "training"}, "folder: give an absolute path"),
        ({"folder": None}, "folder: give an absolute path"),
        ({"forecasters": "crystal-ball"}, "no forecaster is called 'crystal-ball'"),
        ({"horizon": "soon"}, "wrong in the parameters of the run: horizon: "),
        ({"horizont": "1d"}, "horizont: Extra inputs are not permitted"),
        ({"registry": "postgres://db"}, "--registry postgres://db: give sqlite:///"),
        ({"end": "tomorrow"}, "end: 'tomorrow' is not an instant"),
        ({"engine": "abacus"}, "engine: Input should be 'local' or 'ray'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_read(given, changes, said):
    with pytest.raises(ConfigError) as raised:
        job.plan({**given, **changes}, END)
    assert said in str(raised.value)


def test_nothing_to_train_on_says_why(given):
    run = job.plan({**given, "horizon": "3d"}, END)
    job.take_snapshot(run)
    with pytest.raises(DataError, match="none of 2 series can be trained on; the first: shop: too short"):
        job.deal(run)


def test_a_part_that_is_missing_or_of_another_snapshot_is_not_assembled(given, tmp_path):
    run, parts = begun(given)
    job.fit(run, parts[0])
    with pytest.raises(DataError, match="shards-00001-00002 cannot be read"):
        job.assemble(run, parts)
    job.fit(run, parts[1])
    record = Path(run) / "trained" / "shards-00001-00002" / "trained.json"
    record.write_text(record.read_text().replace('"snapshot_digest": "', '"snapshot_digest": "f'))
    with pytest.raises(DataError, match="was made from another snapshot"):
        job.assemble(run, parts)
    with pytest.raises(DataError, match="run the job from its first task"):
        job.take_snapshot(str(tmp_path / "runs" / "none"))


def test_items_are_dealt_out_evenly_and_nobody_goes_empty():
    assert slices(5, 2) == [(0, 2), (2, 5)]
    assert slices(2, 4) == [(0, 1), (1, 2)]
    for count in range(1, 20):
        for parts in range(1, 20):
            dealt = slices(count, parts)
            assert [item for first, stop in dealt for item in range(first, stop)] == list(range(count))
            assert len(dealt) == min(count, parts)
            assert max(stop - first for first, stop in dealt) - min(stop - first for first, stop in dealt) <= 1


def test_the_end_is_that_of_the_interval_unless_it_is_said():
    assert end_of({"a": 1}, END) == ({"a": 1}, END)
    assert end_of({"end": None}, END) == ({}, END)
    assert end_of({"end": "2026-01-31T12:00:00"}, END) == ({}, datetime(2026, 1, 31, 12, tzinfo=UTC))
