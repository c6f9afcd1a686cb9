"""What is asked of the live service, and what it answers: batches of points, forecasts, health."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

import numpy as np

from aiops.alerting.alert import Alert
from aiops.detection.detector import BoolArray
from aiops.errors import DataError
from aiops.forecasting.forecast import Forecast, require_levels
from aiops.ports import MOST_STEPS
from aiops.series import FloatArray, IntArray, SeriesKey, epoch_seconds, from_epoch
from aiops.series.duration import format_duration
from aiops.series.grid import require_step, require_utc

_MOST_LEVELS = 100

USUAL_LEVELS = (0.5, 0.9, 0.95, 0.99)
"""Levels of a window's maximum if none are asked for."""


class Skipped(IntEnum):
    """Why a point was not scored.

    ``DUPLICATE``: its step has a value already; the first one counts, so that a batch may be sent again without harm.
    ``LATE``: a newer point of the series was scored before it; detectors go forward only.
    """

    NO = 0
    DUPLICATE = 1
    LATE = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PointBatch:
    """Points of one or several series.

    Attributes:
        keys: Which series the batch is about, distinct.
        series: Index into ``keys`` of each point, shape ``[m]``.
        at: Stamps in seconds since the epoch, shape ``[m]``: the START of the step that each value speaks of.
        values: Observations, shape ``[m]``; NaN is a gap.

    Raises:
        DataError: If a shape or an index is wrong, a stamp is not finite, or a value is infinite.
    """

    keys: tuple[SeriesKey, ...]
    series: IntArray
    at: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        shape = (len(self.series),)
        if self.series.shape != shape or self.at.shape != shape or self.values.shape != shape:
            raise DataError(
                "a batch needs one series index, one timestamp and one value a point, "
                f"got {len(self.series)}, {len(self.at)} and {len(self.values)}"
            )
        if len(set(self.keys)) != len(self.keys):
            raise DataError("a batch names each series once: let several points share its index")
        if not len(self.series):
            return
        # Most batches are short, and Python looks through a short list faster than NumPy starts.
        series = self.series.tolist()
        if min(series) < 0 or max(series) >= len(self.keys):
            raise DataError(f"series indices lie in 0..{len(self.keys) - 1} here, got {min(series)}..{max(series)}")
        if not all(map(math.isfinite, self.at.tolist())):
            raise DataError("every point needs a timestamp that is a finite number")
        if any(map(math.isinf, self.values.tolist())):
            which = self.keys[int(self.series[np.isinf(self.values)][0])]
            raise DataError(f"{which}: values must be finite, or NaN for a gap, found an infinity")

    def require_known_by(self, now: datetime, ahead: timedelta) -> None:
        """Refuse stamps of the future.

        Raises:
            DataError: If a stamp is further ahead of our clock than clocks may differ.
        """
        if len(self.at) and max(self.at.tolist()) > epoch_seconds(now + ahead):
            which = int(np.argmax(self.at))
            raise DataError(
                f"{self.keys[int(self.series[which])]}: the stamp {from_epoch(self.at[which]).isoformat()} is more "
                f"than {format_duration(ahead)} ahead of our clock, {now.isoformat()}: "
                "check the clock of the sender, and that timestamps are in the unit that the API asks for"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredBatch:
    """A batch, scored; every array has one entry a point of the batch, in its order.

    Attributes:
        score: In [0, 1]: 0.999 means that one normal point in a thousand of that series looks so odd. 0 for a gap,
            while warming up, and where the point was skipped.
        expected: Most likely value; NaN where unknown.
        lower: Lower end of the interval that holds 999 of 1000 normal points; NaN where unknown.
        upper: Upper end of it.
        detector: Index into ``detectors`` of the one that found it oddest; -1 where none had an opinion.
        warming_up: Whether there was a value and no detector could judge it yet.
        skipped: A ``Skipped`` each.
        detectors: Names.
        changes: Alerts that began to fire, grew worse or were resolved.
    """

    score: FloatArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray
    detector: IntArray
    warming_up: BoolArray
    skipped: IntArray
    detectors: tuple[str, ...]
    changes: tuple[Alert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastQuery:
    """What is asked about the future of one series.

    Attributes:
        query: What the source is asked; it has to return one series. Empty if ``series`` is given.
        series: A series that is watched or pushed. None if ``query`` is given.
        step: Grid of the query.
        horizon: How far the path reaches from ``now``; zero asks for none.
        window: How long the window is whose highest value is asked for; zero asks for none.
        window_model: Its model, by its name in the catalog of window forecasters.
        levels: Quantile levels in (0, 1), increasing; empty asks for those of the bundle, and for ``USUAL_LEVELS`` of
            the window.
        now: From when it is asked: only what was known by then is used. The clock's time if None.
        history: How much history the window's model is given, at most.

    Raises:
        DataError: If it asks for nothing, for both or neither of query and series, or a length or level is wrong.
    """

    query: str = ""
    series: SeriesKey | None = None
    step: timedelta = timedelta(minutes=1)
    horizon: timedelta = timedelta(0)
    window: timedelta = timedelta(0)
    window_model: str = "holt-winters"
    levels: tuple[float, ...] = ()
    now: datetime | None = None
    history: timedelta = timedelta(days=14)

    def __post_init__(self) -> None:
        if bool(self.query.strip()) == (self.series is not None):
            raise DataError("ask for the forecast of a query or of a series: give one of them")
        require_step(self.step)
        if len(self.levels) > _MOST_LEVELS:
            raise DataError(f"ask for {_MOST_LEVELS} levels at most, got {len(self.levels)}")
        if self.levels:
            require_levels(np.array(self.levels))
        if self.now is not None:
            require_utc(self.now, "now")
        if min(self.horizon, self.window) < timedelta(0) or self.horizon == self.window == timedelta(0):
            raise DataError("ask for a path (horizon), a window, or both: a positive length of time")
        if not 1 <= self.history // self.step <= MOST_STEPS:
            raise DataError(
                f"history must hold 1 to {MOST_STEPS:,} steps of {self.step}, got {self.history}: give another "
                "history or a longer step"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathAnswer:
    """Quantiles of each step ahead, from the champion's bundle.

    Attributes:
        forecast: One row; its first step is the one that ``now`` lies in.
        cutoff: Stamp of the last observation that the bundle's forecast used.
        model: Name of the registered model.
        version: Its version.
        digest: Digest of its bundle.
        recipe: Forecaster that was chosen for this series.
    """

    forecast: Forecast
    cutoff: datetime
    model: str
    version: str
    digest: str
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowAnswer:
    """Quantiles of the highest value from ``now`` until the window has passed.

    Attributes:
        levels: Quantile levels, shape ``[q]``.
        values: Quantiles, shape ``[q]``.
        model: Name in the catalog of window forecasters.
    """

    levels: FloatArray
    values: FloatArray
    model: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForecastAnswer:
    """What is known of the future of one series.

    Attributes:
        key: Which series.
        cutoff: Stamp of the last observation that was used.
        data_age: From when that was known (cutoff + step) to ``now``; old data are answered and never hidden.
        path: The path; None if it was not asked for or there is none.
        path_reason: Why there is none; empty if there is one or none was asked for.
        window_maximum: The window's maximum; None if it was not asked for or cannot be told.
        window_reason: Why not; empty if there is one or none was asked for.
    """

    key: SeriesKey
    cutoff: datetime
    data_age: timedelta
    path: PathAnswer | None = None
    path_reason: str = ""
    window_maximum: WindowAnswer | None = None
    window_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamHealth:
    """Whether a system that we talk to answers.

    Attributes:
        name: ``prometheus``, ``registry`` or ``alertmanager``.
        up: Whether the last request was answered; None before the first.
        since: Since when that is so; None before the first.
        reason: What it said when it last failed; empty while it is up.
    """

    name: str
    up: bool | None = None
    since: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorHealth:
    """How a monitor is doing.

    Attributes:
        name: Its name in the file.
        series: How many series it watches.
        data_age: Since when the newest scored value was known; None before the first.
        trouble: Why it does not get on; empty if it does.
    """

    name: str
    series: int
    data_age: timedelta | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a person or a probe wants to know of the live service.

    Attributes:
        ready: Whether calls can be answered: every monitor of the file has read its history or failed at it once.
        upstreams: The systems that it talks to.
        monitors: What it watches.
        pushed_series: Series that are known from pushes alone.
        champion: Name, version and digest of the bundle in use; empty if there is none.
        troubles: Sentences for people: a refused bundle, an expired forecast, a broken file, a disk that is full.
        alerts_waiting: Alert changes that Alertmanager does not know of yet.
    """

    ready: bool
    upstreams: tuple[UpstreamHealth, ...] = ()
    monitors: tuple[MonitorHealth, ...] = ()
    pushed_series: int = 0
    champion: str = ""
    troubles: tuple[str, ...] = ()
    alerts_waiting: int = 0
