"""Losses of quantile forecasts window by window, and their means over series relative to seasonal naive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.backtest.forecasts import SMALLEST
from aiops.forecasting.accuracy import absolute_scale, mean_of_known, pinball_loss
from aiops.forecasting.naive import SeasonalNaive
from aiops.series import FloatArray, Frame
from benchmarks.forecasting import chance
from benchmarks.forecasting.windows import Window

LEVELS = np.array([0.1, 0.5, 0.9, 0.95, 0.99])
DECILES = [0, 1, 2]
"""Places of the deciles among the levels: what the CRPS is made of."""
NAMES = ("MASE", "CRPS", "pinball .95")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """One forecaster on many windows.

    Attributes:
        scaled: MASE of the median, CRPS, pinball loss at 0.95, in mean absolute differences of a period inside the
            history; shape ``[3, n_windows]``, NaN for a window whose history is flat or whose truth is missing.
        below: Share of the truth at or below each level, shape ``[q, n_windows]``.
        inside: Share of the truth within the 80 % interval, shape ``[n_windows]``.
    """

    scaled: FloatArray
    below: FloatArray
    inside: FloatArray


def losses(windows: Sequence[Window], quantiles: Sequence[FloatArray], period: timedelta) -> Losses:
    """Score quantiles ``[q, horizon]`` of each window."""
    scaled = np.full((3, len(windows)), np.nan)
    below = np.full((len(LEVELS), len(windows)), np.nan)
    inside = np.full(len(windows), np.nan)
    for at, (window, forecast) in enumerate(zip(windows, quantiles, strict=True)):
        scale = float(absolute_scale(window.history.values, period // window.history.step))
        seen = ~np.isnan(window.truth)
        if not scale > 0 or not seen.any():
            continue
        pinball = pinball_loss(window.truth, forecast, LEVELS) / scale
        scaled[:, at] = 2 * pinball[1], 2 * pinball[DECILES].mean(), pinball[3]
        # What equals a bound lies within it: rounding of the last bit is not an error.
        slack = 1e-9 * scale
        hits = np.where(seen, (window.truth <= forecast + slack).astype(np.float64), np.nan)
        below[:, at] = mean_of_known(hits)
        within = (window.truth >= forecast[0] - slack) & (window.truth <= forecast[2] + slack)
        inside[at] = float(within[seen].mean())
    return Losses(scaled=scaled, below=below, inside=inside)


def naive_quantiles(window: Window, period: timedelta, last: timedelta | None = None) -> FloatArray:
    """Return seasonal naive's quantiles ``[q, horizon]``: its point plus those of the history's own differences.

    Args:
        window: What is forecast.
        period: Season.
        last: The history that the differences are taken from; all of it if None.
    """
    frame = Frame.of([window.history])
    point = SeasonalNaive(period=period).point(frame, len(window.truth))[0]
    values = window.history.values if last is None else window.history.values[-(last // window.history.step) :]
    lag = period // window.history.step
    change = values[lag:] - values[:-lag]
    known = change[~np.isnan(change)]
    return np.asarray(point + (np.quantile(known, LEVELS) if len(known) else np.zeros(len(LEVELS)))[:, None])


def relative(
    own: Losses, naive: Losses, windows: Sequence[Window], chosen: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Compare two forecasters: means over the windows of a series, then geometric and arithmetic means over series.

    Args:
        own: One of them.
        naive: The other.
        windows: On these.
        chosen: Which of the windows count, shape ``[n]``; None means all.
    """
    ids = np.array([window.series_id for window in windows])
    asked = np.ones(len(windows), dtype=np.bool_) if chosen is None else chosen
    comparable = asked & ~np.isnan(own.scaled).any(axis=0) & ~np.isnan(naive.scaled).any(axis=0)
    names = np.unique(ids[comparable])
    mine = np.array([own.scaled[:, comparable & (ids == name)].mean(axis=1) for name in names])  # [series, 3]
    theirs = np.array([naive.scaled[:, comparable & (ids == name)].mean(axis=1) for name in names])
    ratio = (mine + SMALLEST) / (theirs + SMALLEST)
    of_windows = (own.scaled[:, comparable] + SMALLEST) / (naive.scaled[:, comparable] + SMALLEST)
    found: dict[str, Any] = {
        "windows": int(comparable.sum()),
        "left_out_flat_or_missing": int((asked & ~comparable).sum()),
        "series": len(names),
        "worse_share": float((ratio[:, 0] > 1).mean()),
    }
    for column, name in enumerate(NAMES):
        found[name] = {
            "geometric": float(np.exp(np.log(ratio[:, column]).mean())),
            "arithmetic": float(mine[:, column].mean() / theirs[:, column].mean()),
            "mean": float(mine[:, column].mean()),
            "windows_10_50_90": [float(each) for each in np.quantile(of_windows[column], [0.1, 0.5, 0.9])],
        }
    return found


def calibration(own: Losses, windows: Sequence[Window]) -> dict[str, dict[str, Any]]:
    """Return coverage and hit rates over all windows, and by dataset group.

    With each, where it lies in 95 of 100 draws of such windows (``..._interval``), and, of a group, where it would lie
    by chance alone, were the group drawn from all (``..._by_chance``).
    """
    groups, ids = np.array([window.group for window in windows]), np.array([window.series_id for window in windows])
    scored = ~np.isnan(own.inside)
    found: dict[str, dict[str, Any]] = {}
    for name in ["all", *np.unique(groups[scored])]:
        chosen = scored & ((groups == name) | (name == "all"))
        found[name] = {"windows": int(chosen.sum()), "series": len(np.unique(ids[chosen]))}
        for figure, (rates, promise) in {
            "coverage_80": (own.inside, 0.8),
            "hits_0.95": (own.below[3], 0.95),
            "hits_0.99": (own.below[4], 0.99),
        }.items():
            found[name][figure] = float(rates[chosen].mean())
            found[name][f"{figure}_interval"] = chance.interval(rates[chosen], ids[chosen].tolist())
            if name != "all":
                few = ids[chosen].tolist()
                found[name][f"{figure}_by_chance"] = chance.by_chance(rates[scored], ids[scored].tolist(), few, promise)
    return found
