"""How many incidents a week people are told of: a number that is kept, whatever the scores say."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from aiops.alerting.rules import AlertRule
from aiops.detection.onset import decades_owed

_WEEK: Final = timedelta(days=7)

Scope = tuple[tuple[str, str], ...]
"""Sorted (label, value) pairs of what a budget is about, such as a service."""


class Budget:
    """Counts the incidents that people were told of, by scope.

    At most ``alerts_a_week`` are told within any week, in whole incidents; of less than one, one within as many weeks
    as that takes. What goes beyond is told only if its oddest point is rare enough: ten times as rare as a page asks
    for, for each incident that is owed, and ten times more for each halving of a budget below one a week, as for the
    onsets of one series (``detection.onset``). So a service with trouble every hour becomes quiet, and an incident
    without like is still told.
    """

    def __init__(self) -> None:
        self._told: dict[Scope, deque[datetime]] = {}

    def allows(self, scope: Scope, rule: AlertRule, score: float, now: datetime, noise: int = 0) -> bool:
        """Return whether people are to be told of an incident whose oddest point has this score.

        Args:
            scope: What it concerns.
            rule: With the budget.
            score: Of its oddest point.
            now: The present.
            noise: How many times ten times as rare it has to be because people called the like of it noise.
        """
        owed = max(self._within(scope, rule, now) - _allowed(rule) + 1, 0)
        decades = owed * decades_owed(rule.alerts_a_week) + noise
        return decades <= 0 or 1.0 - score <= (1.0 - rule.page_score) * 10.0**-decades

    def spend(self, scope: Scope, at: datetime) -> None:
        """Note that people were told, at instants that do not go back."""
        self._told.setdefault(scope, deque()).append(at)

    def used(self, rules: Mapping[Scope, AlertRule], now: datetime) -> dict[Scope, float]:
        """Return which share of its budget each scope has used up; those that have used nothing are left out.

        Args:
            rules: The rule that each scope was last judged by; scopes that are not there are forgotten.
            now: The present.
        """
        found = {}
        for scope in list(self._told):
            rule = rules.get(scope)
            if rule is None or not (count := self._within(scope, rule, now)):
                del self._told[scope]
            else:
                found[scope] = count / _allowed(rule)
        return found

    def _within(self, scope: Scope, rule: AlertRule, now: datetime) -> int:
        told = self._told.get(scope)
        if told is None:
            return 0
        period = max(_WEEK, _WEEK / rule.alerts_a_week)
        while told and now - told[0] >= period:
            told.popleft()
        return len(told)


def _allowed(rule: AlertRule) -> int:
    return max(int(rule.alerts_a_week), 1)
