"""Registers a kept bundle, asks the gate, and moves the champion's alias last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import structlog

from aiops.backtest.promotion import Champion, Gate, Newcomer, Verdict, judge
from aiops.errors import UpstreamUnavailableError
from aiops.forecasting.bundle import Bundle
from aiops.ports import KeptBundle, ModelStore, ModelVersion
from aiops.series import SeriesKey

_TAG_LENGTH = 1000  # registries limit the length of a tag; the bundle holds the whole query

_log = structlog.get_logger(__name__)


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
    champion_crps: Mapping[SeriesKey, float]

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

    def fate(self) -> str:
        """Return in a sentence what became of the version."""
        if self.verdict.promote:
            fate = "is the champion"
        elif self.champion is None:
            fate = f"is registered, and {self.version.name} stays without a champion"
        else:
            fate = f"is registered, and {self.version.name} keeps version {self.champion.number}"
        return f"version {self.version.number} of {self.version.name} {fate}"


async def register(
    bundle: Bundle,
    kept: KeptBundle,
    gate: Gate,
    *,
    name: str,
    found: int,
    stale: int,
    champion: ModelVersion | None,
    champion_crps: Mapping[SeriesKey, float],
    store: ModelStore,
    reigning: Bundle | None = None,
) -> Outcome:
    """Judge a bundle against the champion, register it, and make it the champion if the gate says so.

    Doing it again does no harm: the same bundle keeps its version.

    Args:
        bundle: The newcomer.
        kept: Where it is on disk.
        gate: What is asked of it.
        name: Of the model.
        found: How many series the source gave.
        stale: How many of them went silent.
        champion: The champion's version; None if there is none.
        champion_crps: Its loss on the newcomer's folds.
        store: Where.
        reigning: The champion's bundle; loaded if not given.

    Raises:
        ModelError: If the champion's bundle is not what was registered.
        UpstreamError: If the store did not answer, or refused; says where the bundle is.
    """
    if champion is not None and reigning is None:
        try:
            reigning = await store.load(champion)
        except UpstreamUnavailableError as error:
            raise kept_but_not_registered(error, kept) from error
    verdict = judge(
        Newcomer(
            crps={entry.key: entry.accuracy.crps for entry in bundle.entries},
            coverage=_mean(bundle, "coverage"),
            promised_coverage=bundle.promised_coverage,
            cutoff=bundle.cutoff,
            until=bundle.lineage.until,
            found=found,
            stale=stale,
        ),
        _champion(reigning, champion_crps) if reigning else None,
        gate,
    )
    try:
        version = await store.register(name, kept, _tags(bundle, verdict), _metrics(bundle, verdict))
        if verdict.promote and version != champion:
            await store.promote(version)
    except UpstreamUnavailableError as error:
        raise kept_but_not_registered(error, kept) from error
    _log.info(
        "bundle registered",
        model=name,
        version=version.number,
        digest=kept.digest,
        promoted=verdict.promote,
        reason=verdict.reason.value,
        explanation=verdict.explanation,
    )
    return Outcome(
        bundle=bundle, kept=kept, version=version, verdict=verdict, champion=champion, champion_crps=champion_crps
    )


def kept_but_not_registered(error: UpstreamUnavailableError, kept: KeptBundle) -> UpstreamUnavailableError:
    """Return an error that says, beside what went wrong, where the work is and how to go on."""
    return UpstreamUnavailableError(
        f"{error}; the bundle is kept in {kept.path} and is not registered: run again with --snapshot (in "
        "Airflow: clear the failed task), which gives the same bundle"
    )


def _champion(bundle: Bundle, crps: Mapping[SeriesKey, float]) -> Champion:
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
