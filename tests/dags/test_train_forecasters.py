"""The DAG ``train_forecasters`` on a real Airflow, a real Prometheus and MLflow on SQLite."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from aiops.adapters.bundle_files import read_bundle
from aiops.adapters.mlflow_models import MlflowModels
from aiops.adapters.remote_write import RemoteWriter
from aiops.adapters.snapshot import read_snapshot
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings
from testbed.server import free_port

STEP = timedelta(minutes=30)
DAY = timedelta(days=1)
NAME = "nightly"
METRIC = "nightly_load"


def last_night():
    """The latest 02:00 UTC that is over."""
    now = datetime.now(UTC)
    night = now.replace(hour=2, minute=0, second=0, microsecond=0)
    return night if night <= now else night - DAY


def load(name, end, days, seed):
    steps = days * 48
    hours = np.arange(steps) / 2
    noise = np.random.default_rng(seed).lognormal(0, 0.1, steps)
    values = 100 * (1.5 + np.sin(hours * np.pi / 12)) * noise
    return Series(key=SeriesKey.of(METRIC, {"app": name}), start=end - steps * STEP, step=STEP, values=values)


@pytest.fixture(scope="module")
def asked(prometheus, tmp_path_factory):
    """Parameters of runs that read eight days of three services, and train in two tasks of at most two series each."""
    writer = RemoteWriter(PrometheusSettings(url=prometheus.url))
    writer.write([load(name, last_night(), 8, seed) for seed, name in enumerate(("mail", "search", "shop"))])
    return {
        "source": prometheus.url,
        "query": METRIC,
        "step": "30m",
        "history": "7d",
        "horizon": "1d",
        "forecasters": "holt-winters",
        "name": NAME,
        "folder": str(tmp_path_factory.mktemp("training")),
    }


def champion(asked):
    return asyncio.run(MlflowModels(f"sqlite:///{asked['folder']}/mlflow.db").champion(NAME))


def states(ended):
    return {name: each.state for name, each in ended.tasks.items()}


def content(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_two_nights_move_the_champion_and_a_repeated_night_changes_nothing(airflow, asked, prometheus):
    first = airflow.run("train_forecasters", last_night() - DAY, asked)
    assert states(first) == dict.fromkeys(("plan", "take_snapshot", "deal", "fit[0]", "assemble"), "success")
    made = first.tasks["assemble"].value
    assert (made["version"], made["reason"], made["series"], made["left_out"]) == ("1", "First", 3, 0)
    assert champion(asked).digest == made["digest"]
    assert read_bundle(Path(made["bundle"])).lineage.until == first.interval_end == last_night() - DAY

    second = airflow.run("train_forecasters", last_night(), asked)
    later = second.tasks["assemble"].value
    assert (later["version"], later["reason"], later["champion"]) == ("2", "Fresher", True)
    assert champion(asked).digest == later["digest"]
    taken = read_snapshot(Path(second.tasks["take_snapshot"].value))
    assert taken.until == last_night()
    kept = content(later["bundle"])

    # What Prometheus says of that night changes; the night is repeated from what it said then.
    RemoteWriter(PrometheusSettings(url=prometheus.url)).write([load("new", last_night(), 8, 9)])
    again = airflow.run("train_forecasters", last_night(), asked)
    repeated = again.tasks["assemble"].value
    assert again.tasks["take_snapshot"].value == second.tasks["take_snapshot"].value
    assert (repeated["digest"], repeated["version"]) == (later["digest"], "2")
    assert (repeated["reason"], repeated["champion"]) == ("NotBetter", True)
    assert content(later["bundle"]) == kept
    uri = f"sqlite:///{asked['folder']}/mlflow.db"
    versions = MlflowClient(tracking_uri=uri, registry_uri=uri).search_model_versions(f"name = '{NAME}'")
    assert sorted(int(each.version) for each in versions) == [1, 2]
    for path in Path(asked["folder"]).rglob("*"):
        assert path.suffix in ("", ".json", ".parquet", ".sha256", ".db", ".yaml"), "data only, nothing pickled"


def test_a_wrong_parameter_is_not_tried_again(airflow, asked):
    ended = airflow.run("train_forecasters", last_night(), {**asked, "forecasters": "crystal-ball"})
    assert ended.state == "failed"
    assert (ended.tasks["plan"].state, ended.tasks["plan"].tries) == ("failed", 1)
    assert ended.tasks["assemble"].state == "upstream_failed"


def test_a_prometheus_that_is_away_is_asked_again_and_the_run_goes_on_when_it_is_back(
    airflow, asked, prometheus, tmp_path
):
    rest = {name: value for name, value in asked.items() if name != "source"} | {"folder": str(tmp_path)}
    away = {"AIOPS_PROMETHEUS__URL": f"http://127.0.0.1:{free_port()}", "AIOPS_PROMETHEUS__ATTEMPTS": "1"}
    ended = airflow.run("train_forecasters", last_night(), rest, environment=away)
    assert ended.state == "failed"
    assert (ended.tasks["plan"].state, ended.tasks["take_snapshot"].state) == ("success", "failed")
    assert ended.tasks["take_snapshot"].tries == 4, "once, and three times again"
    back = airflow.run("train_forecasters", last_night(), rest, environment={"AIOPS_PROMETHEUS__URL": prometheus.url})
    assert back.state == "success"
    assert back.tasks["plan"].value == ended.tasks["plan"].value, "the same run"
    request = json.loads((Path(back.tasks["plan"].value) / "asked" / "request.json").read_text())
    assert prometheus.url not in json.dumps(request), "an address is no part of the question"
