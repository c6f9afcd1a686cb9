"""Training: a snapshot becomes a bundle; the bundle is registered, and is the champion if the gate says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from aiops import __version__
from aiops.backtest.forecasts import BATCH
from aiops.backtest.promotion import Champion, Gate, Newcomer, Verdict, judge
from aiops.backtest.training import Plan, Shard, Trained, train
from aiops.errors import AiopsError, DataError, UpstreamUnavailableError
from aiops.forecasting.bundle import Bundle, Lineage
from aiops.ports import BundleShelf, KeptBundle, Mapper, ModelStore, ModelVersion
from aiops.series import Series, SeriesKey
from aiops.series.quality import Defect, Limits, assess
from aiops.series.snapshot import Snapshot
from aiops.usecases.backtest import frames_of

_TAG_LENGTH = 1000  # registries limit the length of a tag; the bundle holds the whole query

Skipped = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a training run did.

    Attributes:
        bundle: What was made.
        kept: Where it is.
        version: As what it was registered.
        verdict: Whether it became the champion, and why.
        champion: The champion before; None if there was none.
        champion_crps: Loss of that one on the same folds.
    """

    bundle: Bundle
    kept: KeptBundle
    version: ModelVersion
    verdict: Verdict
    champion: ModelVersion | None
    champion_crps: dict[SeriesKey, float]

    def rows(self) -> list[dict[str, object]]:
        """Return one row a series, for a table."""
        return [
            {
                "series_id": entry.key.series_id,
                "recipe": entry.recipe,
                "folds": entry.accuracy.folds,
                "mase": entry.accuracy.mase,
                "crps": entry.accuracy.crps,
                "crps_baseline": entry.accuracy.baseline_crps,
                "crps_champion": self.champion_crps.get(entry.key),
                "coverage": entry.accuracy.coverage,
            }
            for entry in self.bundle.entries
        ]


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
        away = error
    valid = validate(snapshot, plan)
    trained = await asyncio.to_thread(
        _train_all, valid.series, reigning.recipes() if reigning else {}, plan, mapper, progress
    )
    bundle, champion_crps = _bundle(trained, snapshot, plan, valid.skipped)
    kept = shelf.keep(bundle)
    if away is not None:
        raise _kept_but_not_registered(away, kept) from away
    verdict = judge(
        Newcomer(
            crps={entry.key: entry.accuracy.crps for entry in bundle.entries},
            coverage=_mean(bundle, "coverage"),
            promised_coverage=bundle.promised_coverage,
            cutoff=bundle.cutoff,
            until=snapshot.until,
            found=len(snapshot.series),
            stale=valid.stale,
        ),
        _reigning(reigning, champion_crps) if reigning else None,
        gate,
    )
    try:
        version = await store.register(name, kept, _tags(bundle, verdict), _metrics(bundle, verdict))
        if verdict.promote and version != champion:
            await store.promote(version)
    except UpstreamUnavailableError as error:
        raise _kept_but_not_registered(error, kept) from error
    return Outcome(
        bundle=bundle, kept=kept, version=version, verdict=verdict, champion=champion, champion_crps=champion_crps
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
    return Validated(series=tuple(good), skipped=tuple(skipped), stale=stale)


def _train_all(
    series: Sequence[Series],
    champions: dict[SeriesKey, str],
    plan: Plan,
    mapper: Mapper,
    progress: Callable[[int, int], None],
) -> list[Trained]:
    """Train in shards of one grid each; a shard that fails as a whole is left out with its reason."""
    shards = []
    for frame in frames_of(series):
        for first in range(0, len(frame.keys), BATCH):
            part = frame.select(range(first, min(first + BATCH, len(frame.keys))))
            shards.append(Shard(frame=part, champions=tuple(champions.get(key) for key in part.keys), plan=plan))
    results: dict[int, Trained] = {}
    for index, result in mapper.map(train, shards):
        if isinstance(result, AiopsError):
            skipped = tuple((key.series_id, str(result)) for key in shards[index].frame.keys)
            results[index] = Trained(forecast=None, entries=(), champion_crps={}, skipped=skipped)
        elif isinstance(result, Exception):
            raise result
        else:
            results[index] = result
        progress(len(results), len(shards))
    return [results[index] for index in range(len(shards))]


def _bundle(
    trained: Sequence[Trained], snapshot: Snapshot, plan: Plan, invalid: Sequence[Skipped]
) -> tuple[Bundle, dict[SeriesKey, float]]:
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
    bundle = Bundle(forecasts=forecasts, entries=entries, lineage=lineage, skipped=tuple(sorted(skipped)))
    return bundle, {key: loss for shard in trained for key, loss in shard.champion_crps.items()}


def _reigning(bundle: Bundle, crps: dict[SeriesKey, float]) -> Champion:
    return Champion(crps=crps, keys=frozenset(bundle.recipes()), cutoff=bundle.cutoff, end=bundle.end)


def _mean(bundle: Bundle, field: str) -> float:
    return fmean(getattr(entry.accuracy, field) for entry in bundle.entries)


def _tags(bundle: Bundle, verdict: Verdict) -> dict[str, str]:
    return {
        "aiops.snapshot_digest": bundle.lineage.snapshot_digest,
        "aiops.query": bundle.lineage.query[:_TAG_LENGTH],
        "aiops.cutoff": bundle.cutoff.isoformat(),
        "aiops.version": bundle.lineage.version,
        "aiops.verdict": verdict.reason.value,
        "aiops.explanation": verdict.explanation,
    }


def _metrics(bundle: Bundle, verdict: Verdict) -> dict[str, float]:
    found = {name: _mean(bundle, name) for name in ("crps", "mase", "coverage")}
    found["series"] = float(len(bundle.entries))
    found["series_skipped"] = float(len(bundle.skipped))
    if verdict.ratio is not None:
        found["crps_ratio_to_champion"] = verdict.ratio
    return found


def _kept_but_not_registered(error: UpstreamUnavailableError, kept: KeptBundle) -> UpstreamUnavailableError:
    return UpstreamUnavailableError(
        f"{error}; the bundle is kept in {kept.path} and is not registered: run again with --snapshot, which gives the "
        "same bundle"
    )
