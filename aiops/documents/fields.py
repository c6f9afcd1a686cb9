"""Kinds of fields of what people write: each is checked here by pydantic, and in the API server by the rule beside it.

Both say the same: what is refused at admission is refused when a backtest reads the file, and the other way round. The
rules are CEL (the Common Expression Language, which custom resources are checked with) on the field itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from aiops.errors import ConfigError
from aiops.series.duration import format_duration, parse_duration

RULES: Final = "x-kubernetes-validations"
"""Key of a schema that holds CEL rules."""

_DURATION: Final = re.compile(r"^([0-9]{1,7}[smhdw])+\Z")  # so few digits that no sum of them overflows
_DURATION_CHARACTERS: Final = 32
_QUERY_CHARACTERS: Final = 4096
_NAME_CHARACTERS: Final = 253
_LABEL_CHARACTERS: Final = 63


class Part(BaseModel):
    """A piece of what people write: what it does not know is refused, and so is the wrong type."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,  # as the API server is: no "40" for 40, no yes for 1
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """Leave out what is null, as the API server does: a key whose value is commented out is not there."""
        if not isinstance(data, Mapping):
            return data
        return {key: value for key, value in data.items() if value is not None}


def rule(cel: str, message: str) -> JsonDict:
    """Return a rule as a schema holds it: an expression that has to be true, and what to say if it is not."""
    return {"rule": cel, "message": message}


def _text(pattern: str, characters: int, message: str) -> tuple[Callable[[str], str], WithJsonSchema]:
    """Return how pydantic checks a text against a pattern, and how the API server does."""
    shape = re.compile(pattern.replace("$", r"\Z"), re.ASCII)  # as RE2 reads it, in which CEL is written

    def check(text: str) -> str:
        if len(text) > characters:
            raise ValueError(f"it has {len(text)} characters: write at most {characters}")
        if not shape.search(text):
            raise ValueError(message)
        return text

    rules = [rule(f"self.matches(r'{pattern}')", message)]
    return check, WithJsonSchema({"type": "string", "maxLength": characters, RULES: rules})


_LONGER: Final = "it has to be longer than 0s"
_IS_DURATION: Final = rule(
    "self.matches(r'^([0-9]{1,7}[smhdw])+$')", "write a length of time like 90s, 5m, 1h30m or 28d"
)
_IS_POSITIVE: Final = rule("!self.matches(r'^(0+[smhdw])+$')", _LONGER)


def _read_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit: write it like 90s, 5m or 1h30m")
    try:
        length = parse_duration(value)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    if len(value) > _DURATION_CHARACTERS or not _DURATION.search(value):
        raise ValueError(f"{value!r} is too long for a length of time: write it in larger units, like 28d")
    return length


def _positive(length: timedelta) -> timedelta:
    if length <= timedelta():
        raise ValueError(_LONGER)
    return length


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "maxLength": _DURATION_CHARACTERS, RULES: [_IS_DURATION]}),
]
PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    AfterValidator(_positive),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "maxLength": _DURATION_CHARACTERS, RULES: [_IS_DURATION, _IS_POSITIVE]}),
]

_query, _query_schema = _text(
    r"\S", _QUERY_CHARACTERS, "it is empty: write PromQL, such as sum(rate(http_requests_total[1m]))"
)
Query = Annotated[str, AfterValidator(_query), _query_schema]

_name, _name_schema = _text(
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    _NAME_CHARACTERS,
    "it is not a name of an object: write lower-case letters, digits, - and .",
)
Name = Annotated[str, AfterValidator(_name), _name_schema]

_label, _label_schema = _text(
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", _LABEL_CHARACTERS, "it is not a label: write lower-case letters, digits and -"
)
Label = Annotated[str, AfterValidator(_label), _label_schema]

_kind, _kind_schema = _text(r"^[A-Z][A-Za-z0-9]*$", _LABEL_CHARACTERS, "it is not a kind: write it like Deployment")
ApiKind = Annotated[str, AfterValidator(_kind), _kind_schema]

_version, _version_schema = _text(
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$",
    _NAME_CHARACTERS,
    "it is not a group and version: write it like apps/v1",
)
ApiVersion = Annotated[str, AfterValidator(_version), _version_schema]


def seconds(duration: str) -> str:
    """Return CEL that gives the seconds of a duration, itself an expression.

    CEL's own ``duration`` knows neither days nor weeks.
    """
    sizes = "{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}"
    part = f"int(p.substring(0, p.size() - 1)) * {sizes}[p.substring(p.size() - 1)]"
    return f"{duration}.findAll('[0-9]+[smhdw]').map(p, {part}).sum()"
