"""Alerts that nobody looks after any more: of an earlier process, or of a monitor that has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from aiops.alerting.alert import Alert, Status
from aiops.alerting.rules import AlertRule
from aiops.usecases.ingest import Ingest
from aiops.usecases.watched import WatchedSeries


def strays(
    firing: Mapping[str, tuple[Alert, datetime]],
    groups: Sequence[WatchedSeries],
    monitors: Mapping[str, Ingest],
    rule: AlertRule,
    now: datetime,
) -> list[Alert]:
    """Return those alerts, resolved.

    Its monitor is gone or has other labels: at once. Its series has not been seen since: when that has lasted as long
    as a series may be silent before it is taken for removed. A monitor that has not read its history yet is waited
    for.

    Args:
        firing: What was last said to be firing, by fingerprint, with when that was.
        groups: All watched series.
        monitors: Those that run, by name.
        rule: The rule of pushed series.
        now: The present.
    """
    services = [each.services.series for each in monitors.values() if each.services is not None]
    held = {alert.fingerprint for group in (*groups, *services) for alert in group.firing}
    found = []
    for name, (alert, since) in firing.items():
        if name in held:
            continue
        monitor = alert.labels.get("monitor")
        own = monitors.get(monitor) if monitor is not None else None
        if own is not None and not own.loaded:
            continue
        if monitor is not None and (own is None or not own.monitor.alert_labels.items() <= alert.labels.items()):
            why = f"monitor {monitor} does not watch it any more"
        elif now - since >= (rule if own is None else own.series.rule).forget_after:
            why = "it has sent nothing for so long that it is taken for removed"
        else:
            continue
        said = {**alert.annotations, "summary": f"{alert.annotations.get('series', 'series')}: closed: {why}"}
        found.append(replace(alert, status=Status.RESOLVED, ends_at=max(now, alert.starts_at), annotations=said))
    return found
