"""IForest: how few random cuts part a vector from all others. pyod's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aiops.series import FloatArray

_TREES = 100
_STEEPNESS = 10.0
_MOST_VECTORS = 2000  # a tree looks at 256 of them; judging all for a threshold that nobody asks for takes long


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forest:
    """A fitted isolation forest. It is never stored: a new process fits one to its history.

    Attributes:
        model: pyod's ``IForest``.
    """

    model: Any

    @classmethod
    def of(cls, parts: FloatArray) -> Forest:
        """Fit a forest to parts ``[n, k]``; the same parts give the same forest."""
        from pyod.models.iforest import IForest

        some = parts[:: -(-len(parts) // _MOST_VECTORS)]
        return cls(model=IForest(n_estimators=_TREES, random_state=0).fit(some))

    def oddity(self, parts: FloatArray) -> FloatArray:
        """Return how odd parts ``[n, k]`` are, shape ``[n]``, above 0; exponential, as calibration likes it."""
        found: FloatArray = np.exp(_STEEPNESS * (0.5 + self.model.decision_function(parts)))
        return found
