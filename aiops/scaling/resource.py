"""The custom resource PredictiveScaler: its names, and its whole ``spec``."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import Field, model_validator

from aiops.scaling.policy import Duration, Load, Mode, Part, ScalingPolicy

GROUP: Final = "aiops.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "PredictiveScaler"
PLURAL: Final = "predictivescalers"
SINGULAR: Final = "predictivescaler"
SHORT_NAMES: Final = ("pscaler",)
API_VERSION: Final = f"{GROUP}/{VERSION}"
FIELD_MANAGER: Final = "aiops-operator"
FINALIZER: Final = f"{GROUP}/give-back"


class Target(Part):
    """What is scaled: anything with the subresource ``scale``."""

    api_version: str = Field("apps/v1", min_length=1, max_length=253, description="API group and version.")
    kind: str = Field("Deployment", min_length=1, max_length=63, description="Kind, such as Deployment.")
    name: str = Field(min_length=1, max_length=253, description="Name, in the namespace of the PredictiveScaler.")


class WrappedHpa(Part):
    """The HorizontalPodAutoscaler whose ``minReplicas`` is raised."""

    name: str = Field(min_length=1, max_length=253, description="Name, in the namespace of the PredictiveScaler.")


class WatchedLoad(Load):
    """Where demand is read, and how it becomes replicas."""

    query: str = Field(
        min_length=1,
        max_length=4096,
        description="PromQL that returns one series: the demand, in the unit of capacityPerReplica.",
    )
    step: Duration = Field(timedelta(minutes=1), description="Grid on which it is read.")
    history: Duration = Field(timedelta(days=14), description="How much of it a forecast is made from.")


class PredictiveScalerSpec(ScalingPolicy):
    """A scaling policy, and what it is about.

    A ``ScalingPolicy`` alone decides (backtests, scenarios); this also says where demand is read and what is scaled.
    """

    load: WatchedLoad = Field(description="Where demand is read, and how it becomes replicas.")
    target: Target = Field(description="What is scaled.")
    hpa: WrappedHpa | None = Field(
        None, description="The autoscaler that stays in charge above the floor: mode Floor needs it, Direct refuses it."
    )
    interval: Duration = Field(timedelta(seconds=30), description="Time from one decision to the next.")

    @model_validator(mode="after")
    def _mode_and_hpa(self) -> PredictiveScalerSpec:
        if self.mode is Mode.FLOOR and self.hpa is None:
            raise ValueError("mode Floor raises an HPA's minReplicas: write hpa: {name: ...}")
        if self.mode is Mode.DIRECT and self.hpa is not None:
            raise ValueError("mode Direct goes without an HPA: delete the HPA and remove hpa, or write mode: Floor")
        return self
