"""What if demand grew, a product were launched, a zone were lost, pods started slower: the same history, changed.

Nothing that scales is told: a forecaster sees a launch when it happens, and a floor learns of lost pods from nobody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from aiops.backtest.cluster import ZoneLoss
from aiops.backtest.hpa import SYNC
from aiops.backtest.ledger import unmet
from aiops.backtest.outcome import ScalingOutcome
from aiops.backtest.replay import Case
from aiops.errors import ConfigError
from aiops.series.duration import parse_duration

LAUNCH = timedelta(hours=6)
"""How long the demand of a launch lasts."""
ZONE = 1 / 3
"""Share of the ready pods that one of three zones has."""
AS_IT_WAS = "as it was"

_FORMS = "growth=1.5, launch=3, startup=300s, zone-loss or zone-loss=0.5, or several joined by commas"
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """One changed world; the default changes nothing.

    Attributes:
        name: As it was asked for; for tables.
        growth: All demand, history too, is so many times what it was.
        launch: For six hours from the busiest hour of the scored time on, demand is so many times what it was, at once.
        startup: From creation of a pod to ready; None: as it is.
        zone_loss: Share of the ready pods that die at the begin of the busiest hour; they start again elsewhere.
    """

    name: str = AS_IT_WAS
    growth: float = 1.0
    launch: float = 1.0
    startup: timedelta | None = None
    zone_loss: float = 0.0

    def of(self, case: Case) -> Case:
        """Return the case as it would have been.

        Raises:
            ConfigError: If the start-up delay is no whole number of 15 s.
        """
        begin = busiest_hour(case)
        history = case.history
        if self.growth != 1.0 or self.launch != 1.0:
            values = history.values * self.growth
            first = (begin - history.start) // history.step
            values[first : first + LAUNCH // history.step] *= self.launch
            history = replace(history, values=values)
        return replace(
            case,
            history=history,
            startup_delay=case.startup_delay if self.startup is None else self.startup,
            zone_loss=ZoneLoss(at=begin, share=self.zone_loss) if self.zone_loss else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fared:
    """How one scaler fared on one workload in one world.

    Attributes:
        demand: Demand times hours.
        unmet: What was left unmet of it, times hours.
        worst_hour: Share of demand left unmet in the worst of all hours.
        replica_hours: Pods that existed, times hours.
        oracle_hours: The same for the oracle.
        peak_replicas: Most pods that existed at once.
        peak_needed: Most that had to be ready at once.
    """

    demand: float
    unmet: float
    worst_hour: float
    replica_hours: float
    oracle_hours: float
    peak_replicas: int
    peak_needed: int

    @property
    def unmet_ratio(self) -> float:
        """Share of demand left unmet; 0 where there was no demand."""
        return self.unmet / self.demand if self.demand else 0.0


def fared(outcome: ScalingOutcome) -> Fared:
    """Return what is kept of a replay: a few numbers, however long it was."""
    hour = _HOUR // SYNC
    whole = len(outcome.demand) // hour * hour
    demand = np.nan_to_num(outcome.demand, nan=0.0)[:whole].reshape(-1, hour).sum(axis=1)
    missed = unmet(outcome.record)[:whole].reshape(-1, hour).sum(axis=1)
    shares = missed[demand > 0] / demand[demand > 0]
    return Fared(
        demand=outcome.demand_total,
        unmet=outcome.unmet_total,
        worst_hour=float(shares.max(initial=0.0)),
        replica_hours=outcome.replica_hours,
        oracle_hours=outcome.oracle_hours,
        peak_replicas=int(outcome.track.replicas.max(initial=0)),
        peak_needed=int(outcome.needed.max(initial=0)),
    )


def what_if(text: str) -> WhatIf:
    """Read ``growth=1.5``, ``launch=3``, ``startup=300s``, ``zone-loss``, or several of them joined by commas.

    Raises:
        ConfigError: If it is none of these.
    """
    found = WhatIf(name=text)
    for part in text.split(","):
        key, _, value = part.strip().partition("=")
        match key:
            case "growth":
                found = replace(found, growth=_factor(part, value))
            case "launch":
                found = replace(found, launch=_factor(part, value))
            case "startup":
                found = replace(found, startup=_startup(part, value))
            case "zone-loss":
                found = replace(found, zone_loss=_share(part, value) if value else ZONE)
            case _:
                raise ConfigError(f"--what-if {text}: {key!r} is none of them: write {_FORMS}")
    return found


def busiest_hour(case: Case) -> datetime:
    """Return when the hour of highest demand of the scored time begins; its first where no demand is known."""
    steps = max(_HOUR // case.history.step, 1)
    values = np.nan_to_num(case.history.between(case.start, case.end).values, nan=0.0)
    hours = values[: max(len(values) // steps, 1) * steps]
    best = int(hours.reshape(-1, steps).sum(axis=1).argmax()) if len(hours) >= steps else 0
    return case.start + best * steps * case.history.step


def _factor(part: str, value: str) -> float:
    number = _number(value)
    if not 0.0 < number < math.inf:
        raise ConfigError(f"--what-if {part}: write a positive number, such as growth=1.5")
    return number


def _share(part: str, value: str) -> float:
    number = _number(value)
    if not 0.0 < number <= 1.0:
        raise ConfigError(f"--what-if {part}: write a share of the pods in (0, 1], such as zone-loss=0.33")
    return number


def _startup(part: str, value: str) -> timedelta:
    try:
        length = parse_duration(value)
    except ConfigError as error:
        raise ConfigError(f"--what-if {part}: {error}") from error
    if length < timedelta() or length % SYNC:
        raise ConfigError(f"--what-if {part}: write a whole number of 15 s, such as startup=300s")
    return length


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
