"""What the operator says of itself as metrics: with them Prometheus is the record from which a day can be replayed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from aiops import telemetry
from aiops.forecasting.fleet.exhaustion import WINDOWS
from aiops.scaling.policy import Mode
from aiops.scaling.reason import Reason
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.scaling.state import Phase
from aiops.usecases.scale import Scaled

if TYPE_CHECKING:
    from operators.outlook import Outlook

Key = tuple[str, str]

_TURN_SECONDS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
_GAUGES = (
    telemetry.SCALER_DEMAND,
    telemetry.SCALER_PEAK_DEMAND,
    telemetry.SCALER_DESIRED,
    telemetry.SCALER_CURRENT,
    telemetry.SCALER_FLOOR,
    telemetry.SCALER_READY,
    telemetry.SCALER_FORECAST_AGE,
    telemetry.SCALER_LOSS_RATIO,
)


class Record:
    """Sets the metrics. What is not known has no value, rather than an old one; a forecast that is gone grows older."""

    def __init__(self) -> None:
        self._forecast_known: dict[Key, datetime] = {}

    def turn(self, key: Key, spec: PredictiveScalerSpec, scaled: Scaled, now: datetime) -> None:
        """Note a turn that came to a decision."""
        replicas, decision, peak = scaled.replicas, scaled.decision, scaled.peak
        mode = scaled.state.effective_mode or spec.mode
        if peak is not None:
            self._forecast_known[key] = peak.cutoff + spec.load.step
        known = self._forecast_known.get(key)
        age = None if known is None else (now - known).total_seconds()
        floor = None if spec.hpa is None else decision.desired if scaled.changes else replicas.current
        values = (
            scaled.demand,
            None if peak is None else peak.value,
            decision.desired,
            replicas.asked,
            floor,
            replicas.ready,
            age,
            None if scaled.state.skill.judged is None else scaled.state.skill.losses[1].ratio,
        )
        for name, value in zip(_GAUGES, values, strict=True):
            _set(name, key, value)
        for each in Mode:
            telemetry.gauge(telemetry.SCALER_MODE).labels(*key, str(each)).set(float(each is mode))
        phase = scaled.state.phase
        for stands in Phase:
            telemetry.gauge(telemetry.SCALER_PHASE).labels(*key, str(stands)).set(float(stands is phase))
        rollbacks = telemetry.counter(telemetry.SCALER_ROLLBACKS).labels(*key)  # there from the first turn on, at 0
        if decision.reason is Reason.ROLLED_BACK:
            rollbacks.inc()
        telemetry.counter(telemetry.DECISIONS).labels(str(mode), str(decision.reason)).inc()

    def outlook(self, key: Key, found: Outlook | None) -> None:
        """Note what is known of the weeks ahead."""
        made = None if found is None or found.made is None else found
        _set(telemetry.SCALER_ROOM, key, None if made is None else made.replicas)
        for window, chance in zip(WINDOWS, made.chances if made is not None else (None, None), strict=True):
            _set(telemetry.SCALER_SHORTAGE, (*key, f"{window.days}d"), chance)

    def unready(self, key: Key, reason: str) -> None:
        """Note a turn that could not decide because the spec cannot be followed."""
        for name in _GAUGES:
            _set(name, key, None)
        telemetry.counter(telemetry.RECONCILE_ERRORS).labels(reason).inc()

    def failed(self, error: Exception) -> None:
        """Note a turn that ended in an error."""
        telemetry.counter(telemetry.RECONCILE_ERRORS).labels(type(error).__name__).inc()

    def took(self, seconds: float) -> None:
        """Note how long a turn took."""
        telemetry.histogram(telemetry.RECONCILE_SECONDS, _TURN_SECONDS).observe(seconds)

    def forget(self, key: Key) -> None:
        """Take back what was said of a PredictiveScaler that is gone."""
        self._forecast_known.pop(key, None)
        self.outlook(key, None)
        for name in _GAUGES:
            _set(name, key, None)
        for each in Mode:
            _remove(telemetry.SCALER_MODE, (*key, str(each)))
        for stands in Phase:
            _remove(telemetry.SCALER_PHASE, (*key, str(stands)))

    def leading(self, leads: bool) -> None:
        """Note whether this process holds the lease."""
        telemetry.gauge(telemetry.LEADER).set(float(leads))

    def asked_kubernetes(self, verb: str, code: str) -> None:
        """Note a request to the Kubernetes API."""
        telemetry.counter(telemetry.KUBERNETES_REQUESTS).labels(verb, code).inc()
        telemetry.gauge(telemetry.UPSTREAM_UP).labels("kubernetes").set(float(code != "none"))


def _set(name: str, labels: tuple[str, ...], value: float | None) -> None:
    if value is None:
        _remove(name, labels)
    else:
        telemetry.gauge(name).labels(*labels).set(value)


def _remove(name: str, labels: tuple[str, ...]) -> None:
    telemetry.gauge(name).remove(*labels)
