"""From demand to replicas."""

from __future__ import annotations

import math

MOST_REPLICAS = 2**31 - 1  # what Kubernetes can hold
ROUNDING = 1e-9  # so that 3 replicas' worth of demand needs 3, whatever the last bit of a division says


def replicas_for(demand: float, per_replica: float) -> int:
    """Return the fewest replicas that serve ``demand`` when each takes at most ``per_replica``.

    Never negative, and never more than Kubernetes can hold.

    Args:
        demand: Finite, in the unit of ``per_replica``.
        per_replica: What one replica is asked to serve: its capacity times the target utilization; positive.
    """
    return max(math.ceil(min(demand / per_replica, MOST_REPLICAS) - ROUNDING), 0)
