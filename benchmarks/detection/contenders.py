"""The fleet detector and what it is compared with: each scores one series online, larger is odder."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from aiops.detection.calibration import RAREST
from aiops.detection.catalog import CATALOG, detector
from aiops.detection.cover import covered
from aiops.detection.detector import BoolArray, Points
from aiops.detection.fleet import FleetDetector
from aiops.detection.scorer import Scorer
from aiops.series import FloatArray

Contender = Callable[[FloatArray, FloatArray], FloatArray]
"""Stamps ``[n]`` and values ``[n]`` (NaN is a gap) to scores ``[n]``; what is not judged scores lowest."""

_NOTHING = -9.0
_DAY = 86_400.0


def fleet(at: FloatArray, values: FloatArray) -> FloatArray:
    """Return -log10(alerts a week), as ``aiops score`` writes it."""
    found: FloatArray = np.nan_to_num(covered(FleetDetector().replay(at, values)), nan=_NOTHING)
    return found


def rolling_z(at: FloatArray, values: FloatArray) -> FloatArray:
    """Return the distance from the mean of the day before, over its standard deviation."""
    import pandas as pd

    day = max(round(_DAY / float(np.min(np.diff(at)))), 30)
    past = pd.Series(values).shift(1).rolling(day, min_periods=30)
    raw = np.abs(values - past.mean().to_numpy()) / (past.std().to_numpy() + 1e-9)
    found: FloatArray = np.nan_to_num(np.minimum(raw, 1e9), nan=_NOTHING)
    return found


def catalogued(name: str) -> Contender:
    """Return a detector of the catalog, calibrated by the scorer of the service, without a forecast."""

    def scored(at: FloatArray, values: FloatArray) -> FloatArray:
        scorer = Scorer([detector(name)])
        state = scorer.start(1)
        row = np.zeros(1, dtype=np.int64)
        found = np.full(len(values), _NOTHING)
        for t in np.flatnonzero(~np.isnan(values)).tolist():
            scores = scorer.step(state, Points.unforecast(row, at[t : t + 1], values[t : t + 1]))
            found[t] = -np.log10(max(1.0 - scores.values[0], RAREST))
        return found

    return scored


def halfspace(at: FloatArray, values: FloatArray) -> FloatArray:
    """Return -log10 of River's half-space mass, as it is: over the features of our catalog, not calibrated."""
    own = detector("halfspace")
    state = own.start(1)
    found = np.full(len(values), _NOTHING)
    for t, value in enumerate(values.tolist()):
        if np.isnan(value):
            continue
        point = Points.unforecast(np.zeros(1, dtype=np.int64), at[t : t + 1], np.array([value]))
        found[t] = np.nan_to_num(np.log10(own.score(state, point)[0]), nan=_NOTHING)
        own.learn(state, point)
    return found


def isolation_forest(at: FloatArray, values: FloatArray) -> FloatArray:
    """Return pyod's IForest, fitted each day on the week before: value, change, distance from the last hour."""
    from pyod.models.iforest import IForest

    day = max(round(_DAY / float(np.min(np.diff(at)))), 24)
    table = _features(values, max(day // 24, 3))
    usable: BoolArray = np.logical_not(np.isnan(table).any(axis=1))
    found = np.full(len(values), _NOTHING)
    for begin in range(day, len(values), day):
        past = np.flatnonzero(usable[max(begin - 7 * day, 0) : begin]) + max(begin - 7 * day, 0)
        now = np.flatnonzero(usable[begin : begin + day]) + begin
        if len(past) >= 20 and len(now):
            model: Any = IForest(n_estimators=50, random_state=0).fit(table[past])
            found[now] = model.decision_function(table[now])
    return found


def _features(values: FloatArray, hour: int) -> FloatArray:
    import pandas as pd

    series = pd.Series(values)
    lately = series.shift(1).rolling(hour, min_periods=1).mean()
    return np.column_stack([values, series.diff().to_numpy(), (series - lately).to_numpy()])


def prophet_band(at: FloatArray, values: FloatArray) -> FloatArray:
    """Return the distance from Prophet's forecast over the half-width of its 90 % band; refitted weekly.

    It is fitted to quarter-hour means of the four weeks before: a fit to minutes takes a minute.
    """
    import pandas as pd
    from prophet import Prophet

    found = np.full(len(values), _NOTHING)
    stamps = pd.DatetimeIndex((1e9 * at).astype("datetime64[ns]"))
    week = 7 * _DAY
    first = at[0] + 2 * _DAY
    while first < at[-1]:
        past = (at < first) & (at >= first - 4 * week) & ~np.isnan(values)
        now = np.flatnonzero((at >= first) & (at < first + week) & ~np.isnan(values))
        first += week
        history = pd.Series(values[past], index=stamps[past]).resample("15min").mean().dropna()
        if len(history) < 30 or not len(now):
            continue
        model = Prophet(interval_width=0.9, uncertainty_samples=100)
        model.fit(pd.DataFrame({"ds": history.index, "y": history.to_numpy()}))
        coarse = pd.date_range(stamps[now[0]].floor("15min"), stamps[now[-1]].ceil("15min"), freq="15min")
        said = model.predict(pd.DataFrame({"ds": coarse}))
        seconds = (coarse - pd.Timestamp(0)).total_seconds().to_numpy()
        middle = np.interp(at[now], seconds, said["yhat"])
        half = np.interp(at[now], seconds, (said["yhat_upper"] - said["yhat_lower"]) / 2)
        found[now] = np.abs(values[now] - middle) / (half + 1e-9)
    return found


CONTENDERS: Mapping[str, Contender] = {
    **{name: catalogued(name) for name in CATALOG},
    "fleet": fleet,
    "rolling-z": rolling_z,
    "halfspace": halfspace,
    "iforest": isolation_forest,
    "prophet": prophet_band,
}
QUICK = ("fleet", "rolling-z")
"""Those that score all series; the others score a sample."""
