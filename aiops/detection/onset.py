"""When to tell a person: the beginning of what is odd, once, and no more often than was asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiops.detection.detector import BoolArray, Cells
from aiops.errors import ConfigError
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

_CELL = np.dtype([("credit", "f8"), ("at", "f8"), ("told", "f8"), ("odd", "f8"), ("open", "?"), ("begun", "?")])


class Onsets:
    """Turns "how many alerts a week would a threshold here give" into alerts.

    An alert is told where that number is at most the budget. It stays open until points have been above the budget for
    ``quiet_seconds``; an open alert is not told again, nor is a new one within ``cool_down_seconds``.

    **The budget is kept, whatever the scores say.** A row earns ``budget`` alerts a week, may save up those of two
    weeks (one at least), and pays one for each. A row that does not have one is heard only if the point is ten times as
    rare for each alert that it lacks; of a budget below one a week, ten times more for each halving of it: what is owed
    is owed for longer, and points that are labelled incidents are far rarer than once in ten weeks. So a series whose
    trouble comes every hour becomes quiet, and an incident without like is still told.

    A row is one series; or the rows of one service share a budget if they share a ``row``.

    Args:
        budget: Alerts a week.
        quiet_seconds: How long points have to be calm before an alert is closed.
        cool_down_seconds: Least time between two alerts.

    Raises:
        ConfigError: If an argument is not positive.
    """

    def __init__(
        self, *, budget: float = 1.0, quiet_seconds: float = 1800.0, cool_down_seconds: float = 3600.0
    ) -> None:
        if min(budget, quiet_seconds, cool_down_seconds) <= 0 or not math.isfinite(budget):
            raise ConfigError(
                "onsets: budget, quiet_seconds and cool_down_seconds must be positive, "
                f"got {budget}, {quiet_seconds} and {cool_down_seconds}"
            )
        self.budget = budget
        self.saved = max(2.0 * budget, 1.0)
        self.decades_owed = max(1.0 - math.log2(budget), 1.0)
        self.quiet_seconds = quiet_seconds
        self.cool_down_seconds = cool_down_seconds

    def start(self, n: int) -> Cells:
        """Return the state of ``n`` rows: calm, with nothing to spend yet."""
        return np.zeros(n, _CELL)

    def learn(self, state: Cells, rows: IntArray, at: FloatArray, alerts_a_week: FloatArray) -> BoolArray:
        """Take in points, in order, and return where a person is told, shape ``[m]``.

        Args:
            at: Stamps in seconds since the epoch.
            alerts_a_week: As ``FleetDetector.alerts_a_week``; NaN changes nothing.
        """
        told = np.zeros(len(rows), dtype=np.bool_)
        compiled(_learn)(
            state,
            rows,
            at,
            alerts_a_week,
            self.budget,
            self.saved,
            self.decades_owed,
            self.quiet_seconds,
            self.cool_down_seconds,
            told,
        )
        return told


def _learn(
    state: Any,
    rows: IntArray,
    at: FloatArray,
    alerts_a_week: FloatArray,
    budget: float,
    saved: float,
    decades_owed: float,
    quiet: float,
    cool_down: float,
    told: BoolArray,
) -> None:
    for i in range(len(rows)):
        said = alerts_a_week[i]
        if math.isnan(said):
            continue
        cell = state[rows[i]]
        if cell["begun"]:
            cell["credit"] = min(cell["credit"] + budget * max(at[i] - cell["at"], 0.0) / 604_800.0, saved)
        cell["begun"] = True
        cell["at"] = max(at[i], cell["at"])
        if said <= budget:
            if cell["open"]:
                cell["odd"] = at[i]
        elif cell["open"] and at[i] - cell["odd"] >= quiet:
            cell["open"] = False
        limit = budget * 10.0 ** (decades_owed * min(cell["credit"] - 1.0, 0.0))
        if said <= limit and not cell["open"] and (cell["told"] == 0 or at[i] - cell["told"] >= cool_down):
            told[i] = True
            cell["open"] = True
            cell["odd"] = at[i]
            cell["told"] = at[i]
            cell["credit"] -= 1.0
