"""What may teach: an open incident is not normal, unless it stays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiops.detection.detector import BoolArray, Cells
from aiops.errors import ConfigError
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

_CELL = np.dtype([("odd", "i8"), ("calm", "i8"), ("open_for", "i8"), ("open", "?")])


class Gate:
    """Keeps the points of an open incident away from everything that learns.

    An incident opens after some very odd points in a row, closes after some ordinary points in a row, and is believed
    to be the new normal when it has lasted too long: from then on it teaches. Single odd points do teach; left out,
    they would be missing from the tail, and scores would creep up.

    Args:
        opens_at: Share of normal points at least so odd: at or below it, a point is very odd.
        opens_after: Very odd points in a row that open an incident.
        closes_at: At or above it, a point is ordinary.
        closes_after: Ordinary points in a row that close it.
        patience: Observed points after which an incident that is still open teaches.

    Raises:
        ConfigError: If ``opens_at`` is not below ``closes_at`` within (0, 1), or a count is below 1.
    """

    def __init__(
        self,
        *,
        opens_at: float = 1e-4,
        opens_after: int = 3,
        closes_at: float = 1e-2,
        closes_after: int = 5,
        patience: int = 240,
    ) -> None:
        if not 0 < opens_at < closes_at < 1 or min(opens_after, closes_after, patience) < 1:
            raise ConfigError(
                "gate: 0 < opens_at < closes_at < 1 and counts of at least 1 are needed, "
                f"got {opens_at}, {closes_at} and {opens_after}, {closes_after}, {patience}"
            )
        self.opens_at = opens_at
        self.opens_after = opens_after
        self.closes_at = closes_at
        self.closes_after = closes_after
        self.patience = patience

    def start(self, n: int) -> Cells:
        """Return the state of ``n`` series without an incident."""
        return np.zeros(n, _CELL)

    def learn(self, state: Cells, rows: IntArray, survival: FloatArray) -> BoolArray:
        """Take in how rare each point is and return whether it may teach, shape ``[m]``.

        Args:
            survival: Share of normal points at least so odd; NaN for a gap or a series that is warming up, which
                changes nothing.
        """
        teaches = np.empty(len(rows), dtype=np.bool_)
        compiled(_learn)(
            state,
            rows,
            survival,
            self.opens_at,
            self.opens_after,
            self.closes_at,
            self.closes_after,
            self.patience,
            teaches,
        )
        return teaches


def _learn(
    state: Any,
    rows: IntArray,
    survival: FloatArray,
    opens_at: float,
    opens_after: int,
    closes_at: float,
    closes_after: int,
    patience: int,
    teaches: BoolArray,
) -> None:
    for i in range(len(rows)):
        cell = state[rows[i]]
        rarity = survival[i]
        if rarity <= opens_at:
            cell["odd"] += 1
            cell["calm"] = 0
        elif rarity >= closes_at:
            cell["calm"] += 1
            cell["odd"] = 0
        elif not math.isnan(rarity):
            cell["odd"] = 0
            cell["calm"] = 0
        if cell["open"]:
            if not math.isnan(rarity):
                cell["open_for"] += 1
            if cell["calm"] >= closes_after:
                cell["open"] = False
        elif cell["odd"] >= opens_after:
            cell["open"] = True
            cell["open_for"] = 0
        teaches[i] = not cell["open"] or cell["open_for"] > patience
