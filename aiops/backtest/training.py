"""Trains a shard of series: chooses a recipe by earlier folds, judges it and the champion by later ones, forecasts.

::

    series    |--------------------------------------------|
    choosing  |===============|....|....|                       = history   . truth
    judging   |=========================|....|....|             the same folds for newcomer, champion and baseline
    forecast  |=============================================|....
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.backtest.forecasts import SeriesAccuracy as Scored
from aiops.backtest.forecasts import Skipped, Work, score
from aiops.backtest.splits import RollingOrigins
from aiops.errors import AiopsError, ConfigError
from aiops.forecasting.bundle import LEVELS, Accuracy, Entry
from aiops.forecasting.catalog import PATH, path_forecaster
from aiops.forecasting.forecast import Forecast
from aiops.series import FloatArray, Frame, SeriesKey

BASELINE = "seasonal-naive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How series are trained.

    Attributes:
        forecasters: Recipes to choose from, by their names in the catalog; of equals the first wins.
        horizon: How far to forecast, and the length of a fold.
        history: Most history that a forecaster is given.
        choosing: Folds that the recipe is chosen by.
        judging: Later folds that it is judged by.

    Raises:
        ConfigError: If a forecaster is unknown, or a number or a length is not positive.
    """

    forecasters: tuple[str, ...] = (BASELINE, "fleet")
    horizon: timedelta = timedelta(days=2)
    history: timedelta = timedelta(days=28)
    choosing: int = 2
    judging: int = 2

    def __post_init__(self) -> None:
        for name in self.forecasters:
            path_forecaster(name)
        if not self.forecasters or min(self.choosing, self.judging) < 1:
            raise ConfigError(f"training needs a forecaster and at least one fold of each kind, got {self!r}")
        if min(self.horizon, self.history) <= timedelta():
            raise ConfigError(f"training needs a positive horizon and history, got {self!r}")

    def steps(self, step: timedelta) -> int:
        """Return the horizon in steps.

        Raises:
            ConfigError: If it is shorter than one.
        """
        if self.horizon < step:
            raise ConfigError(f"a horizon of {self.horizon} is shorter than a step of {step}: give more")
        return self.horizon // step

    def needed(self, step: timedelta) -> int:
        """Return the fewest points that can be trained on: all folds, and one horizon of history before the first."""
        return (self.choosing + self.judging + 1) * self.steps(step)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shard:
    """Series of one grid and span, to be trained together; what a ``Mapper`` hands out.

    Attributes:
        frame: The series.
        champions: The champion's recipe for each row; None where it has none.
        plan: How.
    """

    frame: Frame
    champions: tuple[str | None, ...]
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """What came of a shard.

    Attributes:
        forecast: Of the series that could be trained; None if none could.
        entries: One a row of the forecast.
        champion_crps: Loss of the champion's recipe at the judging folds, where it could be scored.
        skipped: (series id, reason) of the others.
    """

    forecast: Forecast | None
    entries: tuple[Entry, ...]
    champion_crps: dict[SeriesKey, float]
    skipped: tuple[tuple[str, str], ...]


def train(shard: Shard) -> Trained:
    """Train the series of one shard; one that cannot be is left out with its reason."""
    frame, plan = shard.frame, shard.plan
    rows = list(range(len(frame.keys)))
    earlier = frame.columns(0, max(frame.length - plan.judging * plan.steps(frame.step), 0))
    tried = {name: _scored(name, earlier, rows, plan, plan.choosing) for name in plan.forecasters}
    recipes = {row: name for row in rows if (name := _best(tried, row)) is not None}
    champions = {row: name for row, name in enumerate(shard.champions) if name in PATH}

    judged: dict[tuple[str, int], Scored | Skipped] = {}
    for name in dict.fromkeys([*recipes.values(), *champions.values(), BASELINE]):
        asked = [row for row in rows if name in (recipes.get(row), champions.get(row), BASELINE)]
        judged.update({(name, row): each for row, each in _scored(name, frame, asked, plan, plan.judging).items()})

    forecast = _forecast(frame, recipes, plan)
    skipped: list[tuple[str, str]] = []
    kept: list[int] = []
    entries: list[Entry] = []
    for row, key in enumerate(frame.keys):
        found = judged[recipes[row], row] if row in recipes else tried[plan.forecasters[0]][row]
        if not isinstance(found, Scored) or row not in recipes:
            skipped.append((key.series_id, found.reason if isinstance(found, Skipped) else "no recipe could be scored"))
        elif np.isnan(forecast.mean[row]).any() or np.isnan(forecast.values[row]).any():
            skipped.append((key.series_id, f"no forecast: {recipes[row]} could not be fitted to all of the history"))
        else:
            base = judged[BASELINE, row]
            kept.append(row)
            entries.append(Entry(key=key, recipe=recipes[row], accuracy=_accuracy(found, base)))
    losses = {(name, row): each.crps for (name, row), each in judged.items() if isinstance(each, Scored)}
    return Trained(
        forecast=_rows(forecast, kept) if kept else None,
        entries=tuple(entries),
        champion_crps={frame.keys[row]: losses[name, row] for row, name in champions.items() if (name, row) in losses},
        skipped=tuple(skipped),
    )


def _scored(name: str, frame: Frame, rows: Sequence[int], plan: Plan, folds: int) -> dict[int, Scored | Skipped]:
    """Score one recipe on some rows at the last folds of a frame."""
    part = frame.select(rows)
    origins = RollingOrigins(
        horizon=plan.steps(frame.step), count=folds, longest_history=max(plan.history // frame.step, 1)
    )
    work = Work(model=name, forecaster=path_forecaster(name), frame=part, origins=origins, levels=np.array(LEVELS))
    try:
        found: Sequence[Scored | Skipped] = score(work)
    except AiopsError as error:
        found = [Skipped(series_id=key.series_id, model=name, reason=str(error)) for key in part.keys]
    return dict(zip(rows, found, strict=True))


def _best(tried: dict[str, dict[int, Scored | Skipped]], row: int) -> str | None:
    """Return the recipe with the smallest loss; None if none could be scored."""
    losses = {name: found.crps for name, by_row in tried.items() if isinstance(found := by_row[row], Scored)}
    known = {name: loss for name, loss in losses.items() if not np.isnan(loss)}
    return min(known, key=lambda name: known[name]) if known else None


def _forecast(frame: Frame, recipes: dict[int, str], plan: Plan) -> Forecast:
    """Forecast each row by its recipe from the latest history; rows without one are NaN."""
    horizon = plan.steps(frame.step)
    levels: FloatArray = np.array(LEVELS)
    history = frame.columns(max(frame.length - max(plan.history // frame.step, 1), 0), frame.length)
    mean = np.full((len(frame.keys), horizon), np.nan)
    values = np.full((len(frame.keys), len(levels), horizon), np.nan)
    models = [""] * len(frame.keys)
    for name in dict.fromkeys(recipes.values()):
        rows = [row for row, recipe in recipes.items() if recipe == name]
        try:
            made = path_forecaster(name).forecast(history.select(rows), horizon, levels)
        except AiopsError:
            continue  # the rows stay NaN, and are left out with that reason
        mean[rows], values[rows] = made.mean, made.values
        for row, model in zip(rows, made.models, strict=True):
            models[row] = model
    return Forecast(
        keys=frame.keys,
        cutoff=frame.cutoff,
        step=frame.step,
        mean=mean,
        levels=levels,
        values=values,
        units=frame.units,
        models=tuple(models),
    )


def _rows(forecast: Forecast, rows: Sequence[int]) -> Forecast:
    return Forecast(
        keys=tuple(forecast.keys[row] for row in rows),
        cutoff=forecast.cutoff,
        step=forecast.step,
        mean=forecast.mean[list(rows)],
        levels=forecast.levels,
        values=forecast.values[list(rows)],
        units=tuple(forecast.units[row] for row in rows),
        models=tuple(forecast.models[row] for row in rows),
    )


def _accuracy(found: Scored, base: Scored | Skipped) -> Accuracy:
    return Accuracy(
        folds=found.origins,
        mase=found.mase,
        crps=found.crps,
        coverage=found.coverage,
        baseline_crps=base.crps if isinstance(base, Scored) and not np.isnan(base.crps) else None,
    )
