"""What a replica and an unmet request are worth, and which setting of each scaler is best for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aiops.backtest.study import Sweep
from aiops.scaling.policy import Prices
from aiops.series import FloatArray

_SECONDS = 3600.0


def bill_of(prices: Prices, replica_hours: float, unmet: float) -> float:
    """Return what replica-hours and demand times hours that was left unmet cost together."""
    return replica_hours * prices.replica_hour + unmet * _SECONDS * prices.unmet_request


def bills(sweeps: Sequence[Sweep], prices: Prices) -> FloatArray:
    """Return what each setting of one scaler costs on all workloads together, shape ``[n_settings]``."""
    hours = np.sum([sweep.hours_by_day.sum(axis=1) for sweep in sweeps], axis=0)
    unmet = np.sum([sweep.unmet_by_day.sum(axis=1) for sweep in sweeps], axis=0)
    return np.array([bill_of(prices, *both) for both in zip(hours.tolist(), unmet.tolist(), strict=True)])


def choose(means: Mapping[str, Sweep], cost: float) -> dict[str, int]:
    """Return which setting of each scaler leaves least at ``cost`` or less; where none is so cheap, its cheapest."""
    found = {}
    for name, each in means.items():
        affordable = np.where(each.cost <= cost, each.unmet, np.inf)
        found[name] = int(affordable.argmin() if np.isfinite(affordable).any() else each.cost.argmin())
    return found
