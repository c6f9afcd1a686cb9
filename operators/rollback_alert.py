"""The alert that a change was taken back: sent at every turn of the cool-down or the lock, resolved when it is over.

It is made from the state alone, so a process that takes over goes on with it. If none does, Alertmanager resolves it by
itself when it is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog

from aiops.adapters.kubernetes_scalers import Scaler
from aiops.alerting.alert import Alert, Severity, Status
from aiops.errors import UpstreamError
from aiops.ports import AlertSink
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.usecases.reachable import Reachable
from aiops.usecases.scale import Scaled

ALERT_NAME: Final = "PredictiveScalerRolledBack"
RUNBOOK: Final = "docs/how-to/scale-ahead.md#a-change-was-rolled-back"
"""Where in this source people read what to do; a pager wants an address that it can open instead."""

_log = structlog.get_logger()


class RollbackAlerts:
    """Sends them.

    Args:
        sink: Where to.
        runbook: Where people read what to do: the annotation ``runbook``.
    """

    def __init__(self, sink: AlertSink, runbook: str = RUNBOOK) -> None:
        self._sink = sink
        self._runbook = runbook
        self._reachable = Reachable("alertmanager")
        self._firing: dict[str, datetime] = {}

    async def tell(self, scaler: Scaler, spec: PredictiveScalerSpec, scaled: Scaled) -> None:
        """Send the alert while a cool-down runs or the guard is locked, and its end once when it is over."""
        state = scaled.state
        if not state.holds or state.rolled_back_at is None:
            await self.end(scaler, scaled.at)
            return
        self._firing[scaler.uid] = state.rolled_back_at
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
        await self._send(_alert(scaler, state.rolled_back_at, None, annotations), scaled.at)

    async def end(self, scaler: Scaler, now: datetime) -> None:
        """Send the end of the alert, if it was firing."""
        since = self._firing.get(scaler.uid)
        if since is not None and await self._send(_alert(scaler, since, now, {}), now):
            del self._firing[scaler.uid]

    async def _send(self, alert: Alert, now: datetime) -> bool:
        try:
            await self._sink.send([alert])
        except UpstreamError as error:
            self._reachable.failed(now, str(error))
            return False
        self._reachable.answered(now)
        return True


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
