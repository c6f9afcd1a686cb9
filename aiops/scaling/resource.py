"""The custom resource PredictiveScaler: its names, its whole ``spec``, and its ``status``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from aiops.documents.fields import (
    RULES,
    ApiKind,
    ApiVersion,
    Name,
    Part,
    PositiveDuration,
    Query,
    rule,
    seconds,
)
from aiops.scaling.policy import EVENT_ABOVE_MAX, Load, Mode, ScalingPolicy

GROUP: Final = "aiops.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "PredictiveScaler"
PLURAL: Final = "predictivescalers"
SINGULAR: Final = "predictivescaler"
SHORT_NAMES: Final = ("pscaler",)
CATEGORIES: Final = ("aiops",)
API_VERSION: Final = f"{GROUP}/{VERSION}"
FIELD_MANAGER: Final = "aiops-operator"
FINALIZER: Final = f"{GROUP}/give-back"


class Target(Part):
    """What is scaled: anything with the subresource ``scale``."""

    api_version: ApiVersion = Field("apps/v1", description="API group and version.")
    kind: ApiKind = Field("Deployment", description="Kind, such as Deployment or StatefulSet.")
    name: Name = Field(description="Name, in the namespace of the PredictiveScaler.")


class WrappedHpa(Part):
    """The HorizontalPodAutoscaler whose ``minReplicas`` is raised."""

    name: Name = Field(description="Name, in the namespace of the PredictiveScaler.")


class WatchedLoad(Load):
    """Where demand is read, and how it becomes replicas."""

    query: Query = Field(
        description="PromQL that returns one series: the demand, in the unit of capacityPerReplica.",
    )
    step: PositiveDuration = Field(timedelta(minutes=1), description="Grid on which it is read.")
    history: PositiveDuration = Field(
        timedelta(days=14), description="How much of it a forecast is made from; several steps at the least."
    )


_NEEDS_HPA: Final = "mode Floor raises an HPA's minReplicas: write hpa: {name: ...}, or mode: Direct"
_NO_HPA: Final = "mode Direct goes without an HPA: delete the HPA and remove hpa, or write mode: Floor"
_WINDOW: Final = "forecast.window has to be longer than interval: it covers start-up, interval and one sync of the HPA"
_STALE: Final = "forecast.staleAfter is shorter than load.step, so every forecast would be stale: raise it"
_HISTORY: Final = "load.history has to hold at least two steps: raise it, 14d is a good start"
_OBSERVE: Final = "guard.observe ends before failureLimit checks, one an interval, can be made: raise it"
_TARGET_STAYS: Final = "the target stays what it is: delete this PredictiveScaler and make another one"
_HPA_STAYS: Final = (
    "the HPA stays what it is: its own minReplicas has to go back to it; write mode: Shadow, remove hpa, "
)
_HPA_STAYS_THEN: Final = "then name another one"


class PredictiveScalerSpec(ScalingPolicy):
    """A scaling policy, and what it is about.

    A ``ScalingPolicy`` alone decides (backtests, scenarios); this also says where demand is read and what is scaled.
    """

    model_config = ConfigDict(
        json_schema_extra={
            RULES: [
                rule("self.mode != 'Floor' || has(self.hpa)", _NEEDS_HPA),
                rule("self.mode != 'Direct' || !has(self.hpa)", _NO_HPA),
                rule(f"{seconds('self.forecast.window')} > {seconds('self.interval')}", _WINDOW),
                rule(f"{seconds('self.forecast.staleAfter')} >= {seconds('self.load.step')}", _STALE),
                rule(f"{seconds('self.load.history')} >= 2 * {seconds('self.load.step')}", _HISTORY),
                rule(
                    "!has(self.guard) || "
                    f"{seconds('self.guard.observe')} >= self.guard.failureLimit * {seconds('self.interval')}",
                    _OBSERVE,
                ),
                rule(
                    "!has(self.calendar) || !has(self.calendar.events) || self.calendar.events.all(each, "
                    "!has(each.minReplicas) || each.minReplicas <= self.bounds.maxReplicas)",
                    EVENT_ABOVE_MAX,
                ),
                # The two that pydantic cannot know: it sees no earlier spec.
                rule("self.target == oldSelf.target", _TARGET_STAYS),
                rule(
                    "!has(self.hpa) || !has(oldSelf.hpa) || self.hpa == oldSelf.hpa", f"{_HPA_STAYS}{_HPA_STAYS_THEN}"
                ),
            ]
        }
    )

    load: WatchedLoad = Field(description="Where demand is read, and how it becomes replicas.")
    target: Target = Field(description="What is scaled; anything with the subresource scale.")
    hpa: WrappedHpa | None = Field(
        None, description="The autoscaler that stays in charge above the floor: mode Floor needs it, Direct refuses it."
    )
    interval: PositiveDuration = Field(timedelta(seconds=30), description="Time from one decision to the next.")

    @model_validator(mode="after")
    def _parts_agree(self) -> PredictiveScalerSpec:
        guard = self.guard
        wrong = [
            (self.mode is Mode.FLOOR and self.hpa is None, _NEEDS_HPA),
            (self.mode is Mode.DIRECT and self.hpa is not None, _NO_HPA),
            (self.forecast.window <= self.interval, _WINDOW),
            (self.forecast.stale_after < self.load.step, _STALE),
            (self.load.history < 2 * self.load.step, _HISTORY),
            (guard is not None and guard.observe < guard.failure_limit * self.interval, _OBSERVE),
        ]
        said = [message for is_wrong, message in wrong if is_wrong]
        if said:
            raise ValueError("; ".join(said))
        return self


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)


class Condition(_Shown):
    """One thing that is so, is not so, or is not known."""

    type: str = Field(max_length=316, description="Ready, ScalingActive, ForecastAvailable, GuardHealthy or RoomAhead.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is so.")
    reason: str = Field(max_length=1024, description="Why, in one word.")
    message: str = Field(max_length=32768, description="Why, in a sentence with its numbers.")
    last_transition_time: datetime = Field(description="When status changed.")
    observed_generation: int | None = Field(None, description="Generation of the spec that this is about.")


class LastChange(_Shown):
    """What was changed last; Events of it are gone after an hour."""

    time: datetime | None = Field(None, description="When.")
    from_replicas: int | None = Field(None, alias="from", description="The number before.")
    to: int | None = Field(None, description="The number that was set: minReplicas of the HPA, or replicas.")
    reason: str | None = Field(None, max_length=1024, description="Why, in one word.")
    message: str | None = Field(None, max_length=32768, description="Why, in a sentence with its numbers.")


class Outlook(_Shown):
    """Whether demand will need more replicas than there can be, looked at some times a day."""

    checked_time: datetime | None = Field(None, description="When it was looked at last.")
    observed_generation: int | None = Field(None, description="Generation of the spec that was looked at.")
    max_replicas: int | None = Field(None, description="Lower of bounds.maxReplicas and that of the HPA, at that time.")
    limit: str | None = Field(None, max_length=64, description="What is reached first: MaxReplicas, Quota or Nodes.")
    limited_by: str | None = Field(None, max_length=1024, description="That limit by its name.")
    replicas: int | None = Field(None, description="Most replicas that it lets exist.")
    forecast_time: datetime | None = Field(None, description="When the chances were worked out.")
    chance_within_7_days: float | None = Field(
        None, alias="chanceWithin7Days", description="Of needing more within 7 days; 0.99 is that or more."
    )
    chance_within_28_days: float | None = Field(
        None, alias="chanceWithin28Days", description="Of needing more within 28 days; 0.99 is that or more."
    )
    earliest: datetime | None = Field(None, description="By when more is needed with a chance of 10 %.")
    likely: datetime | None = Field(None, description="By when more is needed with a chance of 50 %.")
    latest: datetime | None = Field(None, description="By when more is needed with a chance of 90 %.")
    unknown: str | None = Field(None, max_length=1024, description="Which limits are not known, and why.")
    trouble: str | None = Field(None, max_length=32768, description="Why the last look brought nothing new.")


class PredictiveScalerStatus(_Shown):
    """What the operator found and decided."""

    observed_generation: int | None = Field(None, description="Generation of the spec that was followed.")
    phase: str | None = Field(
        None,
        max_length=64,
        description="Where the guard stands: Learning, Proving, Active, OnTrial, Degraded, RollingBack, Cooldown, "
        "Locked or Suspended.",
    )
    effective_mode: Mode | None = Field(
        None, description="How far forecasts may go now: Recommend until they are trusted, then spec.mode."
    )
    current_replicas: int | None = Field(None, description="Replicas that the target is asked to run.")
    desired_replicas: int | None = Field(None, description="What was decided.")
    floor_replicas: int | None = Field(None, description="minReplicas of the HPA.")
    demand: float | None = Field(None, description="Newest known demand.")
    peak_demand: float | None = Field(None, description="Highest demand forecast for the window.")
    last_decision_time: datetime | None = Field(None, description="When what was decided, or its reason, changed.")
    outlook: Outlook | None = Field(None, description="Whether demand will need more replicas than there can be.")
    reason: str | None = Field(None, max_length=1024, description="Why, in one word.")
    message: str | None = Field(None, max_length=32768, description="Why, in a sentence with its numbers.")
    last_change: LastChange | None = Field(None, description="What was changed last, when and why.")
    conditions: tuple[Condition, ...] = Field(
        (),
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        description="What is so, what is not.",
    )
    state: dict[str, Any] = Field(
        {},
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        description="What the next decision remembers of this one. Remove it to start afresh; edit nothing in it.",
    )
