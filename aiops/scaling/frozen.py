"""Whether a forecast is stuck: it says the same to the last digit, while demand moves.

Whatever answers in place of a forecaster (a cache, a proxy, a pod that hangs) may go on with its last answer, which is
plausible for hours and wrong every day at the same minute. A forecast that is made of present demand changes with it,
so this needs no threshold but the time after which a forecast is stale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aiops.scaling.capacity import replicas_for
from aiops.scaling.policy import ScalingPolicy
from aiops.series import epoch_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A forecast and how long it has been the same.

    Attributes:
        peak: What it says, in the unit of demand.
        since: When it said so first.
        needed: The replicas that demand needed then; None if it was unknown.
        moved: Whether demand has needed another number since.
    """

    peak: float
    since: datetime
    needed: int | None
    moved: bool = False

    def frozen(self, policy: ScalingPolicy, now: datetime) -> bool:
        """Return whether it counts as none: as old as ``forecast.staleAfter`` allows, and not made of this demand."""
        return self.moved and now - self.since >= policy.forecast.stale_after

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"peak": self.peak, "since": epoch_seconds(self.since), "needed": self.needed, "moved": self.moved}


def repeated(
    before: Repeated | None, peak: float | None, demand: float | None, policy: ScalingPolicy, now: datetime
) -> Repeated | None:
    """Compare a forecast with that of the turn before. One that is missing is compared with nothing.

    Demand moves when it needs another number of replicas: an idle service whose forecast stays the same is not stuck,
    and neither is one that counts a few requests.

    Args:
        before: What the turn before left.
        peak: The forecast as it came, usable or None.
        demand: Newest known demand, usable or None.
        policy: What the owner wrote.
        now: The instant of this turn, UTC.
    """
    if peak is None:
        return None
    needed = None if demand is None else replicas_for(demand, policy.load.per_replica)
    if before is None or peak != before.peak or now < before.since:
        return Repeated(peak=peak, since=now, needed=needed)
    if before.needed is None:
        return before if needed is None else replace(before, needed=needed)
    return before if before.moved or needed in (None, before.needed) else replace(before, moved=True)
