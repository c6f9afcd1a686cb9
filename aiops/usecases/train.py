"""Training: a snapshot becomes a bundle; the bundle is registered, and is the champion if the gate says so.

``run`` does all of it in memory. Its steps (``prepare``, ``fit``, ``bundle_of``, ``usecases.register.register``) are
public, so that a scheduler can run each in a process of its own and keep what came of it in files between them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from aiops import __version__
from aiops.backtest.forecasts import BATCH
from aiops.backtest.promotion import Gate
from aiops.backtest.training import Plan, Shard, Trained, train
from aiops.errors import AiopsError, DataError, UpstreamUnavailableError
from aiops.forecasting.bundle import Bundle, Lineage
from aiops.ports import BundleShelf, Mapper, ModelStore
from aiops.series import Series, SeriesKey
from aiops.series.quality import Defect, Limits, assess
from aiops.series.snapshot import Snapshot
from aiops.usecases.backtest import frames_of
from aiops.usecases.register import Outcome, kept_but_not_registered, register

Skipped = tuple[str, str]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """Which series of a snapshot can be trained on.

    Attributes:
        series: Those.
        skipped: (series id, reason) of the others.
        stale: How many of them went silent.
    """

    series: tuple[Series, ...]
    skipped: tuple[Skipped, ...]
    stale: int


async def run(
    snapshot: Snapshot,
    plan: Plan,
    gate: Gate,
    *,
    name: str,
    mapper: Mapper,
    shelf: BundleShelf,
    store: ModelStore,
    progress: Callable[[int, int], None],
) -> Outcome:
    """Train on a snapshot, keep the bundle, register it, and make it the champion if the gate says so.

    The alias moves last: a run that breaks off before leaves the champion as it was, and at most a version beside it.
    A store that does not answer costs no work: the bundle is kept, and the error says where.

    Raises:
        DataError: If no series can be trained on.
        ModelError: If the champion's bundle is not what was registered.
        UpstreamError: If the store did not answer, or refused.
    """
    away: UpstreamUnavailableError | None = None
    champion, reigning = None, None
    try:
        champion = await store.champion(name)
        reigning = await store.load(champion) if champion else None
    except UpstreamUnavailableError as error:
        _log.warning("registry did not answer", model=name, reason=str(error))
        away = error
    valid = validate(snapshot, plan)
    shards = deal(valid.series, reigning.recipes() if reigning else {}, plan)
    trained = await asyncio.to_thread(fit, shards, mapper, progress)
    bundle = bundle_of(snapshot, plan, valid.skipped, trained)
    kept = shelf.keep(bundle)
    if away is not None:
        raise kept_but_not_registered(away, kept) from away
    return await register(
        bundle,
        kept,
        gate,
        name=name,
        found=len(snapshot.series),
        stale=valid.stale,
        champion=champion,
        reigning=reigning,
        champion_crps=champion_crps_of(trained),
        store=store,
    )


def validate(snapshot: Snapshot, plan: Plan) -> Validated:
    """Sort out the series that are too short or went silent before the snapshot's end."""
    good: list[Series] = []
    skipped: list[Skipped] = []
    stale = 0
    for each in snapshot.series:
        needed = plan.needed(each.step)
        limits = replace(Limits.of_range(each.step), min_points=needed)
        found = assess(each, now=snapshot.until, limits=limits)
        if Defect.STALE in found.defects:
            stale += 1
            last = found.last_seen.isoformat() if found.last_seen else "never"
            skipped.append((each.key.series_id, f"stale: last seen {last}, asked up to {snapshot.until.isoformat()}"))
        elif Defect.TOO_SHORT in found.defects:
            days = needed * each.step
            reason = f"too short: {found.points} points, and {needed} ({days}) are needed for the folds and a history"
            skipped.append((each.key.series_id, reason))
        else:
            good.append(each)
    _log.info("snapshot validated", snapshot=snapshot.digest[:16], series=len(good), left_out=len(skipped))
    return Validated(series=tuple(good), skipped=tuple(skipped), stale=stale)


def deal(series: Sequence[Series], champions: Mapping[SeriesKey, str], plan: Plan) -> list[Shard]:
    """Put series into shards of one grid each; the same series and champions give the same shards.

    Args:
        champions: The champion's recipe for each series that it has.
    """
    shards = []
    for frame in frames_of(series):
        for first in range(0, len(frame.keys), BATCH):
            part = frame.select(range(first, min(first + BATCH, len(frame.keys))))
            shards.append(Shard(frame=part, champions=tuple(champions.get(key) for key in part.keys), plan=plan))
    return shards


def fit(shards: Sequence[Shard], mapper: Mapper, progress: Callable[[int, int], None]) -> list[Trained]:
    """Train each shard; of one that fails as a whole each series alone, and what fails alone is left out by name."""
    began = time.perf_counter()
    results: dict[tuple[int, int], Trained] = {}
    alone: list[tuple[int, int]] = []
    for done, (index, result) in enumerate(mapper.map(train, shards), start=1):
        if isinstance(result, Exception):
            _log.warning("shard failed, its series are trained one by one", shard=index, reason=str(result))
            alone += [(index, row) for row in range(len(shards[index].frame.keys))]
        else:
            results[index, 0] = result
        progress(done, len(shards))
    for number, result in mapper.map(train, (_row(shards[index], row) for index, row in alone)):
        index, row = alone[number]
        if isinstance(result, Exception):
            reason = str(result) if isinstance(result, AiopsError) else f"{type(result).__name__}: {result}"
            skipped = ((shards[index].frame.keys[row].series_id, reason),)
            _log.warning("series left out", series=skipped[0][0], reason=reason)
            results[index, row] = Trained(forecast=None, entries=(), champion_crps={}, skipped=skipped)
        else:
            results[index, row] = result
    found = [results[place] for place in sorted(results)]
    entries = sum(len(each.entries) for each in found)
    _log.info("shards trained", shards=len(shards), series=entries, seconds=round(time.perf_counter() - began, 3))
    return found


def _row(shard: Shard, row: int) -> Shard:
    return replace(shard, frame=shard.frame.select([row]), champions=(shard.champions[row],))


def bundle_of(snapshot: Snapshot, plan: Plan, invalid: Sequence[Skipped], trained: Sequence[Trained]) -> Bundle:
    """Put what came of all shards, in their order, into one bundle.

    Args:
        invalid: (series id, reason) of what was not in any shard.

    Raises:
        DataError: If no series could be trained; says why the first could not.
    """
    skipped = (*snapshot.skipped, *invalid, *(each for shard in trained for each in shard.skipped))
    forecasts = tuple(shard.forecast for shard in trained if shard.forecast is not None)
    if not forecasts:
        first = f"; the first: {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        raise DataError(f"none of {len(snapshot.series)} series can be trained on{first}")
    lineage = Lineage(
        snapshot_digest=snapshot.digest,
        query=snapshot.query,
        until=snapshot.until,
        horizon=plan.horizon,
        history=plan.history,
        forecasters=plan.forecasters,
        choosing=plan.choosing,
        judging=plan.judging,
        version=__version__,
    )
    entries = tuple(entry for shard in trained for entry in shard.entries)
    return Bundle(forecasts=forecasts, entries=entries, lineage=lineage, skipped=tuple(sorted(skipped)))


def champion_crps_of(trained: Sequence[Trained]) -> dict[SeriesKey, float]:
    """Return the champion's loss of each series, where it could be scored."""
    return {key: loss for shard in trained for key, loss in shard.champion_crps.items()}
