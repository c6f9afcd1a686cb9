"""Whether a newcomer may take the champion's place: a pure decision from what both did on the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from aiops.backtest.forecasts import SMALLEST
from aiops.errors import ConfigError
from aiops.series import SeriesKey


class Reason(StrEnum):
    """Why the champion changes, or stays."""

    FIRST = "First"
    BETTER = "Better"
    FRESHER = "Fresher"
    EXPIRED = "ChampionExpired"
    STALE = "StaleData"
    MISSING = "MissingData"
    UNCOVERED = "IntervalsTooNarrow"
    NOT_COMPARABLE = "NotComparable"
    WORSE = "Worse"
    NOT_BETTER = "NotBetter"


_YES = frozenset({Reason.FIRST, Reason.BETTER, Reason.FRESHER, Reason.EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What is asked of a newcomer.

    Attributes:
        margin: By how much its loss must be smaller, as a share of the champion's.
        coverage_tolerance: How far its coverage may stay below what its levels promise.
        largest_stale_ratio: Largest share of series that went silent.
        largest_lost_ratio: Largest share of the champion's series that it may lack.
    """

    margin: float = 0.02
    coverage_tolerance: float = 0.05
    largest_stale_ratio: float = 0.2
    largest_lost_ratio: float = 0.1

    def __post_init__(self) -> None:
        given = (self.margin, self.coverage_tolerance, self.largest_stale_ratio, self.largest_lost_ratio)
        if not all(0 <= each < 1 for each in given):
            raise ConfigError(f"the limits of the gate are shares in [0, 1), got {self!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """What was found out about the newcomer.

    Attributes:
        crps: Loss of each series at the judging folds.
        coverage: Mean over series of the share of the truth within its intervals.
        promised_coverage: What the levels say.
        cutoff: Stamp of the latest observation used.
        until: From when on a forecast is needed: the end of the range that was asked for.
        found: Series that the source gave, usable or not.
        stale: How many of them were left out because they went silent.
    """

    crps: Mapping[SeriesKey, float]
    coverage: float
    promised_coverage: float
    cutoff: datetime
    until: datetime
    found: int
    stale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """What was found out about the champion.

    Attributes:
        crps: Loss of its recipes at the same folds; NaN or absent where they could not be scored.
        keys: All series it holds.
        cutoff: Stamp of the latest observation it was made from.
        end: When its last forecast has run out.
    """

    crps: Mapping[SeriesKey, float]
    keys: frozenset[SeriesKey]
    cutoff: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer.

    Attributes:
        reason: Why.
        explanation: The same as a sentence with its figures.
        ratio: Geometric mean of the newcomer's loss over the champion's; below 1 is better. None if not compared.
        compared: Series that the ratio is of.
    """

    reason: Reason
    explanation: str
    ratio: float | None = None
    compared: int = 0

    @property
    def promote(self) -> bool:
        """Whether the newcomer becomes the champion."""
        return self.reason in _YES


def judge(newcomer: Newcomer, champion: Champion | None, gate: Gate) -> Verdict:
    """Decide whether the newcomer becomes the champion.

    Data come first: silent series, lost series and intervals that are too narrow refuse a newcomer however small its
    loss is. Then it must be better by the margin. A tie goes to the later cutoff, because a bundle holds forecasts and
    those run out; and a champion whose forecasts have run out is replaced by whoever passes the checks of the data.
    """
    stale_ratio = newcomer.stale / max(newcomer.found, 1)
    if stale_ratio > gate.largest_stale_ratio:
        return Verdict(
            reason=Reason.STALE,
            explanation=f"{newcomer.stale} of {newcomer.found} series went silent; at most "
            f"{gate.largest_stale_ratio:.0%} may",
        )
    if champion is not None and newcomer.cutoff < champion.cutoff:
        return Verdict(
            reason=Reason.STALE,
            explanation=f"its data end at {newcomer.cutoff.isoformat()}, before the champion's at "
            f"{champion.cutoff.isoformat()}",
        )
    if champion is not None:
        lost = len(champion.keys - newcomer.crps.keys())
        if lost > gate.largest_lost_ratio * len(champion.keys):
            return Verdict(
                reason=Reason.MISSING,
                explanation=f"it lacks {lost} of the champion's {len(champion.keys)} series; at most "
                f"{gate.largest_lost_ratio:.0%} may be lost",
            )
    least = newcomer.promised_coverage - gate.coverage_tolerance
    if not newcomer.coverage >= least:
        return Verdict(
            reason=Reason.UNCOVERED,
            explanation=f"its intervals promise {newcomer.promised_coverage:.1%} and cover {newcomer.coverage:.1%}; "
            f"at least {least:.1%} is asked for",
        )
    if champion is None:
        return Verdict(reason=Reason.FIRST, explanation="there was no champion")
    return _compare(newcomer, champion, gate)


def _compare(newcomer: Newcomer, champion: Champion, gate: Gate) -> Verdict:
    both = sorted(newcomer.crps.keys() & champion.crps.keys())
    pairs = np.array([(newcomer.crps[key], champion.crps[key]) for key in both]).reshape(len(both), 2)
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    compared = len(pairs)
    expired = newcomer.until >= champion.end
    ended = f"the champion's forecasts ended at {champion.end.isoformat()}"
    if compared == 0:
        return Verdict(
            reason=Reason.EXPIRED if expired else Reason.NOT_COMPARABLE,
            explanation=ended if expired else "none of the champion's series could be scored on the same folds",
        )
    ratio = float(np.exp(np.log((pairs[:, 0] + SMALLEST) / (pairs[:, 1] + SMALLEST)).mean()))
    figures = f"loss {ratio:.3f} of the champion's on {compared} series"
    if ratio <= 1 - gate.margin:
        reason, explanation = Reason.BETTER, f"{figures}, at least {gate.margin:.0%} smaller"
    elif ratio <= 1 and newcomer.cutoff > champion.cutoff:
        reason, explanation = Reason.FRESHER, f"{figures}, no worse, and made from later data"
    elif expired:
        reason, explanation = Reason.EXPIRED, f"{figures}; {ended}"
    elif ratio > 1:
        reason, explanation = Reason.WORSE, figures
    else:
        reason, explanation = Reason.NOT_BETTER, f"{figures}, less than {gate.margin:.0%} smaller, on no later data"
    return Verdict(reason=reason, explanation=explanation, ratio=ratio, compared=compared)
