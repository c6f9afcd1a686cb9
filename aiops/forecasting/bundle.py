"""What training hands to serving: forecasts as data, and for each series who made it and how good it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import ModelError, ModelNotFoundError
from aiops.forecasting.forecast import Forecast
from aiops.series import SeriesKey

LEVELS = tuple(round(0.05 * number, 2) for number in range(1, 20))
"""Quantile levels of every bundle, 0.05 to 0.95: evenly spaced, so that a CRPS over them means something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How one recipe did on one series, at folds that nothing was chosen by.

    Attributes:
        folds: Folds that could be scored.
        mase: Error of the mean, in mean absolute daily differences inside the history.
        crps: Twice the mean pinball loss over the levels, in the same unit.
        coverage: Share of the truth between the lowest and the highest level.
        baseline_crps: CRPS of the baseline on the same folds; None if it could not be scored.
    """

    folds: int
    mase: float
    crps: float
    coverage: float
    baseline_crps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a bundle says of one series beside its forecast.

    Attributes:
        key: Which series.
        recipe: Name of the forecaster in the catalog.
        accuracy: How it did.
    """

    key: SeriesKey
    recipe: str
    accuracy: Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a bundle was made from; nothing in it depends on when, where or how often that was done.

    Attributes:
        snapshot_digest: Content of the telemetry.
        query: What was asked of the source; empty if all of a folder.
        until: End of the range that was asked for.
        horizon: How far is forecast.
        history: Most history that a forecaster was given.
        forecasters: Recipes that were tried, in order.
        choosing: Folds that a recipe was chosen by.
        judging: Later folds that it was judged by.
        version: Version of this library.
    """

    snapshot_digest: str
    query: str
    until: datetime
    horizon: timedelta
    history: timedelta
    forecasters: tuple[str, ...]
    choosing: int
    judging: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bundle:
    """Forecasts of many series, on one grid or several.

    Attributes:
        forecasts: One a grid and cutoff; no row of them is missing.
        entries: One a series, in the order of the rows.
        lineage: What it was made from.
        skipped: (series id, reason) of what was asked for and is not in it.

    Raises:
        ModelError: If entries and rows disagree, a series is there twice, or a forecast has a hole.
    """

    forecasts: tuple[Forecast, ...]
    entries: tuple[Entry, ...]
    lineage: Lineage
    skipped: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        rows = [key for forecast in self.forecasts for key in forecast.keys]
        if not rows:
            raise ModelError("a bundle needs at least one series")
        if rows != [entry.key for entry in self.entries]:
            raise ModelError("a bundle needs one entry a forecast, in the same order")
        twice = [str(key) for key, count in Counter(rows).items() if count > 1]
        if twice:
            raise ModelError(f"a bundle holds each series once, found twice: {', '.join(twice[:3])}")
        for forecast in self.forecasts:
            if not np.isfinite(forecast.mean).all() or not np.isfinite(forecast.values).all():
                raise ModelError("a forecast of the bundle is not finite: leave out what cannot be forecast")
            if not np.array_equal(forecast.levels, self.forecasts[0].levels):
                raise ModelError("the forecasts of a bundle share their levels")

    @property
    def cutoff(self) -> datetime:
        """Stamp of the latest observation that was used."""
        return max(forecast.cutoff for forecast in self.forecasts)

    @property
    def end(self) -> datetime:
        """When the last forecast has run out."""
        return max(each.start + each.horizon * each.step for each in self.forecasts)

    @property
    def promised_coverage(self) -> float:
        """Share of the truth that is to lie between the lowest and the highest level."""
        levels = self.forecasts[0].levels
        return float(levels[-1] - levels[0])

    def recipes(self) -> dict[SeriesKey, str]:
        """Return the recipe of each series."""
        return {entry.key: entry.recipe for entry in self.entries}

    def forecast_of(self, key: SeriesKey) -> Forecast:
        """Return the forecast of one series, as a batch of one.

        Raises:
            ModelNotFoundError: If the bundle does not hold the series.
        """
        for each in self.forecasts:
            if key in each.keys:
                row = each.keys.index(key)
                return Forecast(
                    keys=(key,),
                    cutoff=each.cutoff,
                    step=each.step,
                    mean=each.mean[[row]],
                    levels=each.levels,
                    values=each.values[[row]],
                    units=(each.units[row],),
                    models=(each.models[row],),
                )
        raise ModelNotFoundError(f"the bundle holds no forecast of {key}: train with a query that covers it")
