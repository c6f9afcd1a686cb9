"""Answers about the future of one series: the window's maximum from its recent history, the path from the champion."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np

from aiops.errors import ModelNotFoundError
from aiops.forecasting.boosted import Boosted
from aiops.forecasting.boosted_trees import TreeStore
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.forecast import Forecast
from aiops.forecasting.forecaster import WindowForecaster
from aiops.series import FloatArray, Series, SeriesKey
from aiops.series.grid import floor
from aiops.usecases.champion import Champion
from aiops.usecases.live_calls import USUAL_LEVELS, ForecastQuery, PathAnswer, WindowAnswer

_REMEMBERED = 4096
_THREADS = 2


class Windows:
    """Window maxima, each made once for as long as no newer value is known.

    The window begins at ``now``; its first step is the one after the newest value, up to some steps earlier. So data
    that grow old make the window longer, and its maximum no smaller.

    A model that has to learn first takes seconds, and longer behind a fleet that asks for the first time. Until it is
    done what it falls back to answers, under its own name.

    Args:
        store: Keeps what models have learnt for the next process; None if nothing does.
        patience: How long an answer may wait for a model that has something to fall back to.
    """

    def __init__(self, store: TreeStore | None = None, patience: timedelta = timedelta(seconds=1)) -> None:
        self._store = store
        self._patience = patience
        self._made: OrderedDict[tuple[object, ...], asyncio.Future[FloatArray]] = OrderedDict()
        self._busy: dict[tuple[object, ...], asyncio.Future[FloatArray]] = {}  # one a question, whatever the minute
        # Of its own: the threads of the loop may all wait for a Prometheus that does not answer.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="windows")
        self._meanwhile = ThreadPoolExecutor(1, thread_name_prefix="meanwhile")
        self._models: dict[str, WindowForecaster] = {}  # each remembers what it has learnt of a series

    async def maximum(self, asked: ForecastQuery, series: Series, now: datetime) -> tuple[WindowAnswer | None, str]:
        """Return quantiles of the highest value of the window, or why there are none.

        Raises:
            ConfigError: If the catalog has no such model.
        """
        levels = asked.levels or USUAL_LEVELS
        steps = -(-(now - series.end + asked.window) // series.step)
        if steps >= len(series):
            return None, f"the window is longer than the history, {len(series)} steps up to {series.end.isoformat()}"
        name = asked.window_model
        model = self._models.get(name) or window_forecaster(name, self._store)
        self._models[name] = model
        meanwhile = model.fallback if isinstance(model, Boosted) else None
        task = self._task(asked, series, model, steps, levels)
        if task is not None:
            await asyncio.wait([task], timeout=None if meanwhile is None else self._patience.total_seconds())
        if task is None or not task.done():
            model = meanwhile or model
            found = await asyncio.get_running_loop().run_in_executor(
                self._meanwhile, _last, model, series, steps, levels
            )
        else:
            found = task.result()
        if np.isnan(found).any():
            return None, (
                f"{len(series)} steps of history, up to {series.end.isoformat()}, do not suffice for "
                f"{model.name}: ask again when more is known"
            )
        return WindowAnswer(levels=np.array(levels), values=found[0], model=model.name), ""

    def _task(
        self, asked: ForecastQuery, series: Series, model: WindowForecaster, steps: int, levels: tuple[float, ...]
    ) -> asyncio.Future[FloatArray] | None:
        """Return what makes the answer; None while the model still learns for the same question of an earlier minute.

        So what waits for a thread does not grow with the time that it waits.
        """
        question = (asked.query, series.key, series.step, steps, asked.window_model, levels)
        place = (*question, series.start, series.end)
        task = self._made.get(place)
        if task is not None or (isinstance(model, Boosted) and question in self._busy):
            return task

        def done(made: asyncio.Future[FloatArray]) -> None:
            self._busy.pop(question, None)
            if made.cancelled() or made.exception() is not None:  # it may do better when asked again
                self._made.pop(place, None)

        task = asyncio.get_running_loop().run_in_executor(self._threads, _last, model, series, steps, levels)
        self._made[place] = self._busy[question] = task
        task.add_done_callback(done)
        while len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        return task


def _last(model: WindowForecaster, series: Series, steps: int, levels: tuple[float, ...]) -> FloatArray:
    return model.window_maximum(series, np.array([len(series) - 1]), steps, np.array(levels))


def rehearse_window() -> None:
    """Forecast a window of nobody with the model that is used unless another is asked for; a thread may do it.

    The machine code is there then before the first caller waits for it. It is also what ``boosted`` falls back to,
    whose trees are left to those who ask for them: the library that grows them takes 140 MB.
    """
    day, step = 288, timedelta(minutes=5)
    values = np.arange(day, dtype=np.float64)
    series = Series(key=SeriesKey("rehearsal"), start=datetime(1970, 1, 1, tzinfo=UTC), step=step, values=values)
    forecaster = window_forecaster(ForecastQuery(series=series.key, window=step).window_model)
    forecaster.window_maximum(series, np.array([day - 1]), 1, np.array(USUAL_LEVELS))


def path(
    asked: ForecastQuery, query: str, series: Series, champion: Champion | None, now: datetime
) -> tuple[PathAnswer | None, str]:
    """Return what the champion says from the step that ``now`` lies in to the end of the horizon, or why nothing.

    Levels that the bundle does not have are read off straight lines between those that it has.

    Args:
        asked: Horizon and levels.
        query: What the series is read by; empty for a pushed one.
        series: Its history.
        champion: What serves now.
        now: From when it is asked.
    """
    if champion is None:
        return None, "there is no champion: train one, then ask again"
    key = series.key
    try:
        whole = champion.bundle.forecast_of(key)
    except ModelNotFoundError:
        return None, f"{champion.title} holds no forecast of {key}: train with a query that covers it"
    trained = champion.bundle.lineage.query.strip()
    if not key.name and trained != query.strip():  # its labels alone do not say what it measures
        return None, f"{champion.title} was trained on the query {trained!r}, and {key} is read by {query!r}"
    if whole.step != series.step:
        return None, f"{champion.title} forecasts {key} in steps of {whole.step}, and {series.step} was asked for"
    first = (floor(now, whole.step) - whole.start) // whole.step
    last = -((whole.start - now - asked.horizon) // whole.step)
    end = whole.start + whole.horizon * whole.step
    if first < 0 or last > whole.horizon:
        return None, (
            f"{champion.title} forecasts {key} from {whole.start.isoformat()} to {end.isoformat()}, and what was asked "
            f"for reaches {asked.horizon} from {now.isoformat()} on"
        )
    levels, values = whole.levels, whole.values[:, :, first:last]
    if asked.levels:
        levels = np.array(asked.levels)
        if levels[0] < whole.levels[0] - 1e-9 or levels[-1] > whole.levels[-1] + 1e-9:
            return None, f"{champion.title} knows levels from {whole.levels[0]:g} to {whole.levels[-1]:g} only"
        values = np.stack([np.interp(levels, whole.levels, column) for column in values[0].T], axis=1)[None]
    part = Forecast(
        keys=whole.keys,
        cutoff=whole.start + (first - 1) * whole.step,
        step=whole.step,
        mean=whole.mean[:, first:last],
        levels=levels,
        values=values,
        units=whole.units,
        models=whole.models,
    )
    return PathAnswer(
        forecast=part,
        cutoff=whole.cutoff,
        model=champion.version.name,
        version=champion.version.number,
        digest=champion.version.digest,
        recipe=champion.bundle.recipes()[key],
    ), ""
