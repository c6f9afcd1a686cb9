"""What the calendar says for one turn, and what follows from it for the decision."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from aiops.scaling.calendar import Calendar, Forbids
from aiops.scaling.decide import ScalingDecision
from aiops.scaling.plausible import SAME_HOURS, Record
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.series import from_epoch

_MOMENT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """What is on in the window that a decision covers.

    Attributes:
        events: Names of the events that act, their ramps included.
        expected: Demand that they make the decision plan for, at the least; None for none.
        min_replicas: Fewest replicas; 0 for no such bound.
        blackouts: Names of the blackouts now.
        forbids: What they forbid; None for nothing.
    """

    events: tuple[str, ...] = ()
    expected: float | None = None
    min_replicas: int = 0
    blackouts: tuple[str, ...] = ()
    forbids: Forbids | None = None

    def demand(self, peak: float | None, doubt: Reason | None) -> tuple[float | None, Reason | None]:
        """Return the demand to plan for, and why it is not what was forecast; see ``Belief``."""
        if self.expected is None or (peak is not None and peak >= self.expected):
            return peak, doubt
        return self.expected, Reason.CALENDAR_EVENT

    def keep(self, keep: Reason | None) -> Reason | None:
        """Return why nothing may be taken away: what the guard says, else a blackout; None if it may."""
        return keep or (None if self.forbids is None else Reason.BLACKOUT)

    def applied(self, decision: ScalingDecision, policy: ScalingPolicy) -> ScalingDecision:
        """Return the decision with what the calendar forbids, and with the names of what is on."""
        if not self.events and not self.blackouts:
            return decision
        said = [*(f"event {name}" for name in self.events), *(f"blackout {name}" for name in self.blackouts)]
        decision = replace(decision, note=", ".join(said))
        if self.forbids is Forbids.ANY_CHANGE and decision.desired != decision.current:
            return _limited(decision, decision.current, Reason.BLACKOUT)
        by_event = decision.reason is Reason.TOO_FEW_REPLICAS and decision.desired > policy.bounds.min_replicas
        if by_event and decision.desired <= self.min_replicas:
            return _limited(decision, decision.desired, Reason.CALENDAR_EVENT)
        return decision


NOTHING: Final = Agenda()


def agenda(calendar: Calendar | None, record: Record, window: timedelta, now: datetime) -> Agenda:
    """Return what is on.

    A replica that is asked for now serves when the window is over, so an event acts one window before its ramp begins.
    A blackout is about this moment.

    Args:
        calendar: The owner's; None for none.
        record: What demand was, hour by hour.
        window: What one decision covers.
        now: The instant of this turn, UTC.
    """
    if calendar is None:
        return NOTHING
    zone = calendar.zone
    acting = [(event, event.strength(zone, now, now + window)) for event in calendar.events]
    acting = [(event, strength) for event, strength in acting if strength > 0.0]
    factor = max((1.0 + strength * ((event.multiplier or 1.0) - 1.0) for event, strength in acting), default=1.0)
    usual = _usual(calendar, record) if factor > 1.0 else None
    blackouts = [each for each in calendar.blackouts if any(each.occurrences(zone, now, now + _MOMENT))]
    forbidden = {each.forbids for each in blackouts}
    return Agenda(
        events=tuple(event.name for event, _ in acting),
        expected=None if usual is None else factor * usual,
        min_replicas=max((math.ceil(strength * (event.min_replicas or 0)) for event, strength in acting), default=0),
        blackouts=tuple(each.name for each in blackouts),
        forbids=max(forbidden, key=list(Forbids).index, default=None),
    )


def _usual(calendar: Calendar, record: Record) -> float | None:
    """Return the highest demand around this hour of the last three days, outside of events.

    Where all of those had an event, it is not new to the forecaster, and nothing is added. A workload that has not been
    there for a day has no such hours: then all hours outside of events count.
    """
    seen = dict(zip(range(record.hour, record.hour - len(record.highest), -1), reversed(record.highest), strict=True))
    known = {hour: demand for hour, demand in seen.items() if demand is not None}
    same = [record.hour - back for back in SAME_HOURS if record.hour - back in known]
    quiet = [
        known[hour]
        for hour in same or known
        if not calendar.eventful(from_epoch(hour * 3600), from_epoch((hour + 1) * 3600))
    ]
    return max(quiet, default=None)


def _limited(decision: ScalingDecision, desired: int, reason: Reason) -> ScalingDecision:
    return replace(
        decision,
        desired=desired,
        reason=reason,
        limits=(*decision.limits, reason),
        numbers=(*decision.numbers, desired),
    )
