"""What a replica and an unmet request are worth, and which setting of each scaler is best for that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aiops.backtest.study import Sweep
from aiops.errors import ConfigError
from aiops.series import FloatArray

_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices in any one currency.

    Attributes:
        replica_hour: Of one replica for one hour.
        unmet_request: Of one unit of demand that is left unmet: demand is a rate per second, so this is one request.

    Raises:
        ConfigError: If one is negative or not finite, or both are 0.
    """

    replica_hour: float
    unmet_request: float

    def __post_init__(self) -> None:
        for flag, price in (("--replica-hour", self.replica_hour), ("--unmet-request", self.unmet_request)):
            if not 0.0 <= price < math.inf:
                raise ConfigError(f"{flag} {price}: write a price of 0 or more")
        if not self.replica_hour + self.unmet_request:
            raise ConfigError("both prices are 0: give --replica-hour, --unmet-request, or both")

    def of(self, replica_hours: float, unmet: float) -> float:
        """Return the bill: replica-hours, and demand times hours that was left unmet."""
        return replica_hours * self.replica_hour + unmet * _SECONDS * self.unmet_request


def bills(sweeps: Sequence[Sweep], prices: Prices) -> FloatArray:
    """Return what each setting of one scaler costs on all workloads together, shape ``[n_settings]``."""
    hours = np.sum([sweep.hours_by_day.sum(axis=1) for sweep in sweeps], axis=0)
    unmet = np.sum([sweep.unmet_by_day.sum(axis=1) for sweep in sweeps], axis=0)
    return np.asarray(hours * prices.replica_hour + unmet * _SECONDS * prices.unmet_request)


def choose(means: Mapping[str, Sweep], cost: float) -> dict[str, int]:
    """Return which setting of each scaler leaves least at ``cost`` or less; where none is so cheap, its cheapest."""
    found = {}
    for name, each in means.items():
        affordable = np.where(each.cost <= cost, each.unmet, np.inf)
        found[name] = int(affordable.argmin() if np.isfinite(affordable).any() else each.cost.argmin())
    return found
