"""The champion watched in a real MLflow on SQLite, and in a folder: swapped, refused, gone, expired."""

import asyncio
import shutil
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from aiops.adapters.bundle_files import MANIFEST, TABLE, BundleFolder
from aiops.adapters.clock import SimulatedClock
from aiops.adapters.folder_models import FolderModels
from aiops.adapters.mlflow_models import MlflowModels
from aiops.errors import ConfigError
from aiops.series import SeriesKey
from aiops.usecases.champion import ChampionWatch
from aiops.usecases.reachable import Reachable
from tests.usecases.bundles import MINUTE, bundle

CUTOFF = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEYS = (SeriesKey("requests"), SeriesKey("errors"))
NAME = "fleet"


def made(level, cutoff=CUTOFF):
    return bundle(KEYS, cutoff, np.full((2, 60), level))


class Watch:
    """A watch over a store, with what it told."""

    def __init__(self, store):
        self.clock = SimulatedClock(CUTOFF)
        self.registry = Reachable("registry")
        self.swaps = 0
        self.own = ChampionWatch(store, NAME, self.clock, self.registry, steps=lambda: {MINUTE}, use=self.swapped)

    def swapped(self):
        self.swaps += 1

    def look(self):
        asyncio.run(self.own.look())
        return self.level()

    def level(self):
        current = self.own.current
        return None if current is None else float(current.bundle.forecasts[0].mean[0, 0])


def metric(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory):
    """An SQLite file with MLflow's tables: making them takes seconds, copying them does not."""
    folder = tmp_path_factory.mktemp("registry")
    assert asyncio.run(MlflowModels(f"sqlite:///{folder}/mlflow.db").champion(NAME)) is None
    return folder / "mlflow.db"


@pytest.fixture
def registry(empty_registry, tmp_path):
    shutil.copy(empty_registry, tmp_path / "mlflow.db")
    return MlflowModels(f"sqlite:///{tmp_path}/mlflow.db")


def publish(registry, folder, found):
    async def run():
        version = await registry.register(NAME, BundleFolder(folder / "shelf").keep(found), {}, {})
        await registry.promote(version)
        return version

    return asyncio.run(run())


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def stored(folder: Path, version, name):
    """The file of a version as MLflow keeps it."""
    found = [
        path
        for path in folder.glob(f"artifacts/**/{name}")
        if (path.parent / "manifest.sha256").read_text().startswith(version.digest)
    ]
    assert len(found) == 1
    return found[0]


def test_the_alias_is_followed_and_one_flipped_bit_keeps_the_old_bundle(registry, tmp_path):
    watch = Watch(registry)
    assert watch.look() is None
    assert "fleet has no champion" in watch.own.trouble
    first = publish(registry, tmp_path, made(1.0))
    assert watch.look() == 1.0
    assert (watch.swaps, watch.own.trouble) == (1, "")
    assert watch.look() == 1.0
    assert watch.swaps == 1, "the same champion is loaded once"

    second = publish(registry, tmp_path, made(2.0, CUTOFF + MINUTE))
    sound = stored(tmp_path, second, TABLE).read_bytes()
    flip_a_bit(stored(tmp_path, second, TABLE))
    refused = metric("aiops_bundle_refused_total", reason="digest")
    assert watch.look() == 1.0
    assert watch.swaps == 1
    assert "is not what was registered: its SHA-256" in watch.own.trouble
    assert "fleet version 1 stays" in watch.own.trouble
    assert metric("aiops_bundle_refused_total", reason="digest") == refused + 1
    assert metric("aiops_bundle_info", model=NAME, version="1", digest=first.digest) == 1

    stored(tmp_path, second, TABLE).write_bytes(sound)
    assert watch.look() == 2.0, "it recovers by itself"
    assert (watch.swaps, watch.own.trouble) == (2, "")
    assert metric("aiops_bundle_info", model=NAME, version="1", digest=first.digest) == 0
    assert metric("aiops_bundle_info", model=NAME, version="2", digest=second.digest) == 1
    assert metric("aiops_bundle_cutoff_timestamp_seconds") == (CUTOFF + MINUTE).timestamp()
    assert [table.values[0, 0] for table in watch.own.tables(MINUTE)] == [1.0, 2.0]

    flip_a_bit(stored(tmp_path, first, MANIFEST))
    asyncio.run(registry.promote(first))
    assert watch.look() == 2.0
    assert "fleet version 2 stays" in watch.own.trouble


def test_a_registry_that_is_gone_takes_nothing_away(registry, tmp_path):
    watch = Watch(registry)
    publish(registry, tmp_path, made(1.0))
    assert watch.look() == 1.0
    database = tmp_path / "mlflow.db"
    content = database.read_bytes()
    with database.open("r+b") as file:
        file.write(b"\0" * len(content))
    assert watch.look() == 1.0
    assert watch.registry.health.up is False
    assert "mlflow.db" in watch.registry.health.reason
    with database.open("r+b") as file:
        file.write(content)
    publish(registry, tmp_path, made(2.0))
    assert watch.look() == 2.0
    assert watch.registry.health.up is True


def test_a_forecast_that_ran_out_is_said(registry, tmp_path):
    watch = Watch(registry)
    publish(registry, tmp_path, made(1.0))
    watch.look()
    assert watch.own.expired(CUTOFF + 60 * MINUTE) == ""
    assert "the forecasts of fleet version 1 ran out at" in watch.own.expired(CUTOFF + 61 * MINUTE)


def test_it_looks_again_and_again_but_not_on_the_minute(registry, tmp_path):
    watch = Watch(registry)
    looks: list[datetime] = []

    async def run():
        task = asyncio.create_task(watch.own.run())
        while len(looks) < 6:
            now = watch.clock.now()
            if not looks or now > looks[-1]:
                looks.append(now)
            await asyncio.sleep(0.001)
            assert not task.done()
        task.cancel()

    asyncio.run(run())
    waits = {(after - before).total_seconds() for before, after in pairwise(looks)}
    assert all(wait >= 48 for wait in waits)
    assert len(waits) > 1, "replicas that start together do not ask together for ever"


def test_a_folder_serves_without_a_registry(tmp_path):
    shelf = BundleFolder(tmp_path / "shelf")
    link = tmp_path / "current"
    watch = Watch(FolderModels(link))
    assert watch.look() is None
    assert "has no champion" in watch.own.trouble
    link.symlink_to(shelf.keep(made(1.0)).path)
    assert watch.look() == 1.0
    second = shelf.keep(made(2.0))
    flip_a_bit(second.path / TABLE)
    link.unlink()
    link.symlink_to(second.path)
    assert watch.look() == 1.0
    assert "should be" in watch.own.trouble
    flip_a_bit(second.path / TABLE)
    assert watch.look() == 2.0
    (second.path / "manifest.sha256").write_bytes(b"\xff")
    assert watch.look() == 2.0
    assert "does not start with a SHA-256" in watch.own.trouble
    assert watch.own.current is not None
    with pytest.raises(ConfigError, match="keeps no versions"):
        asyncio.run(FolderModels(link).promote(watch.own.current.version))
