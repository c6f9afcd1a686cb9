"""How often a limit is reached that was said to be, of real workloads: the early warning of a capacity plan.

A week ahead, from three origins a week apart, with at least two weeks of history; limits in times of the highest value
seen.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from aiops.adapters.folder import FolderSource
from aiops.errors import DataError
from aiops.forecasting.fleet.exhaustion import WINDOWS, exhaustion
from benchmarks.forecasting.windows import part

ORIGINS = 3
LIMITS = (0.6, 0.8, 1.0, 1.2, 1.5)
SAID = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def early_warning_part(workloads: Path) -> tuple[dict[str, Any], list[str]]:
    """Return, by the chance that was told, how many limits were reached."""
    told, came = [], []
    traces = set()
    for series in FolderSource(workloads).read().series:
        size = WINDOWS[0] // series.step
        for back in range(1, ORIGINS + 1):
            last = len(series) - back * size
            truth = series.values[max(last, 0) : last + size]
            if last <= 0 or np.isnan(truth).all():
                continue
            known = part(series, 0, last)
            try:
                found = [exhaustion(known, limit * float(np.nanmax(known.values))) for limit in LIMITS]
            except DataError:
                continue  # too short, or of a step that does not divide an hour
            traces.add(series.key)
            told += [each.chances[0] for each in found]
            came += [bool(np.nanmax(truth) >= each.limit) for each in found]
    said, true = np.array(told), np.array(came)
    lines, groups = [], {}
    for low, high in pairwise(SAID):
        inside = (said >= low) & ((said < high) | (high == SAID[-1]))
        if inside.any():
            name = f"{100 * low:g} to {100 * high:g} %"
            groups[name] = {"cases": int(inside.sum()), "came_true": float(true[inside].mean())}
            what = f"limit within 7 days, said to be {name} ({inside.sum()} cases)"
            lines.append(f"{what:<58}{'':>16}{true[inside].mean():>9.3f}")
    return {
        "traces": len(traces),
        "cases": len(said),
        "brier": float(((said - true) ** 2).mean()),
        "said": groups,
    }, lines
