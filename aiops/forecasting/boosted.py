"""Boosted trees for the quantile of the peak ahead: re-trained each day, calibrated each step by their own errors.

What a reactive scaler cannot know is what follows: the rise at the full hour, the batch at night, the burst that comes
back every quarter. Trees learn that from the series itself; the level they start from is that of the last minutes.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from aiops.errors import FitFailedError
from aiops.forecasting.boosted_features import Tracks, features, looks_back, tracks
from aiops.forecasting.boosted_trees import Trees, TreeStore, grow, predict
from aiops.forecasting.forecaster import WindowForecaster
from aiops.forecasting.window import LEAST_ERRORS, maximum_ahead, quantiles_of_ended, require_question
from aiops.series import FloatArray, IntArray, Series, SeriesKey, epoch_seconds
from aiops.series.compiled import digest_of_sources

DAY: Final = timedelta(days=1)
ANCHORS: Final = (0.8, 0.95)
"""Levels that trees are grown for; the errors of the next higher one give every other level."""
_LEAST_ROWS: Final = 500
_MOST_ROWS: Final = 50_000
_ROWS_A_WINDOW: Final = 4  # long windows side by side have nearly the same peak: more rows cost and teach nothing
_REMEMBERED: Final = 8192


_Place = tuple[str, timedelta, int, float, int]
"""Series, step, window, level, and where the training lies on the clock."""


class Day(NamedTuple):
    """Trees in force for one day, and what they said so far.

    Attributes:
        lesson: Digest of the last day that was learnt from.
        trees: None where nothing could be learnt.
        carried: Where the walk stood a week before the first cutoff, from which features are made.
        values: What was observed from the first cutoff of the day on, shape ``[k]``.
        point: The quantile at each of those cutoffs, before calibration, shape ``[k]``.
        unit: What errors are divided by, shape ``[k]``.
    """

    lesson: bytes
    trees: Trees | None
    carried: FloatArray
    values: FloatArray
    point: FloatArray
    unit: FloatArray


class Days:
    """The latest days, by series and setting; safe between threads. Another process starts without them."""

    def __init__(self) -> None:
        self._days: OrderedDict[Hashable, Day] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, place: Hashable) -> Day | None:
        """Return what is kept there."""
        with self._lock:
            found = self._days.get(place)
            if found is not None:
                self._days.move_to_end(place)
            return found

    def put(self, place: Hashable, day: Day) -> None:
        """Keep it; the one that was not asked for longest makes room."""
        with self._lock:
            self._days[place] = day
            self._days.move_to_end(place)
            if len(self._days) > _REMEMBERED:
                self._days.popitem(last=False)

    def __reduce__(self) -> tuple[type[Days], tuple[()]]:
        return Days, ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosted:
    """A WindowForecaster: gradient-boosted trees, walking forward, with quantiles of their own out-of-sample errors.

    Once a day, at an instant that depends on the name of the series only (a fleet does not train at once), trees are
    grown on the windows of the last ``memory`` that have ended by then. They are in force for the day that follows.
    What they say is moved by the quantile of their own errors of the last ``error_memory``, so that the promised level
    holds whatever the trees think. Where there are no trees yet, or too few errors of theirs, ``fallback`` answers.

    What is rewritten in history older than a day is learnt at the next training. A series that was never negative is
    not forecast below 0.

    Attributes:
        fallback: Answers in the first two days.
        memory: Longest history to learn from.
        error_memory: How long an error is remembered.
        store: Keeps trees for the next process; None: it grows them again.

    Reference:
        Ke et al. (2017), "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 30. Romano,
        Patterson, Candes (2019), "Conformalized Quantile Regression", NeurIPS 32.
    """

    fallback: WindowForecaster
    memory: timedelta = timedelta(days=28)
    error_memory: timedelta = timedelta(days=3)
    store: TreeStore | None = None
    _days: Days = field(default_factory=Days, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        return "boosted"

    def window_maximum(self, series: Series, cutoffs: IntArray, window: int, levels: FloatArray) -> FloatArray:
        """Forecast as ``WindowForecaster`` says; NaN where the fallback has nothing to say either."""
        require_question(series, cutoffs, window, levels)
        if len(cutoffs) == 0:
            return np.empty((0, len(levels)))
        remembered = max(self.error_memory // series.step, LEAST_ERRORS)
        first, last = max(int(cutoffs[0]) - remembered - window, 0), int(cutoffs[-1])
        at = cutoffs - first
        truth = maximum_ahead(series.values[first : last + 1], window)
        found = np.full((len(cutoffs), len(levels)), np.nan)
        anchors = np.array([anchor_of(level) for level in levels.tolist()])
        for anchor in np.unique(anchors).tolist():
            point, unit = self._walk(series, first, last, window, anchor)
            mine = anchors == anchor
            error = quantiles_of_ended((truth - point) / unit, at, window, remembered, levels[mine])
            found[:, mine] = point[at, None] + error * unit[at, None]
        lowest_before = np.fmin.reduce(series.values[: cutoffs[0] + 1])
        lowest = np.fmin(lowest_before, np.fmin.accumulate(series.values[cutoffs[0] : last + 1]))
        never_negative = lowest[cutoffs - cutoffs[0]] >= 0
        found = np.where(never_negative[:, None], np.maximum(found, 0.0), found)
        # Trees of two levels may cross: the higher one is what decisions read, so the lower one gives way.
        found = np.minimum.accumulate(found[:, ::-1], axis=1)[:, ::-1]
        without = np.isnan(found).any(axis=1)
        if without.any():
            found[without] = self.fallback.window_maximum(series, cutoffs[without], window, levels)
        return found

    def _walk(self, series: Series, first: int, last: int, window: int, anchor: float) -> tuple[FloatArray, FloatArray]:
        """Return what trees say before calibration at each cutoff ``first..last``, and the unit of their errors."""
        calendar = _Calendar.of(series)
        point, unit = np.full((2, last - first + 1), np.nan)
        for trained_at in range(calendar.training_before(first), last + 2, calendar.day):
            until = min(trained_at - 1 + calendar.day, last + 1)
            day = self._day(series, calendar, trained_at, until, window, anchor)
            if day is None:
                continue
            skip = max(first - (trained_at - 1), 0)
            place = slice(trained_at - 1 + skip - first, until - first)
            point[place] = day.point[skip : until - trained_at + 1]
            unit[place] = day.unit[skip : until - trained_at + 1]
        return point, unit

    def _day(
        self, series: Series, calendar: _Calendar, trained_at: int, until: int, window: int, anchor: float
    ) -> Day | None:
        """Return the day whose trees learnt from the values before ``trained_at``, with all cutoffs before ``until``.

        The first cutoff of the day is ``trained_at - 1``: it knows just what the trees know.
        """
        begin = max(trained_at - max(self.memory // series.step, 1), calendar.first_training)
        if trained_at - begin < max(calendar.day, _LEAST_ROWS):
            return None
        place = (series.key.series_id, series.step, window, anchor, calendar.place + trained_at)
        learnt = np.ascontiguousarray(series.values[trained_at - calendar.day : trained_at])
        lesson = hashlib.blake2b(learnt.tobytes(), digest_size=16).digest()
        values = series.values[trained_at - 1 : until]
        kept = self._days.get(place)
        if kept is not None and kept.lesson == lesson:
            same = min(len(kept.values), len(values))
            if not np.array_equal(kept.values[:same], values[:same], equal_nan=True):
                same = 0
            if same == len(values):
                return kept
        else:
            kept, same = None, 0
        recent = max(trained_at - 1 - looks_back(series.step), begin)
        if kept is None:
            whole = tracks(series.values[begin:until], calendar.second(begin), series.step, window)
            trees = self._trees(place, lesson, whole, trained_at - begin)
            carried = tracks(series.values[begin:recent], calendar.second(begin), series.step, window).carried
        else:
            trees, carried = kept.trees, kept.carried
        made = tracks(series.values[recent:until], calendar.second(recent), series.step, window, carried)
        new = np.arange(trained_at - 1 - recent + same, until - recent)
        point = np.full(len(new), np.nan) if trees is None else predict(trees, features(made, new))
        point, unit = made.level[new] + point * made.unit[new], made.unit[new]
        if kept is not None:
            point, unit = np.concatenate([kept.point[:same], point]), np.concatenate([kept.unit[:same], unit])
        day = Day(lesson=lesson, trees=trees, carried=carried, values=values.copy(), point=point, unit=unit)
        self._days.put(place, day)
        return day

    def _trees(self, place: _Place, lesson: bytes, made: Tracks, known: int) -> Trees | None:
        """Return the trees that were grown at a place, in this process or one before, or grow them."""
        name = "" if self.store is None else _name(place, lesson)
        trees = None if self.store is None else self.store.get(name)
        if trees is None:
            trees = _learn(made, known, place[3])
            if self.store is not None and trees is not None:
                self.store.put(name, trees)
        return trees


def _name(place: _Place, lesson: bytes) -> str:
    """Return what names the trees of a place for as long as the code is the same that grew them."""
    code = digest_of_sources(Path(__file__).parent)
    return hashlib.blake2b(repr((place, lesson, code)).encode(), digest_size=16).hexdigest()


def anchor_of(level: float) -> float:
    """Return the level of the trees that answer for ``level``."""
    return next((anchor for anchor in ANCHORS if level <= anchor), ANCHORS[-1])


def _learn(made: Tracks, known: int, level: float) -> Trees | None:
    """Grow trees on the windows that have ended within the first ``known`` steps; None where they are too few."""
    places = np.arange(known - made.window)
    target = (made.ahead[places] - made.level[places]) / made.unit[places]
    places = places[~np.isnan(target)]
    if len(places) < max(_LEAST_ROWS - made.window, 1):
        return None
    places = places[:: max(made.window // _ROWS_A_WINDOW, -(-len(places) // _MOST_ROWS))]
    target = (made.ahead[places] - made.level[places]) / made.unit[places]
    try:
        return grow(features(made, places), target, level)
    except FitFailedError:
        return None


class _Calendar(NamedTuple):
    """Where the trainings of one series lie: places in the series, ``day`` apart.

    Attributes:
        place: Steps from 1970 to the first value.
        first_training: The first of them.
        day: Steps between two.
        start: Stamp of the first value, in seconds since 1970.
        step: Seconds.
    """

    place: int
    first_training: int
    day: int
    start: float
    step: float

    @classmethod
    def of(cls, series: Series) -> _Calendar:
        """Read it off the clock and the name."""
        day = max(DAY // series.step, 1)
        start, step = epoch_seconds(series.start), series.step.total_seconds()
        place = int(start // step)
        return cls(place=place, first_training=(_own_time(series.key) - place) % day, day=day, start=start, step=step)

    def training_before(self, cutoff: int) -> int:
        """Return the training whose trees are in force at a cutoff; the first one if it lies before that."""
        return self.first_training + max((cutoff + 1 - self.first_training) // self.day, 0) * self.day

    def second(self, place: int) -> float:
        """Return the stamp of a place."""
        return self.start + place * self.step


def _own_time(key: SeriesKey) -> int:
    digest: Any = hashlib.blake2b(key.series_id.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")
