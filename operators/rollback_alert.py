"""The alert that a change was taken back: fires while the cool-down or the lock lasts."""

from __future__ import annotations

from typing import Final

from aiops.adapters.kubernetes_scalers import Scaler
from aiops.alerting.alert import Alert, Severity, Status
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.usecases.scale import Scaled

NAME: Final = "PredictiveScalerRolledBack"
RUNBOOK: Final = "docs/how-to/scale-ahead.md#a-change-was-rolled-back"
"""Where in this source people read what to do; a pager wants an address that it can open instead."""


def alert(scaler: Scaler, spec: PredictiveScalerSpec, scaled: Scaled, runbook: str) -> Alert | None:
    """Return the alert; None if nothing was taken back, or that is over."""
    state = scaled.state
    if not state.holds or state.rolled_back_at is None:
        return None
    return Alert(
        status=Status.FIRING,
        severity=Severity.TICKET,
        starts_at=state.rolled_back_at,
        labels={
            "alertname": NAME,
            "severity": str(Severity.TICKET),
            "namespace": scaler.namespace,
            "predictivescaler": scaler.name,
        },
        annotations={
            "summary": f"A change of {spec.target.kind} {spec.target.name} was taken back because it did harm.",
            "why": "" if scaled.decision.guard is None else scaled.decision.guard.message,
            "since": state.rolled_back_at.isoformat(),
            "until": "a person unlocks" if state.hold_until is None else state.hold_until.isoformat(),
            "observed": ", ".join(f"{name}: {value}" for name, value in sorted(scaled.readings.items())),
            "expected": ", ".join(
                f"{slo.name}: at most {slo.threshold}" for slo in (spec.guard.slos if spec.guard else ())
            ),
            "model": "none" if scaled.peak is None else scaled.peak.model,
            "runbook": runbook,
        },
    )
