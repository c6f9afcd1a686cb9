"""The alert that a change was taken back: fires while the cool-down or the lock lasts, resolved when it is over.

It is made from the state alone, so a process that takes over goes on with it. If none does, Alertmanager resolves it by
itself when it is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from aiops.adapters.kubernetes_scalers import Scaler
from aiops.alerting.alert import Alert, Severity, Status
from aiops.ports import AlertOutbox
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.usecases.scale import Scaled

ALERT_NAME: Final = "PredictiveScalerRolledBack"
RUNBOOK: Final = "docs/how-to/scale-ahead.md#a-change-was-rolled-back"
"""Where in this source people read what to do; a pager wants an address that it can open instead."""


class RollbackAlerts:
    """Puts them where they are delivered from, whenever there is something new to say.

    Args:
        outbox: Brings them to every replica of Alertmanager, and again before they expire.
        runbook: Where people read what to do: the annotation ``runbook``.
    """

    def __init__(self, outbox: AlertOutbox, runbook: str = RUNBOOK) -> None:
        self._outbox = outbox
        self._runbook = runbook
        self._firing: dict[str, Alert] = {}

    def tell(self, scaler: Scaler, spec: PredictiveScalerSpec, scaled: Scaled) -> None:
        """Put the alert while a cool-down runs or the guard is locked, and its end once when it is over."""
        state = scaled.state
        if not state.holds or state.rolled_back_at is None:
            self.end(scaler, scaled.at)
            return
        said = "" if scaled.decision.guard is None else scaled.decision.guard.message
        annotations = {
            "summary": f"A change of {spec.target.kind} {spec.target.name} was taken back because it did harm.",
            "why": said,
            "since": state.rolled_back_at.isoformat(),
            "until": "a person unlocks" if state.hold_until is None else state.hold_until.isoformat(),
            "observed": ", ".join(f"{name}: {value}" for name, value in sorted(scaled.readings.items())),
            "expected": ", ".join(
                f"{slo.name}: at most {slo.threshold}" for slo in (spec.guard.slos if spec.guard else ())
            ),
            "model": "none" if scaled.peak is None else scaled.peak.model,
            "runbook": self._runbook,
        }
        alert = _alert(scaler, state.rolled_back_at, None, annotations)
        if self._firing.get(scaler.uid) != alert:
            self._firing[scaler.uid] = alert
            self._outbox.put([alert])

    def end(self, scaler: Scaler, now: datetime) -> None:
        """Put the end of the alert, if it was firing."""
        firing = self._firing.pop(scaler.uid, None)
        if firing is not None:
            self._outbox.put([_alert(scaler, firing.starts_at, now, firing.annotations)])


def _alert(scaler: Scaler, since: datetime, until: datetime | None, annotations: Mapping[str, str]) -> Alert:
    return Alert(
        status=Status.FIRING if until is None else Status.RESOLVED,
        severity=Severity.TICKET,
        starts_at=since,
        ends_at=until,
        labels={
            "alertname": ALERT_NAME,
            "severity": str(Severity.TICKET),
            "namespace": scaler.namespace,
            "predictivescaler": scaler.name,
        },
        annotations=annotations,
    )
