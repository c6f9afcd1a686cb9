"""ECOD: how far out a vector lies in the empirical distribution of each of its parts, added up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aiops.series import FloatArray

_TAIL_SHARE = 0.01
_TAIL_POINTS = 20
_USUAL = 1.0 + math.log(2.0)  # mean of -log(share of the smaller side), whatever the distribution


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tails:
    """The distribution of each part: its values, and how its tails go on.

    Inside of what was seen this is ECOD as pyod has it, in closed form: n values sorted once, and a binary search for
    each part of a vector, where pyod sorts all of them again. Beyond the outermost value ECOD says the same of
    everything; here an exponential tail goes on, fitted to the excesses of the outermost hundredth.

    Attributes:
        ordered: Values of each part, sorted, shape ``[k, n]``.
        below: Mean excess of the lower tail, shape ``[k]``.
        above: Mean excess of the upper tail, shape ``[k]``.
    """

    ordered: FloatArray
    below: FloatArray
    above: FloatArray

    @classmethod
    def of(cls, parts: FloatArray) -> Tails:
        """Return the distribution of parts ``[n, k]``."""
        ordered = np.ascontiguousarray(np.sort(parts.T, axis=1))
        count = min(max(round(_TAIL_SHARE * len(parts)), _TAIL_POINTS), len(parts) // 2)
        low, high = ordered[:, :count], ordered[:, -count:]
        return cls(
            ordered=ordered,
            below=np.maximum((low[:, -1:] - low).mean(axis=1), 1e-9),
            above=np.maximum((high - high[:, :1]).mean(axis=1), 1e-9),
        )

    def rarity(self, parts: FloatArray) -> FloatArray:
        """Return the sum over the parts of -log(share of values at least so far out on their side), shape ``[n]``."""
        total = np.zeros(len(parts))
        n = self.ordered.shape[1]
        for k, ordered in enumerate(self.ordered):
            own = parts[:, k]
            left = -np.log((np.searchsorted(ordered, own, side="right") + 1) / (n + 1))
            right = -np.log((n - np.searchsorted(ordered, own, side="left") + 1) / (n + 1))
            left += np.maximum(ordered[0] - own, 0.0) / self.below[k]
            right += np.maximum(own - ordered[-1], 0.0) / self.above[k]
            total += np.maximum(left, right)
        return total

    def oddity(self, parts: FloatArray) -> FloatArray:
        """Return it on a scale that is usual for any number of parts, above 0: exponential, as calibration likes it."""
        k = len(self.ordered)
        excess = (self.rarity(parts) - k * _USUAL) / math.sqrt(k)
        found: FloatArray = np.exp(np.clip(0.5 * excess, -5.0, 20.0))
        return found
