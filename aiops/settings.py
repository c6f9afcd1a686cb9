"""How to reach the systems around us: read from the environment once, at start.

``AIOPS_PROMETHEUS__URL`` sets ``prometheus.url``; lengths of time are written like ``30s``. What to *do* (policies,
watched queries) is not here but in the files of service owners.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from aiops.errors import ConfigError
from aiops.series.duration import parse_duration

PREFIX = "AIOPS_"
_NOT_OURS = frozenset({"AIOPS_DATA_DIR"})
"""Names with our prefix that tests and benchmarks read, and the product does not."""

_HEADERS = f"{PREFIX}PROMETHEUS__HEADERS"


def _duration(given: object) -> object:
    """Read a length of time as policies write it; numbers are seconds."""
    if not isinstance(given, str):
        return given
    try:
        return parse_duration(given)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _positive(length: timedelta) -> timedelta:
    if length <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return length


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


_Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
_PositiveTime = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]


class PrometheusSettings(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """How to reach Prometheus, or anything that speaks its HTTP API.

    Attributes:
        url: Where it answers, with the path prefix if it has one.
        token: Sent as a bearer token.
        username: For basic authentication, with ``password``.
        password: For basic authentication, with ``username``.
        ca_file: PEM file of the authorities that may have signed the server's certificate; the system's if None.
        client_cert_file: PEM file of our own certificate, if the server asks for one.
        client_key_file: PEM file of its key; None if ``client_cert_file`` holds both.
        headers: Sent with every request, such as ``{"X-Scope-OrgID": "shop"}``; never shown.
        timeout: For one request, from sending it to having read all of the answer.
        attempts: How often a request is sent before we give up on a server that does not answer.
        max_series: Most series that one query may return.
    """

    url: AnyHttpUrl = AnyHttpUrl("http://localhost:9090")
    token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: FilePath | None = None
    client_cert_file: FilePath | None = None
    client_key_file: FilePath | None = None
    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    timeout: _PositiveTime = timedelta(seconds=30)
    attempts: int = Field(default=3, ge=1, le=10)
    max_series: int = Field(default=10_000, ge=1)

    def at(self, url: str) -> Self:
        """Return the same settings for another address, credentials included.

        Raises:
            ConfigError: If it is not an http or https URL.
        """
        try:
            return type(self)(**{**dict(self), "url": url})
        except ValidationError as error:
            reasons = "; ".join(_sentence(each) for each in error.errors(include_input=False))
            raise ConfigError(f"{url!r} is no address of a Prometheus: {reasons}") from None

    @model_validator(mode="after")
    def _credentials_fit(self) -> Self:
        if self.url.username or self.url.password or self.url.query or self.url.fragment:
            raise ValueError("url must be a bare address: a user and password go to username and password")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password come together: set both or none")
        if self.token is not None and self.username is not None:
            raise ValueError("set token or username and password, not both")
        if self.client_key_file is not None and self.client_cert_file is None:
            raise ValueError("client_key_file needs client_cert_file")
        return self


class AlertmanagerSettings(BaseModel, frozen=True, extra="forbid"):
    """How to reach Alertmanager.

    Attributes:
        url: Where it answers, with the path prefix if it has one.
    """

    url: AnyHttpUrl = AnyHttpUrl("http://localhost:9093")


class ClockSettings(BaseModel, frozen=True, extra="forbid"):
    """The time that the server and the operator go by: the machine's, unless a stretch of the past is rehearsed.

    Attributes:
        start: What the clock reads at ``anchor``; None for the machine's own time.
        anchor: The real instant at which it reads ``start``, so that several processes agree on the time.
        speed: How many times as fast as real time it runs.
    """

    start: _Instant | None = None
    anchor: _Instant | None = None
    speed: float = Field(default=1.0, gt=0, le=10_000, allow_inf_nan=False)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.start is None) != (self.anchor is None):
            raise ValueError("start and anchor come together: what the clock reads, and the real instant when it does")
        if self.start is None and self.speed != 1:
            raise ValueError("speed needs start and anchor: the real time runs as it does")
        return self


class Settings(BaseSettings):
    """Everything that the environment says about us. Build it with ``from_environment``.

    Attributes:
        prometheus: Where telemetry is read.
        alertmanager: Where alerts are sent.
        clock: What time it is.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        case_sensitive=False,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    prometheus: PrometheusSettings = Field(default_factory=PrometheusSettings)
    alertmanager: AlertmanagerSettings = Field(default_factory=AlertmanagerSettings)
    clock: ClockSettings = Field(default_factory=ClockSettings)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment.

        Raises:
            ConfigError: If a name with our prefix is unknown, or a value is wrong; names each.
        """
        _refuse_unknown(os.environ)
        try:
            return cls()
        except ValidationError as error:
            wrong = [f"{_variable(each['loc'])}: {_sentence(each)}" for each in error.errors(include_input=False)]
            raise ConfigError("wrong in the environment: " + "; ".join(wrong)) from None  # the cause may hold secrets
        except SettingsError:
            known = {_variable((group,)) for group in cls.model_fields} | {_HEADERS}
            given = sorted(name for name in os.environ if name.upper() in known)
            raise ConfigError(f"{' or '.join(given)} in the environment is no JSON object") from None


def variables() -> tuple[str, ...]:
    """Return every environment variable that ``Settings`` understands, sorted."""
    names = []
    for group, field in Settings.model_fields.items():
        names.append(_variable((group,)))
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names += [_variable((group, name)) for name in model.model_fields]
    return tuple(sorted(names))


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = variables()
    for name in sorted(environment):
        given = name.upper()
        if not given.startswith(PREFIX) or given in _NOT_OURS or given in known:
            continue
        if given.startswith(f"{_HEADERS}__"):
            continue
        close = difflib.get_close_matches(given, known, n=1, cutoff=0.0)
        raise ConfigError(f"unknown setting {name} in the environment: did you mean {close[0]}? Else unset it")


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(str(part).upper() for part in location)


def _sentence(error: Any) -> str:
    return str(error["msg"]).removeprefix("Value error, ")
