"""What a person reads when the metrics of a service do not go together: which, how far off, and which way."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aiops.alerting.alert import Alert, Status
from aiops.alerting.quantity import odds
from aiops.series import SeriesKey

_NAMED = 4
_LEAST = 0.05  # share of a metric that is worth a word
_OURS = ("observed", "sparkline")  # how odd a service is, is no number for people


def told(
    alert: Alert, service: SeriesKey, method: str, metrics: Sequence[tuple[SeriesKey, float, float]]
) -> dict[str, str]:
    """Return the annotations of an alert about a whole service.

    Args:
        alert: As it is told of any series.
        service: Its key has the labels of the service.
        method: By which its metrics are judged together.
        metrics: Metric, by how many usual distances it is above what was expected, and its share in what is odd; none
            when the alert has ended.
    """
    said = {name: text for name, text in alert.annotations.items() if name not in _OURS}
    whose = ", ".join(value for _, value in service.labels)
    if alert.status is not Status.FIRING:
        return said | {"summary": f"{whose}: its metrics go together again"}
    ordered = sorted((each for each in metrics if each[2] >= _LEAST), key=lambda each: -each[2])[:_NAMED]
    parts = "; ".join(f"{_name(key, service)} {_off(residual)} ({share:.0%})" for key, residual, share in ordered)
    return said | {
        "summary": f"{whose}: its metrics do not go together as they usually do: {parts}",
        "why": f"{parts}; shares are of what each adds beside the others: {odds(alert.score)} (detector {method})",
    }


def _name(key: SeriesKey, service: SeriesKey) -> str:
    """Return what tells a metric from the others of its service."""
    own = [value for label, value in key.labels if label not in dict(service.labels)]
    return " ".join([key.name, *own] if key.name else own) or key.series_id


def _off(residual: float) -> str:
    if math.isnan(residual):
        return "missing"
    side = "above" if residual > 0 else "below"
    return f"{abs(residual):.1f} usual distances {side} expected"
