"""The settings of a simulated HorizontalPodAutoscaler, in the words of ``autoscaling/v2``.

What it does with them is in ``kernel.py``, case by case against the documentation in ``docs/reference/hpa.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from aiops.errors import ConfigError

SYNC = timedelta(seconds=15)
"""``--horizontal-pod-autoscaler-sync-period``: the step of every simulation."""


def _require_syncs(length: timedelta, name: str) -> None:
    if length % SYNC:
        raise ConfigError(f"{name} must be a whole number of 15 s syncs in a simulation, got {length}")


class Kind(StrEnum):
    """What a rate policy counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several rate policies is used."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePolicy:
    """At most this change within a period.

    Attributes:
        kind: Pods, or percent of the replicas at the start of the period.
        value: How many; positive.
        period: Length of the period; a whole number of syncs, up to 30 minutes.
    """

    kind: Kind
    value: int
    period: timedelta = SYNC

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ConfigError(f"the value of a rate policy must be positive, got {self.value}")
        _require_syncs(self.period, "the period of a rate policy")
        if not SYNC <= self.period <= timedelta(minutes=30):
            raise ConfigError(f"the period of a rate policy must be 15 s to 30 min, got {self.period}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One direction of ``behavior``.

    Attributes:
        stabilization: Length of the stabilization window; up to an hour, a whole number of syncs.
        select: Which policy counts; DISABLED switches this direction off.
        policies: At least one.
    """

    stabilization: timedelta
    policies: tuple[RatePolicy, ...]
    select: Select = Select.MAX

    def __post_init__(self) -> None:
        _require_syncs(self.stabilization, "a stabilization window")
        if not timedelta() <= self.stabilization <= timedelta(hours=1):
            raise ConfigError(f"a stabilization window must be 0 s to 1 h, got {self.stabilization}")
        if not self.policies:
            raise ConfigError("a scaling rule needs at least one rate policy: leave it out for the default ones")


UP = Rules(
    stabilization=timedelta(),
    policies=(RatePolicy(kind=Kind.PODS, value=4), RatePolicy(kind=Kind.PERCENT, value=100)),
)
"""What ``behavior.scaleUp`` is when it is left out."""

DOWN = Rules(stabilization=timedelta(minutes=5), policies=(RatePolicy(kind=Kind.PERCENT, value=100),))
"""What ``behavior.scaleDown`` is when it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """``spec.behavior``; a direction that is left out is the documented default."""

    up: Rules = UP
    down: Rules = DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpa:
    """One HorizontalPodAutoscaler with one External (or Object) metric of type AverageValue.

    Attributes:
        target: Share of a replica's capacity to aim at: ``averageValue`` is this times the capacity. In (0, 2].
        min_replicas: ``spec.minReplicas``; at least 1.
        max_replicas: ``spec.maxReplicas``.
        tolerance: Relative difference from the target that is ignored.
        behavior: ``spec.behavior``. None, as when the field is left out, is not the same as the default behavior: the
            controller then doubles (at least to 4) in one sync, and goes for the highest recent recommendation even
            when that is above what is there.
    """

    target: float
    min_replicas: int = 1
    max_replicas: int = 10_000
    tolerance: float = 0.1
    behavior: Behavior | None = field(default=None)

    def __post_init__(self) -> None:
        if not 0.0 < self.target <= 2.0:
            raise ConfigError(f"the HPA's target must be a share of a replica's capacity in (0, 2], got {self.target}")
        if not 1 <= self.min_replicas <= self.max_replicas:
            raise ConfigError(
                f"the HPA needs 1 <= minReplicas <= maxReplicas, got {self.min_replicas} and {self.max_replicas}"
            )
        if not 0.0 <= self.tolerance < 1.0:
            raise ConfigError(f"the HPA's tolerance must be in [0, 1), got {self.tolerance}")
