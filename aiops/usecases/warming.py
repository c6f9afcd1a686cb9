"""What detectors learn of series before these are watched: their history, replayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aiops.detection.band_table import Bands, BandTable
from aiops.detection.detector import Points
from aiops.detection.scorer import Scorer, ScorerState
from aiops.series import FloatArray, Series, epoch_seconds

_BLOCK = 1440  # columns that are turned from rows into columns at a time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Warmed:
    """Series whose history was replayed.

    Attributes:
        first: Number of the first step of the history, counted since 1970.
        values: The history, shape ``[n, length]``; NaN is a gap.
        state: What the scorer has learnt of it, in the order of the series.
        residuals: By how much the end of the history was above what was expected, shape ``[n, kept]``.
    """

    first: int
    values: FloatArray
    state: ScorerState
    residuals: FloatArray


def warm_up(
    scorer: Scorer, series: Sequence[Series], tables: Sequence[BandTable], query: str, *, keep: int = 0
) -> Warmed:
    """Replay the history of series on one grid of whole multiples of their step since 1970; a thread may do it.

    Args:
        scorer: Detectors with their calibration.
        series: At least one; all from the same start to the same end.
        tables: The champion's forecasts, after those of the champion before it.
        query: What the series were read by.
        keep: Columns at the end of which the residuals are wanted.
    """
    seconds = series[0].step.total_seconds()
    first = round(epoch_seconds(series[0].start) / seconds)
    values = np.stack([each.values for each in series])
    bands = Bands(query)
    for table in tables:
        bands.use(table, [each.key for each in series])
    state = scorer.start(len(series))
    length = values.shape[1]
    kept = np.full((len(series), min(keep, length)), np.nan)

    def watched() -> Iterator[Points]:
        for index, points in enumerate(_columns(values, first, seconds, bands), start=kept.shape[1] - length):
            if index >= 0:  # before the column is learnt: as it will be when it is scored
                kept[:, index] = points.values - scorer.interval(state, points)[0]
            yield points

    for _ in scorer.warm_up(state, watched(), length):
        pass
    return Warmed(first=first, values=values, state=state, residuals=kept)


def _columns(values: FloatArray, first: int, seconds: float, bands: Bands) -> Iterator[Points]:
    rows = np.arange(len(values))
    for begin in range(0, values.shape[1], _BLOCK):
        block = np.ascontiguousarray(values[:, begin : begin + _BLOCK].T)
        for column, observed in enumerate(block, start=first + begin):
            expected, lower, upper = bands.at(rows, np.full(len(rows), column))
            at = np.full(len(rows), column * seconds)
            yield Points(rows=rows, at=at, values=observed, expected=expected, lower=lower, upper=upper)


def rehearse(scorer: Scorer) -> None:
    """Score a few points of nobody, so that the machine code is there before the first caller waits for it."""
    state = scorer.start(1)
    nan = np.full(1, np.nan)
    for place in range(3):
        at, value = np.full(1, float(place)), np.full(1, float(place))
        scorer.step(state, Points(rows=np.arange(1), at=at, values=value, expected=nan, lower=nan, upper=nan))
