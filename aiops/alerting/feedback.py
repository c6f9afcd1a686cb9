"""What people said of incidents, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aiops.alerting.alert import Alert
from aiops.alerting.budget import Scope

_MOST_NOISE: Final = 3
_HALF_LIFE: Final = timedelta(days=1)


class Verdict(StrEnum):
    """What an incident was to those who were told of it."""

    USEFUL = "useful"
    NOISE = "noise"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One verdict.

    Attributes:
        name: ``alertname`` of the incident.
        scope: What it concerned.
        verdict: What it was.
        at: When that was said.
        until: How long it holds; of ``useful`` it says nothing.
    """

    name: str
    scope: Scope
    verdict: Verdict
    at: datetime
    until: datetime


class Opinions:
    """All feedback that was given.

    ``noise`` asks for a point ten times as rare, for as long as it holds, up to a thousand times; ``useful`` takes back
    the noise that was said before it; while ``expected`` holds, nothing of that scope is told.

    Args:
        given: In the order in which it was given.
    """

    def __init__(self, given: Iterable[Feedback] = ()) -> None:
        self._of: dict[tuple[str, Scope], list[Feedback]] = {}
        for each in given:
            own = self._of.setdefault((each.name, each.scope), [])
            if each.verdict is Verdict.USEFUL:
                own.clear()
            else:
                own.append(each)

    def noise(self, name: str, scope: Scope, now: datetime) -> int:
        """Return how many times ten times as rare a point of this scope has to be."""
        return min(sum(each.verdict is Verdict.NOISE for each in self._holding(name, scope, now)), _MOST_NOISE)

    def expected(self, name: str, scope: Scope, now: datetime) -> bool:
        """Return whether trouble is expected there now."""
        return any(each.verdict is Verdict.EXPECTED for each in self._holding(name, scope, now))

    def _holding(self, name: str, scope: Scope, now: datetime) -> list[Feedback]:
        return [each for each in self._of.get((name, scope), ()) if each.at <= now < each.until]


def top(told: Sequence[Alert], now: datetime) -> list[tuple[float, Alert]]:
    """Return incidents by what is left of their oddity: decades of rarity, halved each day since they began."""
    weighed = [
        (-math.log10(max(1.0 - each.score, 1e-9)) * 0.5 ** ((now - each.starts_at) / _HALF_LIFE), each) for each in told
    ]
    return sorted(weighed, key=lambda item: -item[0])
