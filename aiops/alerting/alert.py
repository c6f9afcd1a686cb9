"""The Alert: what a person is told, and how it is recognised again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from aiops.errors import DataError
from aiops.series.grid import require_utc


class Status(StrEnum):
    """Whether the cause is still there."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How soon a person has to look: at once, or in working hours."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One cause that a person should know of.

    Attributes:
        status: Firing or resolved.
        severity: Page or ticket.
        starts_at: Since when; kept while the alert is firing.
        ends_at: When it was resolved; None while it is firing.
        labels: Identity, and nothing that changes from one evaluation to the next.
        annotations: What a person reads: summary, observed, expected, why, since, model, runbook.
        scope: Labels of what it concerns, such as a service; alerts of one scope that begin together are one incident.
        score: Of the oddest point, in [0, 1]; 0 where nothing was scored.
        fingerprint: 16 hex digits that depend on the labels alone: same cause, same fingerprint.

    Raises:
        DataError: If it is resolved without an end, or has no labels.
    """

    status: Status
    severity: Severity
    starts_at: datetime
    ends_at: datetime | None = None
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    scope: Mapping[str, str] = field(default_factory=dict)
    score: float = 0.0
    fingerprint: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_utc(self.starts_at, "starts_at")
        if (self.status is Status.RESOLVED) != (self.ends_at is not None):
            raise DataError("ends_at belongs to a resolved alert, and only to one")
        if not self.labels:
            raise DataError("an alert needs labels: they are its identity")
        # Looked up in every turn, of ten thousand alerts in a storm.
        object.__setattr__(self, "fingerprint", fingerprint(self.labels))


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the fingerprint of an alert with these labels."""
    identity = json.dumps(sorted(labels.items()), ensure_ascii=False)
    return hashlib.sha256(identity.encode()).hexdigest()[:16]
