"""How fast replicas come and go: the ``behavior`` of a policy, as that of the HPA."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import Field

from aiops.documents.fields import Duration, Part

NO_LIMIT: Final = 1000  # and not null, which some ways of applying a resource drop and others keep


class Step(Part):
    """How much one decision may change: the larger of a number and a share of the present replicas."""

    max_step_replicas: int = Field(1, ge=1, description="Replicas that one decision may always change.")
    max_step_ratio: float = Field(
        1.0, ge=0, le=NO_LIMIT, description="Share of the present replicas that one decision may change."
    )

    def limit(self, current: int) -> int:
        """Return the largest change from ``current``."""
        return max(self.max_step_replicas, int(current * self.max_step_ratio))


class ScaleUp(Step):
    """How fast to grow. The default is the HPA's: 4 replicas or 100 %, whichever is more."""

    max_step_replicas: int = Field(4, ge=1, description="Replicas that one decision may always add.")
    max_step_ratio: float = Field(
        1.0,
        ge=0,
        le=NO_LIMIT,
        description=f"Share of the present replicas that one decision may add. {NO_LIMIT}: as many as are needed.",
    )


class ScaleDown(Step):
    """How fast to shrink, and how long to wait before."""

    max_step_replicas: int = Field(1, ge=1, description="Replicas that one decision may always remove.")
    max_step_ratio: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of the present replicas that one decision may remove. 1: as many as are not needed.",
    )
    stabilization_window: Duration = Field(
        timedelta(minutes=5),
        description="Shrink to the most that any decision of this long has asked for. 0s: at once.",
    )
    look_ahead: Duration = Field(
        timedelta(minutes=15),
        description="Keep what the highest demand within this long needs, at the same level. 0s, or not longer than "
        "forecast.window: look no further than the window.",
    )
    pause: Duration = Field(
        timedelta(),
        description="How long a step down is observed before the next one. With a guard it is guard.observe at the "
        "least. 0s: the next one may follow at once.",
    )
    tolerance: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the present replicas that must not be needed before any of them go. 0: every single one.",
    )


class Behavior(Part):
    """Pace, as in the HPA's ``behavior``."""

    scale_up: ScaleUp = Field(ScaleUp(), description="How fast to grow.")
    scale_down: ScaleDown = Field(ScaleDown(), description="How fast to shrink.")
