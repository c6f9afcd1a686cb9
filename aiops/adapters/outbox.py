"""Alerts wait on disk until Alertmanager has them: a slow pager does not slow scoring, and a kill loses none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from aiops import telemetry
from aiops.adapters.alert_file import AlertFile, Entry
from aiops.adapters.delivery import Delivery, may_go
from aiops.alerting.alert import Alert, Status
from aiops.ports import AlertSink, Backlog, Clock

_log = structlog.get_logger(__name__)

RESEND = timedelta(minutes=1)
"""From one sending of a firing alert to the next: Alertmanager forgets it after five minutes by default."""

_MOST = 10_000
_MOST_SERIES = 100_000
_FORGOTTEN = timedelta(minutes=15)  # a replica that was away for so long has forgotten what fired before
_REMEMBERED = timedelta(days=28)


class Outbox:
    """An AlertOutbox in an SQLite file, in front of every replica of Alertmanager.

    One state an alert: a newer one takes the place of the older, at the end of the queue. Resolved ones go when every
    replica has them, or the others are long gone; firing ones stay, and are sent again every minute. A state may be
    sent twice when a process dies between sending and noting it; Alertmanager takes that for once.

    Memory decides and the file follows: where the disk fails, alerts are delivered all the same, and health says that
    an end of the process would lose them. A file that is no sound database is moved aside.

    Args:
        path: The file; its folder is made. None keeps alerts in memory only.
        sink: Where they go; several replicas by name.
        clock: The time.
        resend: From one sending of a firing alert to the next.
        most: Alerts that are kept, about 1.5 kB each; beyond it the oldest goes.

    Raises:
        ConfigError: If another process holds the file.
    """

    def __init__(
        self,
        path: Path | None,
        sink: AlertSink | Mapping[str, AlertSink],
        clock: Clock,
        *,
        resend: timedelta = RESEND,
        most: int = _MOST,
    ) -> None:
        self._clock = clock
        self._most = most
        self._entries: dict[str, Entry] = {}  # in the order of the last change
        self._series: dict[str, Entry] = {}
        self._told: dict[str, Entry] = {}
        self._file = None
        if path is not None:
            tables = {"alerts": self._entries, "series": self._series, "told": self._told}
            self._file = AlertFile(path, tables)
        sinks = sink if isinstance(sink, Mapping) else {"alertmanager": sink}
        self._deliveries = [
            Delivery(name, each, clock, resend, self._entries, self._settle) for name, each in sinks.items()
        ]

    def put(self, alerts: Sequence[Alert]) -> None:
        """Keep the present state of these alerts, as ``AlertOutbox`` says."""
        now = self._clock.now()
        for alert in alerts:
            self._entries.pop(alert.fingerprint, None)
            self._entries[alert.fingerprint] = Entry(alert=alert, changed=now)
        gone = list(self._entries)[: max(len(self._entries) - self._most, 0)]
        for name in gone:
            dropped = self._entries.pop(name).alert
            telemetry.counter(telemetry.ALERTS_FAILED).labels("overflow").inc()
            _log.error("alert dropped", alert=dict(dropped.labels), reason=f"more than {self._most} alerts wait")
        self._write("alerts", [*gone, *(alert.fingerprint for alert in alerts)])
        for each in self._deliveries:
            each.changed.set()
        self._measure()

    def firing(self) -> Mapping[str, tuple[Alert, datetime]]:
        """Return what was last put as firing, as ``AlertOutbox`` says."""
        return _firing(self._entries)

    def keep_series(self, alerts: Sequence[Alert]) -> None:
        """Keep what the rules said of series, as ``AlertOutbox`` says."""
        now = self._clock.now()
        for alert in alerts:
            self._series.pop(alert.fingerprint, None)
            if alert.status is Status.FIRING:
                self._series[alert.fingerprint] = Entry(alert=alert, changed=now)
        gone = list(self._series)[: max(len(self._series) - _MOST_SERIES, 0)]
        for name in gone:
            del self._series[name]
        self._write("series", [*gone, *(alert.fingerprint for alert in alerts)])

    def series(self) -> Mapping[str, tuple[Alert, datetime]]:
        """Return the alerts of series that fire, as ``AlertOutbox`` says."""
        return _firing(self._series)

    def note_told(self, incidents: Mapping[str, Alert]) -> None:
        """Remember incidents, as ``AlertOutbox`` says."""
        now = self._clock.now()
        old = [name for name, each in self._told.items() if now - each.changed > _REMEMBERED]
        for name in old:
            del self._told[name]
        for name, alert in incidents.items():
            self._told.pop(name, None)
            self._told[name] = Entry(alert=alert, changed=now)
        if old or incidents:
            self._write("told", [*old, *incidents])

    def told(self) -> Mapping[str, Alert]:
        """Return the incidents of the last weeks, as ``AlertOutbox`` says."""
        return {name: each.alert for name, each in self._told.items()}

    def backlog(self) -> Backlog:
        """Return how far delivery has got; an alert does not wait any more once any replica has it."""
        waiting = [
            each.changed for name, each in self._entries.items() if not any(to.done(name) for to in self._deliveries)
        ]
        ups = [each.up for each in self._deliveries]
        up = True if True in ups else False if False in ups else None
        several = len(self._deliveries) > 1
        troubles = [
            f"{each.name}: {each.trouble}" if several else each.trouble for each in self._deliveries if each.trouble
        ]
        if len(troubles) < len(self._deliveries):
            troubles = [f"{each} (another replica has the alerts)" for each in troubles]
        return Backlog(
            waiting=len(waiting),
            oldest=self._clock.now() - waiting[0] if waiting else timedelta(0),
            up=up,
            since=min((each.since for each in self._deliveries if each.up is up and each.since), default=None),
            trouble="; ".join(each for each in (*troubles, "" if self._file is None else self._file.trouble) if each),
        )

    async def run(self) -> None:
        """Deliver, and send firing alerts again before they expire, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._deliveries:
                tasks.create_task(each.run())
            while True:
                self._measure()
                self._settle(list(self._entries))
                await self._clock.sleep_until(self._clock.now() + timedelta(seconds=5))

    def close(self) -> None:
        """Let go of the file; what waits is in it."""
        if self._file is not None:
            self._file.close()

    def _settle(self, names: Sequence[str]) -> None:
        """Drop what every replica knows."""
        now = self._clock.now()
        gone = [
            name
            for name in names
            if name in self._entries and may_go(self._entries[name], self._deliveries, name, now, _FORGOTTEN)
        ]
        for name in gone:
            del self._entries[name]
        if gone:
            self._write("alerts", gone)

    def _measure(self) -> None:
        backlog = self.backlog()
        telemetry.gauge(telemetry.OUTBOX_ALERTS).set(backlog.waiting)
        telemetry.gauge(telemetry.OUTBOX_OLDEST).set(backlog.oldest.total_seconds())
        if backlog.up is not None:
            telemetry.gauge(telemetry.UPSTREAM_UP).labels("alertmanager").set(backlog.up)

    def _write(self, table: str, names: Sequence[str]) -> None:
        if self._file is not None:
            self._file.write(table, names)


def _firing(entries: Mapping[str, Entry]) -> dict[str, tuple[Alert, datetime]]:
    return {name: (each.alert, each.changed) for name, each in entries.items() if each.alert.status is Status.FIRING}
