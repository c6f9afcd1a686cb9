"""The best that could have been done by somebody who knew the future."""

from __future__ import annotations

import numpy as np

from aiops.scaling.capacity import ROUNDING
from aiops.series import FloatArray, IntArray


def needed_replicas(demand: FloatArray, capacity_per_replica: float, min_replicas: int = 1) -> IntArray:
    """Return the fewest ready replicas that leave no demand unmet, shape ``[n]``; ``min_replicas`` where it is NaN."""
    known = np.nan_to_num(demand, nan=0.0)
    needed = np.ceil(known / capacity_per_replica - ROUNDING).astype(np.int64)
    return np.asarray(np.maximum(needed, min_replicas))


def oracle_replicas(needed: IntArray, delay: int) -> IntArray:
    """Return the replicas of the cheapest plan that always has enough of them ready, shape ``[n]``.

    A replica costs from the step in which it is created and serves ``delay`` steps later; a scale-down takes replicas
    that are still starting first, so what serves at a step is the least that existed during it and the ``delay`` steps
    before it. Look at the k-th replica alone: it has to serve wherever k or more are needed. Between two such stretches
    it either stays, or goes and comes back ``delay`` steps before the second one, whichever is shorter. That is to
    exist at a step if and only if it is needed then or within the next ``delay`` steps. These choices nest (replica
    k + 1 exists only where k does), so the replicas one by one make a plan, and no plan can do with less of any of
    them. Hence

        replicas[i] = max(needed[i], ..., needed[i + delay])

    What was started before the first step costs only from there on.

    Args:
        needed: Replicas that must be ready at each step, shape ``[n]``.
        delay: Steps from creation to ready; 0 or more.
    """
    padded = np.concatenate([needed, np.zeros(delay, dtype=np.int64)])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, delay + 1).max(axis=1))
