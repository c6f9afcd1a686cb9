"""The alert that demand will soon need more replicas than there can be: a ticket, and never a page."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from aiops.adapters.kubernetes_scalers import Scaler
from aiops.alerting.alert import Alert, Severity, Status
from aiops.scaling.resource import PredictiveScalerSpec
from operators.conditions import Kind, Truth
from operators.status import condition

NAME: Final = "PredictiveScalerOutOfRoom"
SECTION: Final = "more-is-needed-than-there-can-be"
"""Of the page that the runbook of the other alert is on."""


def alert(scaler: Scaler, spec: PredictiveScalerSpec, runbook: str) -> Alert | None:
    """Return the alert; None if there is room enough, or nobody knows."""
    found = condition(scaler.status, Kind.ROOM_AHEAD)
    if found.get("status") != Truth.FALSE:
        return None
    since, outlook = str(found["lastTransitionTime"]), scaler.status.get("outlook") or {}
    return Alert(
        status=Status.FIRING,
        severity=Severity.TICKET,
        starts_at=datetime.fromisoformat(since),
        labels={
            "alertname": NAME,
            "severity": str(Severity.TICKET),
            "namespace": scaler.namespace,
            "predictivescaler": scaler.name,
        },
        annotations={
            "summary": f"{spec.target.kind} {spec.target.name} will soon need more replicas than it can have: "
            f"{outlook.get('replicas')} ({outlook.get('limitedBy')}).",
            "why": str(found["message"]),
            "since": since,
            "expected": str(outlook.get("likely", "")),
            "runbook": f"{runbook.partition('#')[0]}#{SECTION}",
        },
    )
