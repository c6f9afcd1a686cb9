"""What only ``fleet`` can do, on the windows of the day ahead: maxima of windows, and nights without a backtest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from aiops.adapters.folder import FolderSource
from aiops.forecasting.fleet.forecaster import Fleet
from aiops.forecasting.fleet.maximum import window_maximum
from aiops.series import Frame, Series
from benchmarks.forecasting import windows
from benchmarks.forecasting.losses import LEVELS, NAMES, losses, naive_quantiles, relative
from benchmarks.forecasting.windows import DAY

LENGTHS = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
NIGHTS = (1, 3, 7)


def maximum_part(source: FolderSource) -> tuple[dict[str, Any], list[str]]:
    """Return how often the highest value of each window of the day ahead lies below its quantiles, a length each."""
    asked = windows.day_ahead(source)
    found: dict[str, Any] = {}
    lines: list[str] = []
    for length in LENGTHS:
        below, inside = [], []
        for places, frame in windows.batches(asked):
            window = length // frame.step
            made = window_maximum(frame, len(asked[places[0]].truth), window, LEVELS)
            for row, place in enumerate(places):
                truth = np.lib.stride_tricks.sliding_window_view(asked[place].truth, window).max(axis=-1)
                seen = ~np.isnan(truth)
                if not seen.any():
                    continue
                slack = 1e-9 * np.nanmax(np.abs(asked[place].history.values))
                hits, above = truth[seen] <= made[row][:, seen] + slack, truth[seen] >= made[row][0, seen] - slack
                below.append(hits.mean(axis=1))
                inside.append((hits[2] & above).mean())
        name = f"{length.total_seconds() / 60:g} min"
        rates = np.mean(below, axis=0)
        found[name] = {
            "windows": len(inside),
            "coverage_80": float(np.mean(inside)),
            "hits_0.95": float(rates[3]),
            "hits_0.99": float(rates[4]),
        }
        lines += [
            f"{f'highest of {name}: {key}':<58}{'':>16}{value:>9.3f}"
            for key, value in found[name].items()
            if key != "windows"
        ]
    return found, lines


def kept_part(source: FolderSource) -> tuple[dict[str, Any], list[str]]:
    """Return the errors of a day ahead, relative to seasonal naive, with a backtest that is some nights old."""
    asked = windows.day_ahead(source)
    naive = losses(asked, [naive_quantiles(each, DAY) for each in asked], DAY)
    fleet = Fleet()
    found: dict[str, Any] = {}
    lines: list[str] = []
    for nights in NIGHTS:
        made = []
        for each in asked:
            fit = fleet.fit(Frame.of([_before(each.history, nights)]), len(each.truth), LEVELS)
            made.append(fit.forecast(Frame.of([each.history])).values[0])
        own = relative(losses(asked, made, DAY), naive, asked)
        found[f"{nights} nights"] = {name: own[name]["geometric"] for name in NAMES}
        lines += [
            f"{f'backtest {nights} nights old: {name}':<58}{'':>16}{own[name]['geometric']:>9.3f}" for name in NAMES
        ]
    return found, lines


def _before(series: Series, nights: int) -> Series:
    last = len(series) - nights * (DAY // series.step)
    return Series(key=series.key, start=series.start, step=series.step, values=series.values[:last], unit=series.unit)
