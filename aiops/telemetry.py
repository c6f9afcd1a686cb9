"""Our own logs and metrics: how logs look and which libraries stay quiet, and every metric by name.

A metric is made at its first use, in the default registry of prometheus-client, which takes long to import:
``gauge(WATCHED_SERIES).set(3)``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

_CHATTY = ("cmdstanpy", "prophet", "prophet.plot", "urllib3", "httpx", "httpcore", "stamina", "alembic")


def configure(level: str = "WARNING") -> None:
    """Send logs to stderr, pretty on a terminal and JSON elsewhere; quieten libraries below errors.

    Args:
        level: Name of the lowest level that is shown.
    """
    import structlog

    pretty = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)


# What both programs say.
UPSTREAM_UP: Final = "aiops_upstream_up"
# What the server says of the calls that it gets.
REQUESTS: Final = "aiops_requests_total"
REQUEST_SECONDS: Final = "aiops_request_seconds"
REQUESTS_SHED: Final = "aiops_requests_shed_total"
# What the live service says.
WATCHED_SERIES: Final = "aiops_watched_series"
WATCH_AGE: Final = "aiops_watch_age_seconds"
WATCH_ERRORS: Final = "aiops_watch_errors_total"
BUNDLE_INFO: Final = "aiops_bundle_info"
BUNDLE_CUTOFF: Final = "aiops_bundle_cutoff_timestamp_seconds"
BUNDLE_END: Final = "aiops_bundle_end_timestamp_seconds"
BUNDLE_REFUSED: Final = "aiops_bundle_refused_total"
ALERTMANAGER_UP: Final = "aiops_alertmanager_up"
INCIDENTS: Final = "aiops_incidents_total"
INCIDENT_SERIES: Final = "aiops_incident_series"
ALERT_BUDGET: Final = "aiops_alert_budget_per_week"
ALERT_BUDGET_USED: Final = "aiops_alert_budget_used_ratio"
OUTBOX_ALERTS: Final = "aiops_outbox_alerts"
OUTBOX_OLDEST: Final = "aiops_outbox_oldest_seconds"
ALERTS_SENT: Final = "aiops_alerts_sent_total"
ALERTS_FAILED: Final = "aiops_alerts_failed_total"
# What the operator says; namespace and name are those of the PredictiveScaler.
SCALER_DEMAND: Final = "aiops_scaler_demand"
SCALER_PEAK_DEMAND: Final = "aiops_scaler_peak_demand"
SCALER_DESIRED: Final = "aiops_scaler_desired_replicas"
SCALER_CURRENT: Final = "aiops_scaler_current_replicas"
SCALER_FLOOR: Final = "aiops_scaler_floor_replicas"
SCALER_READY: Final = "aiops_scaler_ready_replicas"
SCALER_MODE: Final = "aiops_scaler_mode"
SCALER_PHASE: Final = "aiops_scaler_phase"
SCALER_ROOM: Final = "aiops_scaler_room_replicas"
SCALER_SHORTAGE: Final = "aiops_scaler_shortage_probability"
SCALER_LOSS_RATIO: Final = "aiops_scaler_loss_ratio"
SCALER_FORECAST_AGE: Final = "aiops_scaler_forecast_age_seconds"
SCALER_ROLLBACKS: Final = "aiops_scaler_rollbacks_total"
DECISIONS: Final = "aiops_decisions_total"
RECONCILE_SECONDS: Final = "aiops_reconcile_seconds"
RECONCILE_ERRORS: Final = "aiops_reconcile_errors_total"
LEADER: Final = "aiops_leader"
KUBERNETES_REQUESTS: Final = "aiops_kubernetes_requests_total"

_SCALER: Final = ("namespace", "name")
_METRICS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    UPSTREAM_UP: ("Whether the last request to a system that we use was answered.", ("upstream",)),
    REQUESTS: ("Calls that ended, streams included, by the status that they ended with.", ("method", "code")),
    REQUEST_SECONDS: ("Time from the arrival of a call to its end.", ("method",)),
    REQUESTS_SHED: ("Calls that were sent away because as many as we take were waiting.", ()),
    WATCHED_SERIES: ("Series that are scored, whether polled or pushed.", ()),
    WATCH_AGE: ("Time since the newest scored value of a monitor was known.", ("monitor",)),
    WATCH_ERRORS: ("Polls of a monitor that brought nothing.", ("monitor",)),
    BUNDLE_INFO: ("The champion's bundle in use, as labels; always 1.", ("model", "version", "digest")),
    BUNDLE_CUTOFF: ("Stamp of the latest observation that the bundle in use was made from.", ()),
    BUNDLE_END: ("When the last forecast of the bundle in use runs out.", ()),
    BUNDLE_REFUSED: ("Bundles that were not taken, the one before them staying.", ("reason",)),
    ALERTMANAGER_UP: ("Whether the last request to this replica of Alertmanager was answered.", ("replica",)),
    INCIDENTS: ("Incidents: told; withheld by the budget; over before anybody was told.", ("outcome", "severity")),
    INCIDENT_SERIES: ("Series in incidents that are open, told of or not.", ()),
    ALERT_BUDGET: ("Incidents a week that the budget of a scope allows.", ("scope",)),
    ALERT_BUDGET_USED: (
        "Share of a scope's budget that is used up; above 1: too odd to withhold.",
        ("scope",),
    ),
    OUTBOX_ALERTS: ("Alert changes that Alertmanager does not know of yet.", ()),
    OUTBOX_OLDEST: ("How long the oldest of them has waited.", ()),
    ALERTS_SENT: ("Alert states that Alertmanager took, those sent again before they expire included.", ()),
    ALERTS_FAILED: ("Alert states that were not delivered.", ("reason",)),
    SCALER_DEMAND: ("Newest known demand, in the unit of capacityPerReplica.", _SCALER),
    SCALER_PEAK_DEMAND: ("Forecast of the highest demand within the window, at the level of the policy.", _SCALER),
    SCALER_DESIRED: ("The number that was decided: a floor under an HPA, replicas without one.", _SCALER),
    SCALER_CURRENT: ("Replicas that the target is asked to run.", _SCALER),
    SCALER_FLOOR: ("minReplicas of the HPA.", _SCALER),
    SCALER_READY: ("Replicas that serve.", _SCALER),
    SCALER_MODE: ("1 for the mode in force, 0 for the others.", (*_SCALER, "mode")),
    SCALER_PHASE: ("1 for where the guard stands, 0 for the others.", (*_SCALER, "phase")),
    SCALER_ROOM: ("Most replicas that maxReplicas, quota and nodes, as far as they are known, let exist.", _SCALER),
    SCALER_SHORTAGE: ("Chance that demand needs more than that within the window.", (*_SCALER, "window")),
    SCALER_LOSS_RATIO: ("How many times the loss of reactive scaling forecasts had over two hours.", _SCALER),
    SCALER_FORECAST_AGE: ("Time since the newest observation of the forecast in use was known.", _SCALER),
    SCALER_ROLLBACKS: ("Changes that were taken back because they did harm.", _SCALER),
    DECISIONS: ("Decisions, those to leave all as it is included.", ("mode", "reason")),
    RECONCILE_SECONDS: ("Time that a turn took.", ()),
    RECONCILE_ERRORS: ("Turns that came to no decision.", ("reason",)),
    LEADER: ("1 while this process holds the lease, else 0.", ()),
    KUBERNETES_REQUESTS: ("Requests to the Kubernetes API; code none: there was no answer.", ("verb", "code")),
}
"""Help text and labels of every metric."""


@cache
def counter(name: str) -> Counter:
    """Return the counter of this name, one of the constants above."""
    from prometheus_client import Counter

    return Counter(name, *_METRICS[name])


@cache
def gauge(name: str) -> Gauge:
    """Return the gauge of this name, one of the constants above."""
    from prometheus_client import Gauge

    return Gauge(name, *_METRICS[name])


@cache
def histogram(name: str, buckets: tuple[float, ...]) -> Histogram:
    """Return the histogram of this name, one of the constants above, always with the same buckets."""
    from prometheus_client import Histogram

    return Histogram(name, *_METRICS[name], buckets=buckets)
