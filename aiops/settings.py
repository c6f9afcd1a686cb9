"""How to reach the systems around us: read from the environment once, at start.

``AIOPS_PROMETHEUS__URL`` sets ``prometheus.url``; lengths of time are written like ``30s``. What to *do* (policies,
watched queries) is not here but in the files of service owners.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    FilePath,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from aiops.errors import ConfigError
from aiops.series.duration import format_duration, parse_duration

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


def _names(given: object) -> object:
    """Read names with commas between."""
    return [name.strip() for name in given.split(",")] if isinstance(given, str) else given


def _positive(length: timedelta) -> timedelta:
    if length <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return length


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


_Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
_PositiveTime = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_positive),
    PlainSerializer(format_duration, when_used="json"),
]
_Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names), Field(min_length=1)]


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
        urls: Every replica of it, with commas between, if as text; instead of ``url``. Each is sent every alert, as
            Prometheus does: they tell each other what they have notified.
    """

    url: AnyHttpUrl = AnyHttpUrl("http://localhost:9093")
    urls: Annotated[tuple[AnyHttpUrl, ...], NoDecode, BeforeValidator(_names)] = ()

    @property
    def replicas(self) -> dict[str, str]:
        """Return the address of each replica, by a name for logs and metrics."""
        if not self.urls:
            return {"alertmanager": str(self.url)}
        return {f"{each.host}:{each.port}": str(each) for each in self.urls}

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(self.replicas) < len(self.urls):
            raise ValueError("urls names a replica twice: each has a host and port of its own")
        return self


class LinkSettings(BaseModel, frozen=True, extra="forbid"):
    """Addresses as people reach them from an alert, where they differ from ours.

    Attributes:
        prometheus: Of Prometheus; that of ``prometheus`` if None.
        alertmanager: Of Alertmanager; the first of ``alertmanager`` if None.
    """

    prometheus: AnyHttpUrl | None = None
    alertmanager: AnyHttpUrl | None = None


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


class _Asked(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """Which telemetry a scheduled job reads, and where it writes.

    Attributes:
        source: A folder, or the URL of a Prometheus; that of ``prometheus`` if None.
        query: PromQL, or a pattern of series ids of a folder; a Prometheus needs one.
        history: How far back a Prometheus is read.
        step: Grid of what is read.
        folder: Where everything goes: an absolute path that all workers of the scheduler share.
        workers: Processes of a task.
    """

    source: str | None = None
    query: str | None = None
    history: _PositiveTime = timedelta(days=28)
    step: _PositiveTime = timedelta(minutes=5)
    folder: Path | None = None
    workers: int = Field(default=1, ge=1, le=256)

    def changed(self, given: Mapping[str, object]) -> Self:
        """Return the same with other values where ``given`` has some; None and an empty text are none.

        Raises:
            ConfigError: If a name is unknown or a value is wrong; names each.
        """
        changes = {name: value for name, value in given.items() if value not in (None, "", [])}
        try:
            return type(self).model_validate({**dict(self), **changes})
        except ValidationError as error:
            wrong = [f"{each['loc'][0]}: {_sentence(each)}" for each in error.errors(include_input=False)]
            raise ConfigError("wrong in the parameters of the run: " + "; ".join(wrong)) from None


class TrainingSettings(_Asked):
    """What the DAG ``train_forecasters`` trains, where a run's parameters say nothing else.

    Attributes:
        horizon: How far to forecast.
        forecasters: What is chosen from, by names of the catalog; with commas between, if as text.
        choosing: Folds that a forecaster is chosen by.
        judging: Later folds that it is judged by.
        margin: Share by which a champion's loss must be beaten.
        registry: An SQLite file of MLflow's, or the URL of a server; ``mlflow.db`` in ``folder`` if None.
        name: Of the registered model.
        engine: Who does the fitting inside a task.
        tasks: Most tasks that the fitting is dealt out to.
    """

    horizon: _PositiveTime = timedelta(days=2)
    forecasters: _Names = ("seasonal-naive", "fleet")
    choosing: int = Field(default=2, ge=1)
    judging: int = Field(default=2, ge=1)
    margin: float = Field(default=0.02, ge=0, lt=1)
    registry: str | None = None
    name: str = Field(default="aiops-forecasts", min_length=1)
    engine: Literal["local", "ray"] = "local"
    tasks: int = Field(default=4, ge=1, le=1000)


class CapacitySettings(_Asked):
    """What the DAG ``backtest_capacity`` replays, where a run's parameters say nothing else.

    Attributes:
        forecasters: What is tried as a floor under the HPA.
        capacity_per_replica: Demand that one replica serves; needed.
        startup_delay: From creation of a pod to ready.
        scored: Length of the scored time at the end; at most half of what there is.
        cost: Scalers are compared at so many times the optimum's replica-hours.
    """

    step: _PositiveTime = timedelta(minutes=1)
    forecasters: _Names = ("holt-winters", "last-week")
    capacity_per_replica: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    startup_delay: _PositiveTime = timedelta(minutes=2)
    scored: _PositiveTime = timedelta(days=14)
    cost: float = Field(default=1.5, ge=1, allow_inf_nan=False)


class RaySettings(BaseModel, frozen=True, extra="forbid"):
    """Where Ray runs.

    Attributes:
        address: Of a cluster, such as ``ray://head:10001``; None starts Ray on this machine for the time of the work.
    """

    address: str | None = None


class Settings(BaseSettings):
    """Everything that the environment says about us. Build it with ``from_environment``.

    Attributes:
        prometheus: Where telemetry is read.
        alertmanager: Where alerts are sent.
        links: Where people go on from an alert.
        clock: What time it is.
        training: What is trained every day.
        capacity: What is replayed every week.
        ray: Where Ray runs.
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
    links: LinkSettings = Field(default_factory=LinkSettings)
    clock: ClockSettings = Field(default_factory=ClockSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    capacity: CapacitySettings = Field(default_factory=CapacitySettings)
    ray: RaySettings = Field(default_factory=RaySettings)

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
