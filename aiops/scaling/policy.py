"""What a service owner writes: the ``spec`` of a PredictiveScaler, which backtests and scenarios read as YAML too."""

from __future__ import annotations

import math
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from pydantic import ConfigDict, Field, field_validator, model_validator

from aiops.documents.fields import RULES, Duration, Label, Part, PositiveDuration, Query, rule
from aiops.scaling.calendar import Calendar
from aiops.scaling.capacity import MOST_REPLICAS, ROUNDING
from aiops.scaling.pace import NO_LIMIT, Behavior
from aiops.series.duration import format_duration

LEAST_LEVEL: Final = 0.5  # below, demand is above the plan more often than not, whatever it costs
MOST_LEVEL: Final = 0.999  # beyond, the errors of the last days say nothing
EVENT_ABOVE_MAX: Final = "an event's minReplicas is above bounds.maxReplicas: raise the latter"
_SECONDS_AN_HOUR: Final = 3600


class Mode(StrEnum):
    """How far the scaler may go. Each does what the one before it does, and more."""

    SHADOW = "Shadow"
    """Decides and reports; changes nothing."""
    RECOMMEND = "Recommend"
    """Also publishes the number."""
    FLOOR = "Floor"
    """Raises the HPA's ``minReplicas``; the HPA stays in charge above it."""
    DIRECT = "Direct"
    """Sets the replicas itself; refused beside an HPA."""

    @property
    def applies(self) -> bool:
        """Whether decisions change the world."""
        return self in (Mode.FLOOR, Mode.DIRECT)


class MaxBreach(StrEnum):
    """What happens when the forecast needs more than ``maxReplicas``."""

    HONOR = "Honor"
    """The maximum stays."""
    RAISE_WITH_BUFFER = "RaiseWithBuffer"
    """The maximum becomes what the forecast needs and ``maxBuffer`` of that, as long as it does."""


class Bounds(Part):
    """What the scaler never leaves."""

    model_config = ConfigDict(
        json_schema_extra={
            RULES: [
                rule("self.minReplicas <= self.maxReplicas", "minReplicas is above maxReplicas: raise the latter"),
            ]
        }
    )

    min_replicas: int = Field(
        1, ge=1, le=MOST_REPLICAS, description="Fewest replicas. Scaling to zero is not supported."
    )
    max_replicas: int = Field(ge=1, le=MOST_REPLICAS, description="Most replicas, whatever the forecast says.")
    on_max_breach: MaxBreach = Field(
        MaxBreach.HONOR,
        strict=False,
        description="When the forecast needs more than maxReplicas, or nearly so: Honor keeps it; RaiseWithBuffer "
        "makes it what is needed and maxBuffer of that. An HPA's own maxReplicas stays.",
    )
    max_buffer: float = Field(0.1, ge=0, le=1, description="Share of what is needed that RaiseWithBuffer adds to it.")

    @model_validator(mode="after")
    def _ordered(self) -> Bounds:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"minReplicas {self.min_replicas} is above maxReplicas {self.max_replicas}: raise the latter"
            )
        return self

    def most(self, wanted: int, current: int) -> int:
        """Return the most replicas when the forecast needs ``wanted``.

        A maximum that was raised forces nothing down when it falls: those that are there go at the pace of others.
        """
        if self.on_max_breach is MaxBreach.HONOR:
            return self.max_replicas
        return max(self.max_replicas, math.ceil(wanted * (1.0 + self.max_buffer) - ROUNDING), current)


class Load(Part):
    """How demand becomes replicas."""

    capacity_per_replica: float = Field(
        gt=0, allow_inf_nan=False, description="Demand that one ready replica can serve, in the unit of the demand."
    )
    target_utilization: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of that capacity to plan with. A forecast level of 0.95 is headroom already, so 1.0 is a "
        "good start.",
    )

    @property
    def per_replica(self) -> float:
        """Demand that one replica is asked to serve."""
        return self.capacity_per_replica * self.target_utilization


class Prices(Part):
    """What it costs to be wrong, in any currency: only the ratio of the two counts."""

    replica_hour: float = Field(gt=0, allow_inf_nan=False, description="Price of one replica for one hour.")
    unmet_request: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="Price of one request that is not served, where demand is in requests per second; else of one unit "
        "of demand that is not served for one second.",
    )


class LeadSource(StrEnum):
    """Where the window comes from."""

    FIXED = "Fixed"
    """From ``window``."""
    LEARNT = "Learnt"
    """From how long the workload's own pods took to be ready; from ``window`` until some were seen."""


class ForecastRules(Part):
    """Which forecast a decision reads."""

    model: str = Field("boosted", min_length=1, description="Name in the catalog of window forecasters.")
    level: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="Quantile of the highest demand within the window. 0.95: one window in twenty is higher. Where "
        "there are prices, they choose it.",
    )
    window: PositiveDuration = Field(
        timedelta(minutes=4),
        description="What one decision has to cover: start-up delay + time to the next decision + one sync of the HPA.",
    )
    lead_time: LeadSource = Field(
        LeadSource.FIXED,
        strict=False,
        description="Learnt: the operator makes the window from how long pods of the target took from creation to "
        "ready; window counts until three were seen, and in backtests.",
    )
    history_cap: float = Field(
        1.25,
        ge=1,
        le=NO_LIMIT,
        description="Times the highest demand around the same hour of the last three days that a forecast may be. One "
        f"that stays above is not believed: present demand counts then. {NO_LIMIT}: anything is believed.",
    )
    stale_after: PositiveDuration = Field(
        timedelta(minutes=5),
        description="A forecast whose newest observation is older than this counts as none, and so does one that has "
        "not changed for so long while demand has.",
    )


WINDOW: Final = "$window"
_NEEDS_WINDOW: Final = "windows are put where the query says $window: write it there, or leave windows out"


class Slo(Part):
    """One question whose answer tells whether users are served well."""

    model_config = ConfigDict(
        json_schema_extra={
            RULES: [
                rule("(has(self.windows) && size(self.windows) > 0) == self.query.contains('$window')", _NEEDS_WINDOW)
            ]
        }
    )

    name: Label = Field(description="What to call it in conditions and alerts; lower-case letters, digits and -.")
    query: Query = Field(
        description="PromQL that returns one number. No number is neither good nor bad, and keeps replicas from being "
        "taken away: end a ratio with `or vector(0)` if no traffic is fine."
    )
    threshold: float = Field(allow_inf_nan=False, description="Bad while the number is above this.")
    windows: tuple[PositiveDuration, ...] | None = Field(
        None,
        strict=False,
        max_length=4,
        description="Asks the query once with each of these in place of $window, such as 5m and 1h. Bad while the "
        "number is above the threshold in all of them: the short one ends soon after the trouble, the long one ignores "
        "a blip.",
    )

    @model_validator(mode="after")
    def _windows_are_used(self) -> Slo:
        if bool(self.windows) != (WINDOW in self.query):
            raise ValueError(_NEEDS_WINDOW)
        return self

    @property
    def queries(self) -> tuple[str, ...]:
        """What is asked: one query, or one a window."""
        return tuple(self.query.replace(WINDOW, format_duration(each)) for each in self.windows or ()) or (self.query,)


class Guard(Part):
    """Watches every change that is made, and takes back those that do harm."""

    slos: tuple[Slo, ...] = Field(
        strict=False,
        max_length=8,
        json_schema_extra={  # min_length would also count what is there and wrong
            "minItems": 1,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description="What must stay good; each by its own name.",
    )
    observe: PositiveDuration = Field(timedelta(minutes=10), description="How long a change is on trial.")
    failure_limit: int = Field(3, ge=1, le=100, description="Failed checks that end a trial and take the change back.")
    consecutive_error_limit: int = Field(
        4, ge=1, le=100, description="Checks in a row without an answer that end a trial as inconclusive."
    )
    cool_down: Duration = Field(
        timedelta(minutes=30), description="How long nothing is taken away after a change was taken back."
    )
    max_rollbacks_per_day: int = Field(
        3,
        ge=1,
        le=10,
        description="Changes taken back within 24 hours that lock the guard: nothing is taken away until you unlock.",
    )
    unlock: str = Field(
        "",
        max_length=64,
        description="Write anything new here, such as the date and your name, to unlock a guard that is locked.",
    )

    @field_validator("slos")
    @classmethod
    def _named_apart(cls, slos: tuple[Slo, ...]) -> tuple[Slo, ...]:
        if not slos:
            raise ValueError("a guard without SLOs guards nothing: write one, or remove guard")
        names = [slo.name for slo in slos]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two are called {twice[0]}: give each a name of its own")
        return slos


class Trust(Part):
    """How forecasts earn the right to act: ``mode`` is what they may rise to."""

    proving: Duration = Field(
        timedelta(days=1),
        description="How long forecasts are held against reactive scaling before anything is changed. 0s: at once.",
    )
    reactive_utilization: float = Field(
        0.7,
        gt=0,
        le=1,
        description="Target utilization of that reactive scaling; mode Direct falls back to it when forecasts are no "
        "better.",
    )


class Horizon(NamedTuple):
    """One thing that a decision asks of a forecast.

    Attributes:
        length: How far ahead.
        level: Quantile of the highest demand within it.
    """

    length: timedelta
    level: float


class ScalingPolicy(Part):
    """Everything that a scaling decision depends on, beside what is seen and forecast.

    Raises:
        ConfigError: From ``policy_from`` and ``load_policy`` in ``policy_file.py``; the constructor itself raises
            pydantic's ``ValidationError``.
    """

    mode: Mode = Field(Mode.SHADOW, strict=False, description="How far the scaler may go; Shadow changes nothing.")
    bounds: Bounds = Field(description="What the scaler never leaves.")
    load: Load = Field(description="How demand becomes replicas.")
    prices: Prices | None = Field(
        None,
        description=f"Chooses the level of the forecast, within {LEAST_LEVEL} and {MOST_LEVEL}: the share at which one "
        "more replica costs as much as what it is expected to serve.",
    )
    calendar: Calendar | None = Field(None, description="Events and blackouts, in local times.")
    forecast: ForecastRules = Field(ForecastRules(), description="Which forecast a decision reads.")
    behavior: Behavior = Field(Behavior(), description="Pace of change.")
    guard: Guard | None = Field(
        None,
        description="Watches every change and takes back those that do harm; where nothing is changed, only reports.",
    )
    trust: Trust = Field(Trust(), description="How forecasts earn the right to act.")
    suspend: bool = Field(False, description="Stop deciding, and give the target back what was its own.")

    @model_validator(mode="after")
    def _events_fit(self) -> ScalingPolicy:
        most = self.bounds.max_replicas
        if any((each.min_replicas or 0) > most for each in self.calendar.events) if self.calendar else False:
            raise ValueError(EVENT_ABOVE_MAX)
        return self

    @property
    def level(self) -> float:
        """The quantile of demand to plan for: the owner's, or that of the prices.

        The news-vendor's: a replica too few for an hour leaves its capacity unmet, one too many costs its price; the
        expected costs of both are the least at the quantile ``lost / (lost + replica_hour)``.
        """
        if self.prices is None:
            return self.forecast.level
        lost = self.prices.unmet_request * self.load.capacity_per_replica * _SECONDS_AN_HOUR
        return min(max(lost / (lost + self.prices.replica_hour), LEAST_LEVEL), MOST_LEVEL)

    @property
    def horizons(self) -> tuple[Horizon, ...]:
        """What a decision reads of the future: the window, and how far it looks ahead before it takes anything away."""
        window, ahead = self.forecast.window, self.behavior.scale_down.look_ahead
        return tuple(Horizon(length, self.level) for length in (window, ahead)[: 1 + (ahead > window)])

    def to_spec(self) -> dict[str, Any]:
        """Return the policy as its owner would write it: plain data, camelCase, every default spelt out."""
        spec: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return spec
