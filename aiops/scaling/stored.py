"""What was learnt of forecasts, as it lies in the JSON of a state: checked key by key when it is read.

Each part says in its own ``to_json`` how it is written.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, NonNegativeInt
from pydantic.alias_generators import to_camel

from aiops.scaling.frozen import Repeated
from aiops.scaling.skill import Claim, Loss, Skill
from aiops.series import from_epoch


class Stored(BaseModel):
    """A part of a state as it lies in JSON: what is not known of it is left alone."""

    model_config = ConfigDict(extra="ignore", strict=True, alias_generator=to_camel, allow_inf_nan=False)


class StoredRepeat(Stored):
    """A ``Repeated``."""

    peak: float
    since: float
    needed: NonNegativeInt | None = None
    moved: bool

    def restored(self) -> Repeated:
        """Return what was written."""
        return Repeated(**{**dict(self), "since": from_epoch(self.since)})


class StoredRecord(Stored):
    """A ``Record``."""

    hour: int
    highest: tuple[float | None, ...]
    lowest: tuple[float | None, ...] = ()
    beyond: float
    disbelieved: bool


class StoredSkill(Stored):
    """A ``Skill``."""

    since: float | None = None
    judged: float | None = None
    claims: tuple[tuple[float, float, float, float], ...]
    losses: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    proven: bool
    trusted: bool

    def restored(self) -> Skill:
        """Return what was written."""
        first, second, third = (Loss(*each) for each in self.losses)
        return Skill(
            since=instant(self.since),
            judged=instant(self.judged),
            claims=tuple(Claim(from_epoch(made), *numbers) for made, *numbers in self.claims),
            losses=(first, second, third),
            proven=self.proven,
            trusted=self.trusted,
        )


def instant(seconds: float | None) -> datetime | None:
    """Return the instant that is so many seconds after 1970; None for None."""
    return None if seconds is None else from_epoch(seconds)
