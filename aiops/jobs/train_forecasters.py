"""The tasks of the DAG ``train_forecasters``; each takes and returns a path or a few numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from aiops import wiring
from aiops.adapters.bundle_files import BundleFolder
from aiops.adapters.trained_files import read_trained, write_trained
from aiops.backtest.promotion import Gate
from aiops.backtest.training import Plan, Shard
from aiops.jobs.run import Run, end_of, log_progress, slices
from aiops.ports import Mapper, ModelVersion
from aiops.series import SeriesKey
from aiops.series.snapshot import Snapshot
from aiops.settings import TrainingSettings
from aiops.usecases import train as training
from aiops.usecases.register import register

JOB = "train_forecasters"
_CHAMPION = "champion"
_RECIPES = "recipes.json"


def plan(given: Mapping[str, Any], interval_end: datetime) -> str:
    """Settle what is trained: parameters of the run before settings; return the folder of the run.

    Raises:
        ConfigError: If a parameter or a setting is wrong.
    """
    rest, end = end_of(given, interval_end)
    asked = wiring.settings().training.changed(rest)
    _plan(asked)
    _mapper(asked)
    begun = Run.begin(JOB, asked, end)
    wiring.model_store(_registry(asked, begun))
    return str(begun.folder)


def take_snapshot(run: str) -> str:
    """Read the telemetry, once a run; return where it is kept.

    Raises:
        ConfigError, DataError, UpstreamError: As ``wiring.snapshot``.
    """
    asked, end = _asked(run)
    return str(Run(Path(run)).take_snapshot(asked, end))


def deal(run: str) -> list[list[int]]:
    """Note who the champion is; return the slices of shards, ``[first, last + 1]``, one a task.

    Raises:
        DataError: If no series can be trained on.
        UpstreamError: If the registry did not answer, or refused.
    """
    asked, _ = _asked(run)
    begun = Run(Path(run))
    store = wiring.model_store(_registry(asked, begun))
    champion = asyncio.run(store.champion(asked.name))
    recipes = asyncio.run(store.load(champion)).recipes() if champion else {}
    noted = None if champion is None else {"number": champion.number, "digest": champion.digest}
    said = {key.series_id: recipe for key, recipe in recipes.items()}
    begun.keep(_CHAMPION, _RECIPES, {"version": noted, "recipes": said})
    snapshot = begun.snapshot()
    shards, invalid = _shards(begun, snapshot, _plan(asked))
    if not shards:
        training.bundle_of(snapshot, _plan(asked), invalid.skipped, [])  # raises, with the reason of the first
    return [list(each) for each in slices(len(shards), asked.tasks)]


def fit(run: str, part: list[int]) -> dict[str, Any]:
    """Train one slice of the shards; return how many series could be.

    Raises:
        ConfigError: If the engine cannot be used.
        UpstreamError: If a cluster of Ray's does not answer.
    """
    asked, _ = _asked(run)
    begun, (first, stop) = Run(Path(run)), part
    snapshot = begun.snapshot()
    shards, _ = _shards(begun, snapshot, _plan(asked))
    trained = training.fit(shards[first:stop], _mapper(asked), log_progress)
    write_trained(trained, _part(begun, part), snapshot.digest)
    return {
        "part": part,
        "series": sum(len(each.entries) for each in trained),
        "left_out": sum(len(each.skipped) for each in trained),
    }


def assemble(run: str, parts: list[list[int]]) -> dict[str, Any]:
    """Put the parts into a bundle, register it, and make it the champion if the gate says so; return what became of it.

    Raises:
        DataError: If no series could be trained, or a part is missing.
        ModelError: If the champion's bundle is not what was registered.
        UpstreamError: If the registry did not answer, or refused; the bundle is kept, and the error says where.
    """
    asked, _ = _asked(run)
    begun = Run(Path(run))
    snapshot, how = begun.snapshot(), _plan(asked)
    valid = training.validate(snapshot, how)
    trained = [each for part in parts for each in read_trained(_part(begun, part), snapshot.digest)]
    bundle = training.bundle_of(snapshot, how, valid.skipped, trained)
    kept = BundleFolder(begun.root / "bundles").keep(bundle)
    store = wiring.model_store(_registry(asked, begun))
    champion = _champion(begun, asked.name)
    done = asyncio.run(
        register(
            bundle,
            kept,
            Gate(margin=asked.margin),
            name=asked.name,
            found=len(snapshot.series),
            stale=valid.stale,
            champion=champion,
            champion_crps=training.champion_crps_of(trained),
            store=store,
        )
    )
    return {
        "name": asked.name,
        "version": done.version.number,
        "digest": kept.digest,
        "bundle": str(kept.path),
        "champion": done.verdict.promote or done.version == champion,
        "reason": done.verdict.reason.value,
        "explanation": done.verdict.explanation,
        "series": len(bundle.entries),
        "left_out": len(bundle.skipped),
    }


def _asked(run: str) -> tuple[TrainingSettings, datetime]:
    said, end = Run(Path(run)).request()
    return TrainingSettings().changed(said), end


def _registry(asked: TrainingSettings, begun: Run) -> str:
    return asked.registry or f"sqlite:///{begun.root}/mlflow.db"


def _mapper(asked: TrainingSettings) -> Mapper:
    return wiring.mapper(wiring.Engine(asked.engine), asked.workers, wiring.settings().ray.address)


def _plan(asked: TrainingSettings) -> Plan:
    return Plan(
        forecasters=tuple(dict.fromkeys(asked.forecasters)),
        horizon=asked.horizon,
        history=asked.history,
        choosing=asked.choosing,
        judging=asked.judging,
    )


def _shards(begun: Run, snapshot: Snapshot, how: Plan) -> tuple[list[Shard], training.Validated]:
    """Return the shards of this run: the same in every task."""
    recipes = begun.read(_CHAMPION, _RECIPES)["recipes"]
    champions = {SeriesKey.parse(series_id): recipe for series_id, recipe in recipes.items()}
    valid = training.validate(snapshot, how)
    return training.deal(valid.series, champions, how), valid


def _champion(begun: Run, name: str) -> ModelVersion | None:
    noted = begun.read(_CHAMPION, _RECIPES)["version"]
    return None if noted is None else ModelVersion(name=name, number=noted["number"], digest=noted["digest"])


def _part(begun: Run, part: list[int]) -> Path:
    return begun.folder / "trained" / f"shards-{part[0]:05d}-{part[1]:05d}"
