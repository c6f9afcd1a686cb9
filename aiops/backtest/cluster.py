"""A simulated workload: demand, pods that need time to start, and an HPA or a direct scaler above them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aiops.backtest.hpa import SYNC, Behavior, Hpa, Kind, Rules, Select
from aiops.backtest.oracle import needed_replicas, oracle_replicas
from aiops.errors import ConfigError, DataError
from aiops.scaling.capacity import ROUNDING
from aiops.scaling.reason import Reason
from aiops.series import FloatArray, IntArray, Series
from aiops.series.grid import require_utc

if TYPE_CHECKING:
    from aiops.backtest import kernel

REASONS = (
    Reason.DESIRED_WITHIN_RANGE,
    Reason.TOO_FEW_REPLICAS,
    Reason.TOO_MANY_REPLICAS,
    Reason.SCALE_UP_LIMIT,
    Reason.SCALE_DOWN_LIMIT,
    Reason.SCALE_UP_STABILIZED,
    Reason.SCALE_DOWN_STABILIZED,
    Reason.FAILED_GET_METRIC,
)
"""What the numbers of ``Track.reasons`` mean."""

_SELECTS = {Select.MAX: 0, Select.MIN: 1, Select.DISABLED: 2}
_KINDS = {Kind.PODS: 0, Kind.PERCENT: 1}
_MOST_REPLICAS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneLoss:
    """Ready pods that die at one instant. Each is created again at once, elsewhere, and has to start.

    Attributes:
        at: When; UTC.
        share: How many of those that are ready, rounded up; in [0, 1].
    """

    at: datetime
    share: float

    def __post_init__(self) -> None:
        require_utc(self.at, "at")
        if not 0.0 <= self.share <= 1.0:
            raise ConfigError(f"the share of pods that are lost must be in [0, 1], got {self.share}")


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: cached_property needs a place
class Workload:
    """What is simulated: the demand, and what it takes to serve it.

    Attributes:
        demand: Demand on its own grid; each value holds for its whole step. NaN is unknown: it is served and judged by
            nobody. The step is a whole number of 15 s syncs.
        capacity_per_replica: Demand that one ready replica serves, in the unit of ``demand``; positive.
        startup_delay: From creation to ready. A pod costs from creation. A whole number of syncs.
        metric_window: The HPA's metric is the mean of the demand over this long, ...
        metric_lag: ... ending this long ago.
        zone_loss: What happens to the pods; None: nothing. The oracle is spared it.

    Raises:
        ConfigError: If a length is not a whole number of syncs, or the capacity is not positive.
        DataError: If the grid does not fit, or demand is negative or beyond a million replicas.
    """

    demand: Series
    capacity_per_replica: float
    startup_delay: timedelta = timedelta(seconds=120)
    metric_window: timedelta = timedelta(seconds=60)
    metric_lag: timedelta = timedelta(seconds=15)
    zone_loss: ZoneLoss | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.capacity_per_replica < np.inf:
            raise ConfigError(f"capacity per replica must be positive, got {self.capacity_per_replica}")
        for name in ("startup_delay", "metric_window", "metric_lag"):
            length: timedelta = getattr(self, name)
            if length < timedelta() or length % SYNC:
                raise ConfigError(f"{name} must be a whole number of 15 s syncs, got {length}")
        if not self.metric_window:
            raise ConfigError("metric_window must be at least 15 s")
        if self.demand.step % SYNC:
            raise DataError(
                f"{self.demand.key}: a step of {self.demand.step} is not a whole number of 15 s syncs: "
                "resample it to 15 s, 30 s, 1 min, ..."
            )
        known = self.demand.values[~np.isnan(self.demand.values)]
        if len(known) and known.min() < 0:
            raise DataError(f"{self.demand.key}: demand is negative ({known.min():g}): a rate cannot be")
        if len(known) and known.max() > _MOST_REPLICAS * self.capacity_per_replica:
            raise DataError(
                f"{self.demand.key}: a peak of {known.max():g} needs more than a million replicas of "
                f"{self.capacity_per_replica:g}: check the unit of capacityPerReplica"
            )

    @property
    def delay(self) -> int:
        """Start-up delay in steps of 15 s."""
        return self.startup_delay // SYNC

    @property
    def syncs_per_step(self) -> int:
        """Steps of 15 s in one step of the demand."""
        return self.demand.step // SYNC

    @cached_property
    def fine(self) -> FloatArray:
        """Demand in steps of 15 s, shape ``[n]``."""
        return np.repeat(self.demand.values, self.syncs_per_step)

    @cached_property
    def metric(self) -> FloatArray:
        """What the HPA sees at each step of 15 s, shape ``[n]``; the mean of what is known, NaN where nothing is."""
        window, lag = self.metric_window // SYNC, self.metric_lag // SYNC
        padded = np.concatenate([np.full(window + lag, np.nan), self.fine])
        seen = sliding_window_view(padded, window)[: len(self.fine)]  # row i ends at step i - lag
        known = ~np.isnan(seen)
        count = known.sum(axis=1)
        total = np.where(known, seen, 0.0).sum(axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    @cached_property
    def needed(self) -> IntArray:
        """Replicas that have to be ready at each step of 15 s, shape ``[n]``."""
        return needed_replicas(self.fine, self.capacity_per_replica)

    @cached_property
    def oracle(self) -> IntArray:
        """Replicas of the plan that knows the future, shape ``[n]``."""
        return oracle_replicas(self.needed, self.delay)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """What was there in every step of 15 s, each ``[n]``; steps that were not run are 0.

    Attributes:
        replicas: Pods that exist, serving or starting; what is paid for.
        ready: Pods that serve.
        floors: ``minReplicas`` that was asked for, or the replicas themselves where there is no HPA.
        reasons: Why the HPA chose what it chose: positions in ``REASONS``.
    """

    replicas: IntArray
    ready: IntArray
    floors: IntArray
    reasons: IntArray


class Cluster:
    """A workload under an HPA, or under a direct scaler, run forward step by step.

    Args:
        workload: Demand and pods.
        hpa: The HPA; None if the floor sets the replicas themselves.
        replicas: Ready replicas before the first step.
    """

    def __init__(self, workload: Workload, hpa: Hpa | None, *, replicas: int = 1) -> None:
        from aiops.backtest import kernel

        self.step = 0
        n = len(workload.fine)
        self.track = Track(
            replicas=np.zeros(n, np.int64),
            ready=np.zeros(n, np.int64),
            floors=np.zeros(n, np.int64),
            reasons=np.zeros(n, np.int64),
        )
        self._metric = workload.metric
        self._direct = hpa is None
        self._settings = settings_of(hpa or Hpa(target=1.0), workload.capacity_per_replica)
        self._memory = memory_of(self._settings, workload.delay, replicas)
        self._advance = kernel.advance
        self._loss = workload.zone_loss
        self._loss_step = -1 if self._loss is None else (self._loss.at - workload.demand.start) // SYNC

    @property
    def replicas(self) -> int:
        """Pods that exist now."""
        return int(self._memory.scalars[0])

    @property
    def ready(self) -> int:
        """Pods that serve now."""
        return int(self._memory.scalars[1])

    def advance(self, count: int, floor: int) -> None:
        """Run ``count`` steps of 15 s, or as many as are left, with this floor."""
        self.track.floors[self.step : self.step + count] = floor
        self._run(count)

    def follow(self, floors: IntArray) -> None:
        """Run all steps that are left, each with its own floor: ``floors`` is ``[n]``, one for every step of all."""
        self.track.floors[self.step :] = floors[self.step :]
        self._run(len(floors))

    def _run(self, count: int) -> None:
        count = min(count, len(self.track.replicas) - self.step)
        before = self._loss_step - self.step
        if self._loss is not None and 0 <= before < count:
            self._proceed(before)
            self._lose(self._loss.share)
            count -= before
        self._proceed(count)

    def _lose(self, share: float) -> None:
        scalars, starting = self._memory.scalars, self._memory.starting
        if len(starting):
            lost = math.ceil(scalars[1] * share - ROUNDING)
            scalars[1] -= lost
            starting[(self.step - 1) % len(starting)] += lost

    def _proceed(self, count: int) -> None:
        track = self.track
        self._advance(
            self.step,
            count,
            self._direct,
            self._metric,
            track.floors,
            self._settings,
            self._memory,
            track.replicas,
            track.ready,
            track.reasons,
        )
        self.step += count


def settings_of(hpa: Hpa, capacity_per_replica: float) -> kernel.Settings:
    """Return an HPA as the kernel wants it."""
    from aiops.backtest import kernel

    behavior = hpa.behavior or Behavior()
    return kernel.Settings(
        per_replica=hpa.target * capacity_per_replica,
        min_replicas=hpa.min_replicas,
        max_replicas=hpa.max_replicas,
        tolerance=hpa.tolerance,
        has_behavior=hpa.behavior is not None,
        up_window=behavior.up.stabilization // SYNC,
        up_select=_SELECTS[behavior.up.select],
        up_policies=_policies(behavior.up),
        down_window=behavior.down.stabilization // SYNC,
        down_select=_SELECTS[behavior.down.select],
        down_policies=_policies(behavior.down),
    )


def memory_of(settings: kernel.Settings, delay: int, replicas: int) -> kernel.Memory:
    """Return the memory of a controller that has seen nothing, over ``replicas`` ready pods."""
    from aiops.backtest import kernel

    longest = max(settings.up_policies[:, 2].max(), settings.down_policies[:, 2].max())
    return kernel.Memory(
        scalars=np.array([replicas, replicas, replicas]),
        starting=np.zeros(delay, np.int64),
        recommended=np.full(max(settings.up_window, settings.down_window, 1), -1),
        added=np.zeros(longest, np.int64),
        removed=np.zeros(longest, np.int64),
    )


def _policies(rules: Rules) -> IntArray:
    return np.array([[_KINDS[each.kind], each.value, each.period // SYNC] for each in rules.policies])
