"""What one turn of the scaling loop sees, and what it leaves for the next one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple, TypeGuard

from annotated_types import Len
from pydantic import NonNegativeInt, ValidationError

from aiops.errors import DataError
from aiops.scaling.frozen import Repeated
from aiops.scaling.plausible import Record
from aiops.scaling.policy import Mode
from aiops.scaling.skill import Skill
from aiops.scaling.stored import Stored, StoredRecord, StoredRepeat, StoredSkill, instant
from aiops.series import epoch_seconds, from_epoch

_MOST_ROLLBACKS: Final = 10  # as many as a policy may allow a day


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

    LEARNING = "Learning"
    """No forecast could be judged yet: nothing is changed."""
    PROVING = "Proving"
    """Forecasts are held against reactive scaling: nothing is changed."""
    ACTIVE = "Active"
    """Forecasts act, and nothing is on trial."""
    DEGRADED = "Degraded"
    """Forecasts serve worse than reactive scaling: present demand counts."""
    ON_TRIAL = "OnTrial"
    """A change is on trial: nothing more is taken away until it is over."""
    ROLLING_BACK = "RollingBack"
    """A change is being taken back: as much as before is not there yet."""
    COOLDOWN = "Cooldown"
    """A change was taken back: nothing is taken away for a while."""
    LOCKED = "Locked"
    """Too many changes were taken back within a day: nothing is taken away until a person unlocks."""
    SUSPENDED = "Suspended"
    """Nothing is decided."""


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


class Lock(NamedTuple):
    """A guard that waits for a person.

    Attributes:
        since: When it locked.
        unlock: What ``guard.unlock`` was then; anything else unlocks.
    """

    since: datetime
    unlock: str


class Lowered(NamedTuple):
    """The last step down.

    Attributes:
        at: When.
        to: The number that was set.
    """

    at: datetime
    to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingState:
    """What a turn leaves for the next one; plain, small, and all there is to remember.

    Attributes:
        decided_at: When the last turn was; None before the first.
        needs: (when, replicas needed), oldest first and falling: the only past needs that can still hold a scale-down.
        mode: What the spec allowed at the last turn; None before the first.
        effective_mode: The mode in force then; None before the first.
        suspended: Whether the last turn was told to decide nothing.
        baseline: The HPA's own ``minReplicas``, as whoever applies decisions found it before the first change; no
            floor goes below it. None if none is recorded.
        trial: The change that is on trial; None if none is.
        last_good: The number that the last good trial ended with, or that was there before the present one.
        hold_until: End of the cool-down; None outside of one.
        rolled_back_at: When a change was last taken back; None if none ever was.
        rollbacks: When changes were taken back within the last day, oldest first.
        restoring: The number that is being gone back to; None once it is there.
        lock: What keeps the guard locked; None if it is not.
        absent_since: Since when there is no forecast to go by; None if there is one.
        dip_since: Since when demand is anomalously low; None if it is not.
        lowered: The last step down while it is observed; None if none is.
        repeat: The forecast of the last turn, and since when it is the same; None if there was none.
        record: What forecasts are held against.
        skill: How they did against reactive scaling.
    """

    decided_at: datetime | None = None
    needs: tuple[tuple[datetime, int], ...] = ()
    mode: Mode | None = None
    effective_mode: Mode | None = None
    suspended: bool = False
    baseline: int | None = None
    trial: Trial | None = None
    last_good: int | None = None
    hold_until: datetime | None = None
    rolled_back_at: datetime | None = None
    rollbacks: tuple[datetime, ...] = ()
    restoring: int | None = None
    lock: Lock | None = None
    absent_since: datetime | None = None
    dip_since: datetime | None = None
    lowered: Lowered | None = None
    repeat: Repeated | None = None
    record: Record = field(default_factory=Record)
    skill: Skill = field(default_factory=Skill)

    def __post_init__(self) -> None:
        if self.decided_at is None:
            if self.needs or self.trial is not None or self.hold_until is not None:
                raise DataError("there was no turn yet, so nothing was needed, is on trial or cools down")
            return
        if not self.needs:
            raise DataError("there was a turn, and nothing says what was needed then")
        at, count = self.needs[0]
        for next_at, next_count in self.needs[1:]:
            if next_at < at or next_count >= count:
                raise DataError(f"needs have to fall, oldest first, and {next_count} comes after {count}")
            at, count = next_at, next_count
        if at > self.decided_at or count < 0:
            raise DataError(f"the last need is {count} at {at}, and the last turn was at {self.decided_at}")
        if self.trial is not None and (self.trial.started > self.decided_at or self.holds):
            raise DataError("a trial starts with a turn, and not during a cool-down or a lock")
        if self.rolled_back_at is not None and self.rolled_back_at > self.decided_at:
            raise DataError(f"taken back at {self.rolled_back_at}, after the last turn at {self.decided_at}")

    @property
    def holds(self) -> bool:
        """Whether a change was taken back and nothing may be taken away since."""
        return self.hold_until is not None or self.lock is not None

    @property
    def phase(self) -> Phase:
        """Where the guard stands."""
        if self.suspended:
            return Phase.SUSPENDED
        if self.restoring is not None:
            return Phase.ROLLING_BACK
        if self.lock is not None:
            return Phase.LOCKED
        if self.hold_until is not None:
            return Phase.COOLDOWN
        if not self.skill.proven:
            return Phase.LEARNING if self.skill.since is None else Phase.PROVING
        if not self.skill.trusted:
            return Phase.DEGRADED
        return Phase.ACTIVE if self.trial is None else Phase.ON_TRIAL

    def to_json(self) -> dict[str, Any]:
        """Return plain data; ``from_json`` reads it. What is None is written as None: a patch then removes it."""
        trial = self.trial
        return {
            "phase": str(self.phase),
            "decidedAt": _seconds(self.decided_at),
            "needs": [[epoch_seconds(at), count] for at, count in self.needs],
            "mode": None if self.mode is None else str(self.mode),
            "effectiveMode": None if self.effective_mode is None else str(self.effective_mode),
            "suspended": self.suspended or None,
            "baseline": self.baseline,
            "trial": None if trial is None else _trial_json(trial),
            "lastGood": self.last_good,
            "holdUntil": _seconds(self.hold_until),
            "rolledBackAt": _seconds(self.rolled_back_at),
            "rollbacks": [epoch_seconds(at) for at in self.rollbacks] or None,
            "restoring": self.restoring,
            "lock": None if self.lock is None else [epoch_seconds(self.lock.since), self.lock.unlock],
            "absentSince": _seconds(self.absent_since),
            "dipSince": _seconds(self.dip_since),
            "lowered": None if self.lowered is None else [epoch_seconds(self.lowered.at), self.lowered.to],
            "repeat": None if self.repeat is None else self.repeat.to_json(),
            "record": self.record.to_json(),
            "skill": self.skill.to_json(),
        }

    @classmethod
    def from_json(cls, data: object) -> ScalingState:
        """Read what ``to_json`` wrote. What is missing is None; what is not known is left alone.

        Raises:
            DataError: If it is anything else; says what is wrong with it.
        """
        try:
            stored = _StoredState.model_validate_json(json.dumps(data))
            return cls(
                decided_at=instant(stored.decided_at),
                needs=tuple((from_epoch(at), count) for at, count in stored.needs),
                mode=stored.mode,
                effective_mode=stored.effective_mode,
                suspended=bool(stored.suspended),
                baseline=stored.baseline,
                trial=None if stored.trial is None else stored.trial.restored(),
                last_good=stored.last_good,
                hold_until=instant(stored.hold_until),
                rolled_back_at=instant(stored.rolled_back_at),
                rollbacks=tuple(from_epoch(at) for at in stored.rollbacks or ()),
                restoring=stored.restoring,
                lock=None if stored.lock is None else Lock(from_epoch(stored.lock[0]), stored.lock[1]),
                absent_since=instant(stored.absent_since),
                dip_since=instant(stored.dip_since),
                lowered=None if stored.lowered is None else Lowered(from_epoch(stored.lowered[0]), stored.lowered[1]),
                repeat=None if stored.repeat is None else stored.repeat.restored(),
                record=Record() if stored.record is None else Record(**dict(stored.record)),
                skill=_skill(stored),
            )
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "all of it"
            problem = f"{where}: {first['msg']}"
        except (TypeError, ValueError, OverflowError, DataError) as error:
            problem = str(error)
        raise DataError(f"not a scaling state: {problem}; remove status.state to start afresh")

    @classmethod
    def recover(cls, data: object) -> tuple[ScalingState, str]:
        """Read what ``to_json`` wrote, or start afresh; return the state, and what was wrong (empty if nothing was).

        Afresh, what is there counts as needed, so nothing shrinks for a whole stabilization window. The baseline is
        kept if it can be read: it is what the target gets back. So is the trust of forecasts that acted.
        """
        try:
            return cls.from_json(data), ""
        except DataError as error:
            baseline = data.get("baseline") if isinstance(data, Mapping) else None
            kept = baseline if isinstance(baseline, int) and baseline >= 0 else None
            acted = isinstance(data, Mapping) and data.get("effectiveMode") in (Mode.FLOOR, Mode.DIRECT)
            return cls(baseline=kept, skill=Skill(proven=acted, trusted=acted)), str(error)


class _StoredTrial(Stored):
    before: int
    after: int
    started: float
    failed: int
    errors: int
    was_good: bool
    outage: bool

    def restored(self) -> Trial:
        return Trial(**{**dict(self), "started": from_epoch(self.started)})


class _StoredState(Stored):
    needs: tuple[tuple[float, int], ...]
    decided_at: float | None = None
    mode: Mode | None = None
    effective_mode: Mode | None = None
    suspended: bool | None = None
    baseline: NonNegativeInt | None = None
    trial: _StoredTrial | None = None
    last_good: NonNegativeInt | None = None
    hold_until: float | None = None
    rolled_back_at: float | None = None
    rollbacks: Annotated[tuple[float, ...], Len(0, _MOST_ROLLBACKS)] | None = None
    restoring: NonNegativeInt | None = None
    lock: tuple[float, str] | None = None
    absent_since: float | None = None
    dip_since: float | None = None
    lowered: tuple[float, NonNegativeInt] | None = None
    repeat: StoredRepeat | None = None
    record: StoredRecord | None = None
    skill: StoredSkill | None = None


def _trial_json(trial: Trial) -> dict[str, Any]:
    return {
        "before": trial.before,
        "after": trial.after,
        "started": epoch_seconds(trial.started),
        "failed": trial.failed,
        "errors": trial.errors,
        "wasGood": trial.was_good,
        "outage": trial.outage,
    }


def _skill(stored: _StoredState) -> Skill:
    """Return the skill; a version that did not keep one had already acted on its forecasts."""
    if stored.skill is not None:
        return stored.skill.restored()
    acted = stored.effective_mode is not None and stored.effective_mode.applies
    return Skill(proven=acted, trusted=acted)


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else epoch_seconds(at)


def known(value: float | None) -> TypeGuard[float]:
    """Return whether a number was seen: neither missing nor NaN nor infinite."""
    return value is not None and math.isfinite(value)


def usable(value: float | None) -> float | None:
    """Return a number of demand as it is; None where it is missing, not finite or negative."""
    return value if value is not None and 0.0 <= value < math.inf else None
