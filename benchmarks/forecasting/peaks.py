"""What ``aiops peaks`` tells, against what came: the highest value of each day up to four weeks ahead.

Hourly maxima, up to 84 days of them in. A week ahead: up to four cutoffs a series, a week apart; four weeks ahead: the
last cutoff that has them all after it. A record is a value above all of the history.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aiops.adapters.folder import FolderSource
from aiops.forecasting.fleet.maximum import day_maxima
from aiops.series import FloatArray
from aiops.series.coarse import block_maxima
from benchmarks.forecasting import chance
from benchmarks.forecasting.windows import CUTOFFS, DAY, HOUR, Window, batches, part, read

HISTORY, LEAST_HISTORY = 84 * DAY, 14 * DAY
LEVELS = np.array([0.1, 0.5, 0.9, 0.95])
OF_ALL = (0.1, 0.5, 0.9)
CHANCES = np.array([0.01, *np.arange(0.05, 0.96, 0.05).round(2), 0.99])
AHEAD = {7: (1, 7), 28: (22, 28)}
"""Days that a forecast looks ahead, and the first and last of them that are scored."""


def asked_for(source: FolderSource, days: int) -> list[Window]:
    """Return the windows of hourly maxima: at least two weeks in, so many days out."""
    horizon = days * DAY
    found: list[Window] = []
    for entry, series in read(source):
        if entry.metadata["kind"] == "counter" or HOUR % series.step or len(series) * series.step < horizon:
            continue
        hours = block_maxima(series, HOUR)
        for back in range(CUTOFFS if days == min(AHEAD) else 1):
            last = len(hours) - (horizon + back * 7 * DAY) // HOUR
            known = part(hours, max(last - HISTORY // HOUR, 0), max(last, 0))
            if len(known) * HOUR >= LEAST_HISTORY and np.isfinite(known.values).sum() > 1:
                truth = hours.values[last : last + horizon // HOUR]
                found.append(Window(group=entry.metadata["dataset"], history=known, truth=truth))
    return found


def peaks_part(source: FolderSource) -> tuple[dict[str, Any], list[str]]:
    """Return how often daily peaks lie below their quantiles, and whether records come as often as is told."""
    found: dict[str, Any] = {}
    lines: list[str] = []
    for days, (first, last) in AHEAD.items():
        asked = asked_for(source, days)
        ids = [window.series_id for window in asked]
        told, highest, chances = forecast(asked, days)
        name = f"{days} days ahead"
        found[name] = {"windows": len(asked), "series": len(set(ids)), "days": [first, last]}
        subjects = {
            f"daily peaks, days {first} to {last}": rates(asked, told, days),
            f"highest of {days} days": _highest_rates(asked, highest),
        }
        for subject, figures in subjects.items():
            for figure, each in figures.items():
                low, high = chance.interval(each, ids)
                found[name][f"{subject}: {figure}"] = {"is": float(np.nanmean(each)), "interval_95": [low, high]}
                lines.append(
                    f"{f'{subject}: {figure}':<58}{'':>16}{np.nanmean(each):>9.3f}   95 %: {low:.3f} to {high:.3f}"
                )
        heard = [place for place, window in enumerate(asked) if not np.isnan(window.truth).all()]
        came = np.array([np.nanmax(asked[place].truth) >= _record(asked[place]) for place in heard])
        found[name]["records"] = {
            "told": float(chances[heard].mean()),
            "came": float(came.mean()),
            "brier": float(((chances[heard] - came) ** 2).mean()),
            "brier_of_their_share": float(came.mean() * (1 - came.mean())),
        }
        lines += [
            f"{f'records within {days} days: {key}':<58}{'':>16}{value:>9.3f}"
            for key, value in found[name]["records"].items()
        ]
    return found, lines


def forecast(asked: list[Window], days: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return quantiles of peaks, ``[n, q, days]``, and of the highest, ``[n, 3]``; the chance of a record, ``[n]``."""
    told, chances = np.full((len(asked), len(LEVELS), days), np.nan), np.zeros(len(asked))
    highest = np.full((len(asked), len(OF_ALL)), np.nan)
    horizon = days * DAY // HOUR
    begins = np.arange(0, horizon, DAY // HOUR)
    for places, frame in batches(asked):
        limits = np.array([_record(asked[place]) for place in places])
        told[places], passed, steps = day_maxima(frame, horizon, begins, LEVELS, limits, CHANCES)
        highest[places] = passed[:, [int(np.argmin(np.abs(1 - CHANCES[::-1] - level))) for level in OF_ALL]]
        chances[places] = [max(CHANCES[row <= horizon], default=0.0) for row in steps]
    return told, highest, chances


def rates(asked: list[Window], told: FloatArray, days: int) -> dict[str, FloatArray]:
    """Return the share of the scored days of each window whose peak is where its quantiles say, a figure each."""
    scored = slice(AHEAD[days][0] - 1, AHEAD[days][1])
    truth = np.array([_daily(window.truth) for window in asked])[:, scored]
    below = truth[:, None] <= told[:, :, scored] + _slack(asked)[:, :, None]
    hits = {"80 % coverage": below[:, 2] & (truth >= told[:, 0, scored] - _slack(asked))}
    hits |= {f"hits of q{level:g}": below[:, row] for row, level in enumerate(LEVELS)}
    seen = ~np.isnan(truth) & np.isfinite(told[:, 0, scored])
    count = np.where(seen.any(axis=1), seen.sum(axis=1), np.nan)
    return {figure: (each & seen).sum(axis=1) / count for figure, each in hits.items()}


def _highest_rates(asked: list[Window], highest: FloatArray) -> dict[str, FloatArray]:
    truth = np.array([np.fmax.reduce(window.truth) for window in asked])
    known = ~np.isnan(truth) & np.isfinite(highest[:, 0])
    below = np.where(known[:, None], truth[:, None] <= highest + _slack(asked), np.nan)
    return {f"hits of q{level:g}": below[:, row] for row, level in enumerate(OF_ALL)}


def _slack(asked: list[Window]) -> FloatArray:
    return 1e-9 * np.array([[np.nanmax(np.abs(window.history.values))] for window in asked])


def _daily(values: FloatArray) -> FloatArray:
    of_days = values.reshape(-1, DAY // HOUR)
    seen = ~np.isnan(of_days)
    return np.where(seen.any(axis=1), np.where(seen, of_days, -np.inf).max(axis=1), np.nan)


def _record(window: Window) -> float:
    return float(np.nextafter(np.nanmax(window.history.values), np.inf))
