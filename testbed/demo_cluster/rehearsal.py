"""How time runs in the demo: the story's clock, and everything that is scaled with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiops.adapters.clock import RehearsalClock
from aiops.series.duration import duration_text

STEP = timedelta(seconds=15)
"""How often the load is published, pods are counted, and the HPA looks, in the story."""
START_UP = timedelta(minutes=2)
STABILIZATION = timedelta(minutes=5)
INTERVAL = timedelta(seconds=30)
LEAD = timedelta(minutes=20)
"""Played before the scored time, so that nobody starts cold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A stretch of the past, played again at many times its speed.

    Attributes:
        start: What the story's clock reads at ``anchor``.
        anchor: The real instant at which the story begins.
        speed: How many times as fast as real time it runs.
    """

    start: datetime
    anchor: datetime
    speed: float

    @property
    def clock(self) -> RehearsalClock:
        """Return the story's clock."""
        return RehearsalClock(self.start, self.anchor, self.speed)

    def real(self, length: timedelta) -> timedelta:
        """Return how long a length of the story takes."""
        return length / self.speed

    @property
    def environment(self) -> dict[str, str]:
        """Return what has our programs go by the story's clock."""
        return {
            "AIOPS_CLOCK__START": self.start.isoformat(),
            "AIOPS_CLOCK__ANCHOR": self.anchor.isoformat(),
            "AIOPS_CLOCK__SPEED": f"{self.speed:g}",
        }


def soon(start: datetime, speed: float, after: timedelta) -> Rehearsal:
    """Return a rehearsal that begins in a moment."""
    return Rehearsal(start=start, anchor=datetime.now(UTC) + after, speed=speed)


def scaled(speed: float) -> list[tuple[str, str, str]]:
    """Return every length of time that is not what it is in a cluster: what, in the story, here."""
    lengths = (
        ("the two hours", timedelta(hours=2)),
        ("pod start-up (kwok)", START_UP),
        ("sync of the HPA controller", STEP),
        ("its downscale stabilization", STABILIZATION),
        ("load published, pods counted", STEP),
        ("decisions of a PredictiveScaler", INTERVAL),
    )
    return [(what, duration_text(length), f"{(length / speed).total_seconds():g} s") for what, length in lengths]
