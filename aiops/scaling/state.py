"""What one turn of the scaling loop sees, and what it leaves for the next one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from aiops.errors import DataError
from aiops.scaling.policy import Mode
from aiops.series import epoch_seconds, from_epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one turn of the loop saw; any part may be missing.

    Attributes:
        current: The number that is controlled: the target's replicas in mode Direct, the HPA's ``minReplicas`` in mode
            Floor.
        ready: Replicas that serve; None if unknown.
        demand: Newest known demand, in the unit of ``capacityPerReplica``; None or NaN if unknown.
        replicas: Replicas that the target is asked to run, whoever asked; None if unknown.
        ceiling: The most that may be set besides the policy's own bounds: the HPA's ``maxReplicas``; None for no such
            limit.
        readings: Answer to each SLO query of the guard by its name; None or NaN if there was none.
    """

    current: int
    ready: int | None = None
    demand: float | None = None
    replicas: int | None = None
    ceiling: int | None = None
    readings: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.current < 0:
            raise DataError(f"current replicas cannot be negative, got {self.current}")


class Phase(StrEnum):
    """Where the guard stands."""

    WATCHING = "Watching"
    """Nothing is on trial."""
    ON_TRIAL = "OnTrial"
    """A change is on trial: nothing more is taken away until it is over."""
    COOLDOWN = "Cooldown"
    """A change was taken back: nothing is taken away for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A change that has to prove itself.

    Attributes:
        before: The number before the change.
        after: The number that was set.
        started: When.
        failed: Checks so far that were bad and ours.
        errors: Checks without an answer since the last one with an answer.
        was_good: Whether the SLOs have been good at the change or since.
        outage: Whether pods that we had left were missing when the SLOs turned bad, and still are.
    """

    before: int
    after: int
    started: datetime
    failed: int = 0
    errors: int = 0
    was_good: bool = True
    outage: bool = False

    def __post_init__(self) -> None:
        if min(self.before, self.after, self.failed, self.errors) < 0 or self.before == self.after:
            raise DataError(f"a trial is of a change between two numbers, none negative, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingState:
    """What a turn leaves for the next one; plain, small, and all there is to remember.

    Attributes:
        decided_at: When the last turn was; None before the first.
        needs: (when, replicas needed), oldest first and falling: the only past needs that can still hold a scale-down.
        effective_mode: The mode in force at the last turn; None before the first.
        baseline: The HPA's own ``minReplicas``, as whoever applies decisions found it before the first change; no
            floor goes below it. None if none is recorded.
        trial: The change that is on trial; None if none is.
        last_good: The number that the last good trial ended with, or that was there before the present one.
        hold_until: End of the cool-down; None outside of one.
        rolled_back_at: When a change was last taken back; None if none ever was.
    """

    decided_at: datetime | None = None
    needs: tuple[tuple[datetime, int], ...] = ()
    effective_mode: Mode | None = None
    baseline: int | None = None
    trial: Trial | None = None
    last_good: int | None = None
    hold_until: datetime | None = None
    rolled_back_at: datetime | None = None

    @property
    def phase(self) -> Phase:
        """Where the guard stands."""
        if self.trial is not None:
            return Phase.ON_TRIAL
        return Phase.WATCHING if self.hold_until is None else Phase.COOLDOWN

    def to_json(self) -> dict[str, Any]:
        """Return plain data; ``from_json`` reads it."""
        return {
            "decidedAt": None if self.decided_at is None else epoch_seconds(self.decided_at),
            "needs": [[epoch_seconds(at), count] for at, count in self.needs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ScalingState:
        """Read what ``to_json`` wrote.

        Raises:
            DataError: If it is anything else.
        """
        try:
            decided_at = data["decidedAt"]
            return cls(
                decided_at=None if decided_at is None else from_epoch(decided_at),
                needs=tuple((from_epoch(at), int(count)) for at, count in data["needs"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"not a scaling state: {data!r}; remove it to start afresh") from error


def known(value: float | None) -> bool:
    """Return whether a number was seen: neither missing nor NaN nor infinite."""
    return value is not None and math.isfinite(value)
