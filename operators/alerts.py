"""The alerts of PredictiveScalers: put while what they speak of lasts, and ended once when it is over.

They are made from the state and the status alone, so a process that takes over goes on with them. If none does,
Alertmanager resolves them by itself when they are not repeated.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from aiops.adapters.kubernetes_scalers import Scaler
from aiops.alerting.alert import Alert, Status
from aiops.ports import AlertOutbox
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.scaling.state import ScalingState
from aiops.usecases.scale import Scaled
from operators import rollback_alert, room_alert
from operators.rollback_alert import RUNBOOK

Key = tuple[str, str]


class Alerts:
    """Puts them where they are delivered from, whenever there is something new to say.

    Args:
        outbox: Brings them to every replica of Alertmanager, and again before they expire.
        runbook: Where people read what to do: the annotation ``runbook``.
    """

    def __init__(self, outbox: AlertOutbox, runbook: str = RUNBOOK) -> None:
        self._outbox = outbox
        self._runbook = runbook
        self._firing: dict[tuple[Key, str], Alert] = {}

    def tell(self, scaler: Scaler, spec: PredictiveScalerSpec, scaled: Scaled) -> None:
        """Put what there is to say after a turn.

        Args:
            scaler: With the status that the turn has left.
            spec: That was followed.
            scaled: What the turn came to.
        """
        taken_back = rollback_alert.alert(scaler, spec, scaled, self._runbook)
        self._put(scaler.key, rollback_alert.NAME, taken_back, scaled.at)
        self._put(scaler.key, room_alert.NAME, room_alert.alert(scaler, spec, self._runbook), scaled.at)

    def undecided(self, key: Key, state: ScalingState, now: datetime) -> None:
        """Put the end of what time alone has ended, after a turn that came to no decision."""
        if state.lock is None and (state.hold_until is None or state.hold_until <= now):
            self._put(key, rollback_alert.NAME, None, now)

    def end(self, key: Key, now: datetime) -> None:
        """Put the end of all that fires for a PredictiveScaler that is gone."""
        for name in (rollback_alert.NAME, room_alert.NAME):
            self._put(key, name, None, now)

    def _put(self, key: Key, name: str, alert: Alert | None, now: datetime) -> None:
        before = self._firing.get((key, name))
        if alert is not None:
            self._firing[key, name] = alert
            if alert != before:
                self._outbox.put([alert])
        elif before is not None:
            del self._firing[key, name]
            self._outbox.put([replace(before, status=Status.RESOLVED, ends_at=now)])
