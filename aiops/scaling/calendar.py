"""What is known of the days to come: events that bring demand, and blackouts in which nothing may change.

Times are local times of one zone, as people write them down. A local time that is there twice or not at all, because
clocks are put back or forward, is read so that an event or a blackout is longer: its start is the earlier instant that
can be meant, its end the later one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from aiops.documents.fields import RULES, Duration, Label, Part, rule, seconds

_DAY: Final = timedelta(days=1)
_YEAR: Final = 365 * _DAY
_FORMAT: Final = "%Y-%m-%dT%H:%M"
_PATTERN: Final = "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$"
_IS_TIME: Final = "write a local time like 2026-11-27T08:00"
_ZONE_PATTERN: Final = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"
_IS_ZONE: Final = "write a time zone like Europe/Berlin"
_MOST: Final = 32  # events, and blackouts


def _read_time(value: object) -> datetime:
    if not isinstance(value, str) or not re.search(_PATTERN.replace("$", r"\Z"), value, re.ASCII):
        raise ValueError(_IS_TIME)
    try:
        return datetime.strptime(value, _FORMAT)  # noqa: DTZ007 - local on purpose
    except ValueError:
        raise ValueError(_IS_TIME) from None


def _known_zone(name: str) -> str:
    if not re.search(_ZONE_PATTERN.replace("$", r"\Z"), name, re.ASCII):
        raise ValueError(_IS_ZONE)
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        close = difflib.get_close_matches(name, sorted(available_timezones()), n=1, cutoff=0.5)
        raise ValueError(f"no such time zone: {f'did you mean {close[0]}?' if close else _IS_ZONE}") from None
    return name


LocalTime = Annotated[
    datetime,
    BeforeValidator(_read_time),
    PlainSerializer(lambda time: time.strftime(_FORMAT)),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 16,
            RULES: [rule(f"self.matches('{_PATTERN}') && timestamp(self + ':00Z').getFullYear() > 0", _IS_TIME)],
        }
    ),
]
TimeZone = Annotated[
    str,
    AfterValidator(_known_zone),
    WithJsonSchema(
        {"type": "string", "maxLength": 64, RULES: [rule(f"self.matches('{_ZONE_PATTERN}')", _IS_ZONE)]},
    ),
]


class Repeat(StrEnum):
    """How often something comes again."""

    NEVER = "Never"
    DAILY = "Daily"
    WEEKLY = "Weekly"
    YEARLY = "Yearly"


class Forbids(StrEnum):
    """What a blackout forbids. The guard may still take back a change that does harm."""

    SCALE_DOWN = "ScaleDown"
    ANY_CHANGE = "AnyChange"


class Occurrence(NamedTuple):
    """One time of several: from ``start`` to just before ``end``, UTC."""

    start: datetime
    end: datetime


_LONGEST: Final = {Repeat.DAILY: _DAY, Repeat.WEEKLY: 7 * _DAY, Repeat.YEARLY: _YEAR}
_ENDS: Final = "end is not after start: correct one of them"
_TOO_LONG: Final = "it is longer than the time to the next one: shorten it, or repeat it less often"
_LEAP: Final = "29 February comes once in four years: write 28 February or 1 March"
_LENGTH: Final = "timestamp(self.end + ':00Z') - timestamp(self.start + ':00Z')"
_RULES: Final = [
    rule("timestamp(self.end + ':00Z') > timestamp(self.start + ':00Z')", _ENDS),
    rule(
        f"self.repeat == 'Never' || {_LENGTH} <= duration("
        "self.repeat == 'Daily' ? '24h' : self.repeat == 'Weekly' ? '168h' : '8760h')",
        _TOO_LONG,
    ),
    rule("self.repeat != 'Yearly' || !(self.start + self.end).contains('-02-29T')", _LEAP),
]
_NO_EFFECT: Final = "it changes nothing: write multiplier, minReplicas or both"


class Span(Part):
    """A time that has a name and may come again."""

    name: Label = Field(description="What decisions call it; lower-case letters, digits and -.")
    start: LocalTime = Field(description="Local time of its first start, such as 2026-11-27T08:00.")
    end: LocalTime = Field(description="Local time of its first end.")
    repeat: Repeat = Field(Repeat.NEVER, strict=False, description="Whether it comes again, at the same local time.")

    @model_validator(mode="after")
    def _can_be(self) -> Span:
        if self.end <= self.start:
            raise ValueError(_ENDS)
        if self.repeat is not Repeat.NEVER and self.end - self.start > _LONGEST[self.repeat]:
            raise ValueError(_TOO_LONG)
        if self.repeat is Repeat.YEARLY and any((each.month, each.day) == (2, 29) for each in (self.start, self.end)):
            raise ValueError(_LEAP)
        return self

    def occurrences(self, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[Occurrence]:
        """Yield those that overlap the time from ``begin`` to just before ``end``, UTC, in order."""
        for start in self._starts(
            begin.astimezone(zone).replace(tzinfo=None), end.astimezone(zone).replace(tzinfo=None)
        ):
            found = Occurrence(_earlier(start, zone), _later(self._end_of(start), zone))
            if found.start < end and begin < found.end:
                yield found

    def _starts(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """Yield local starts: all that can matter between two local times, and a few more."""
        if self.repeat is Repeat.NEVER:
            yield self.start
        elif self.repeat is Repeat.YEARLY:
            for year in range(max(begin.year - 1, self.start.year), end.year + 2):
                yield self.start.replace(year=year)
        else:
            every = _LONGEST[self.repeat]
            for number in range(max((begin - self.start) // every - 2, 0), (end - self.start) // every + 2):
                yield self.start + number * every

    def _end_of(self, start: datetime) -> datetime:
        if self.repeat is Repeat.YEARLY:  # a leap day in between is no reason to end a day early
            return self.end.replace(year=self.end.year + start.year - self.start.year)
        return start + (self.end - self.start)


class Event(Span):
    """Demand that no history shows."""

    model_config = ConfigDict(
        json_schema_extra={
            RULES: [
                *_RULES,
                rule("has(self.multiplier) || has(self.minReplicas)", _NO_EFFECT),
                rule(f"{seconds('self.ramp')} <= 86400", "a ramp has at most 24h: shorten it"),
            ]
        }
    )

    ramp: Duration = Field(timedelta(), description="How long before its start demand begins to grow; at most 24h.")
    multiplier: float | None = Field(
        None,
        ge=1,
        le=1000,
        description="So many times the highest demand around this hour of the last three days is planned for, at the "
        "least. Days on which there was an event do not count.",
    )
    min_replicas: int | None = Field(None, ge=1, description="Fewest replicas during it; at most bounds.maxReplicas.")

    @model_validator(mode="after")
    def _acts(self) -> Event:
        if self.multiplier is None and self.min_replicas is None:
            raise ValueError(_NO_EFFECT)
        if self.ramp > _DAY:
            raise ValueError("a ramp has at most 24h: shorten it")
        return self

    def strength(self, zone: ZoneInfo, begin: datetime, end: datetime) -> float:
        """Return the most of it within a time, from 0 (none) over the ramp to 1 (all)."""
        strongest = 0.0
        for each in self.occurrences(zone, begin, end + self.ramp):
            if each.start < end:
                return 1.0
            strongest = max(strongest, 1.0 - (each.start - end) / self.ramp)
        return strongest


class Blackout(Span):
    """A time in which replicas stay as they are."""

    model_config = ConfigDict(json_schema_extra={RULES: list(_RULES)})

    forbids: Forbids = Field(
        Forbids.SCALE_DOWN,
        strict=False,
        description="ScaleDown, or AnyChange. A guard may still take back a change that does harm.",
    )


class Calendar(Part):
    """Events and blackouts, in local times of one zone."""

    time_zone: TimeZone = Field("UTC", description="Zone of all times here, such as Europe/Berlin.")
    events: tuple[Event, ...] = Field(
        (),
        strict=False,
        max_length=_MOST,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        description="Demand that no history shows. Where several overlap, the most of each counts.",
    )
    blackouts: tuple[Blackout, ...] = Field(
        (),
        strict=False,
        max_length=_MOST,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        description="Times in which replicas stay as they are.",
    )

    @model_validator(mode="after")
    def _named_apart(self) -> Calendar:
        for kind in (self.events, self.blackouts):
            names = [each.name for each in kind]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two are called {twice[0]}: give each a name of its own")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of all times."""
        return ZoneInfo(self.time_zone)

    def eventful(self, begin: datetime, end: datetime) -> bool:
        """Return whether an event, its ramp included, was between two instants, UTC."""
        return any(each.strength(self.zone, begin, end) > 0.0 for each in self.events)


def _earlier(local: datetime, zone: ZoneInfo) -> datetime:
    return min(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _later(local: datetime, zone: ZoneInfo) -> datetime:
    return max(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
