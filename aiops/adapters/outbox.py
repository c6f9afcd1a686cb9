"""Alerts wait on disk until Alertmanager has them: a slow pager does not slow scoring, and a kill loses none."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from aiops import telemetry
from aiops.alerting.alert import Alert, Severity, Status
from aiops.errors import ConfigError, ContentRejectedError, DataError, UpstreamError, UpstreamUnavailableError
from aiops.ports import AlertSink, Backlog, Clock
from aiops.series import epoch_seconds, from_epoch

_log = structlog.get_logger(__name__)

RESEND = timedelta(minutes=1)
"""From one sending of a firing alert to the next: Alertmanager forgets it after five minutes by default."""

_MOST = 10_000
_BATCH = 100
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=1)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  fingerprint TEXT NOT NULL UNIQUE,
  changed REAL NOT NULL,
  body TEXT NOT NULL
)
"""


@dataclass(slots=True, kw_only=True, eq=False)
class _Entry:
    """The last state of one alert.

    Attributes:
        alert: That state.
        changed: When it was put.
        due: When it is to be sent next.
        waiting: Whether this state was never delivered.
    """

    alert: Alert
    changed: datetime
    due: datetime
    waiting: bool = True


class Outbox:
    """An AlertOutbox in an SQLite file, in front of a sink.

    One state an alert: a newer one takes the place of the older, at the end of the queue. Resolved ones go when they
    are delivered; firing ones stay, and are sent again every minute. A state may be sent twice when a process dies
    between sending and noting it; Alertmanager takes that for once.

    Memory decides and the file follows: where the disk fails, alerts are delivered all the same, and health says that
    an end of the process would lose them. A file that is no sound database is moved aside.

    Args:
        path: The file; its folder is made. None keeps alerts in memory only.
        sink: Where they go.
        clock: The time.
        resend: From one sending of a firing alert to the next.
        most: Alerts that are kept, about 1.5 kB each; beyond it the oldest goes.

    Raises:
        ConfigError: If another process holds the file.
    """

    def __init__(
        self,
        path: Path | None,
        sink: AlertSink,
        clock: Clock,
        *,
        resend: timedelta = RESEND,
        most: int = _MOST,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._resend = resend
        self._most = most
        self._path = path
        self._entries: dict[str, _Entry] = {}  # in the order of the last change
        self._moved = ""
        self._disk = ""
        self._delivery = ""
        self._up: bool | None = None
        self._since: datetime | None = None
        self._changed = asyncio.Event()
        self._unwritten: set[str] = set()
        self._file = self._open() if path is not None else None

    def put(self, alerts: Sequence[Alert]) -> None:
        """Keep the present state of these alerts, as ``AlertOutbox`` says."""
        now = self._clock.now()
        for alert in alerts:
            self._entries.pop(alert.fingerprint, None)
            self._entries[alert.fingerprint] = _Entry(alert=alert, changed=now, due=now)
        gone = list(self._entries)[: max(len(self._entries) - self._most, 0)]
        for name in gone:
            self._drop(self._entries.pop(name).alert, "overflow", f"more than {self._most} alerts wait")
        self._write([*gone, *(alert.fingerprint for alert in alerts)])
        self._changed.set()
        self._measure()

    def firing(self) -> Mapping[str, tuple[Alert, datetime]]:
        """Return what was last put as firing, as ``AlertOutbox`` says."""
        return {
            name: (each.alert, each.changed)
            for name, each in self._entries.items()
            if each.alert.status is Status.FIRING
        }

    def backlog(self) -> Backlog:
        """Return how far delivery has got."""
        waiting = [each.changed for each in self._entries.values() if each.waiting]
        return Backlog(
            waiting=len(waiting),
            oldest=self._clock.now() - waiting[0] if waiting else timedelta(0),
            up=self._up,
            since=self._since,
            trouble="; ".join(each for each in (self._delivery, self._disk, self._moved) if each),
        )

    async def run(self) -> None:
        """Deliver, and send firing alerts again before they expire, until cancelled."""
        wait = _FIRST_WAIT
        while True:
            self._changed.clear()
            now = self._clock.now()
            due = [name for name, each in self._entries.items() if each.due <= now][:_BATCH]
            if not self._entries:
                await self._changed.wait()
            elif not due:
                await self._changed_or(min(each.due for each in self._entries.values()))
            elif await self.deliver(due):
                wait = _FIRST_WAIT
            else:
                await self._clock.sleep_until(self._clock.now() + wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            self._measure()

    async def deliver(self, names: Sequence[str]) -> bool:
        """Send these alerts once, in their order; return whether Alertmanager answered."""
        states = {name: self._entries[name] for name in names}
        try:
            await self._sink.send([each.alert for each in states.values()])
        except ContentRejectedError as error:
            self._answered()
            if len(states) == 1:
                self._refused(*states.popitem(), reason=str(error))
                return True
            # It does not say which: each for itself.
            return all([await self.deliver([name]) for name in names if self._entries.get(name) is states[name]])
        except UpstreamError as error:
            count = len(states)
            telemetry.counter(telemetry.ALERTS_FAILED).labels(
                "unavailable" if isinstance(error, UpstreamUnavailableError) else "refused"
            ).inc(count)
            self._failed(str(error))
            return False
        self._answered()
        telemetry.counter(telemetry.ALERTS_SENT).inc(len(states))
        now = self._clock.now()
        for name, state in states.items():
            if self._entries.get(name) is not state:
                continue  # it has changed in the meantime
            if state.alert.status is Status.RESOLVED:
                del self._entries[name]
            else:
                state.waiting, state.due = False, now + self._resend
        self._write([name for name in states if name not in self._entries])
        return True

    def close(self) -> None:
        """Let go of the file; what waits is in it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _changed_or(self, at: datetime) -> None:
        """Return when something is put, or at ``at``."""
        tasks = {
            asyncio.ensure_future(self._changed.wait()),
            asyncio.ensure_future(self._clock.sleep_until(at)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _refused(self, name: str, state: _Entry, reason: str) -> None:
        if self._entries.get(name) is state:
            del self._entries[name]
            self._write([name])
        self._drop(state.alert, "rejected", reason)

    def _drop(self, alert: Alert, reason: str, why: str) -> None:
        telemetry.counter(telemetry.ALERTS_FAILED).labels(reason).inc()
        _log.error("alert dropped", alert=dict(alert.labels), reason=why)

    def _answered(self) -> None:
        if self._up is not True:
            if self._up is False:
                _log.info("upstream answers again", upstream="alertmanager")
            self._up, self._since, self._delivery = True, self._clock.now(), ""
        telemetry.gauge(telemetry.UPSTREAM_UP).labels("alertmanager").set(1)

    def _failed(self, reason: str) -> None:
        if self._up is not False:
            self._up, self._since = False, self._clock.now()
            _log.warning("upstream does not answer", upstream="alertmanager", reason=reason)
        self._delivery = reason
        telemetry.gauge(telemetry.UPSTREAM_UP).labels("alertmanager").set(0)

    def _measure(self) -> None:
        backlog = self.backlog()
        telemetry.gauge(telemetry.OUTBOX_ALERTS).set(backlog.waiting)
        telemetry.gauge(telemetry.OUTBOX_OLDEST).set(backlog.oldest.total_seconds())

    def _write(self, names: Iterable[str]) -> None:
        """Bring the file up to what memory says of these alerts, and of those it could not be told of before."""
        if self._path is None:
            return
        self._unwritten.update(names)
        if not self._unwritten:
            return
        try:
            if self._file is None:
                self._file = _opened(self._path)
            kept = [name for name in self._entries if name in self._unwritten]  # the order is that of delivery
            with self._file:
                self._file.execute("BEGIN IMMEDIATE")
                self._file.executemany(
                    "DELETE FROM alerts WHERE fingerprint = ?", [(name,) for name in self._unwritten]
                )
                self._file.executemany(
                    "INSERT INTO alerts (fingerprint, changed, body) VALUES (?, ?, ?)",
                    [(name, epoch_seconds(self._entries[name].changed), _body(self._entries[name])) for name in kept],
                )
        except (sqlite3.Error, OSError) as error:
            if not self._disk:
                _log.error("outbox cannot be written", path=str(self._path), reason=str(error))
            self._disk = f"{self._path} cannot be written ({error}): alerts go on, and an end of the process loses them"
            self.close()
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._move_aside(str(error))
                self._unwritten = set(self._entries)
            return
        self._unwritten.clear()
        self._disk = ""

    def _open(self) -> sqlite3.Connection | None:
        """Open the file and read what waits; None if that cannot be done now."""
        assert self._path is not None  # noqa: S101 - without one nobody calls
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = _opened(self._path)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ConfigError(f"{self._path} is in use by another process: give each its own --state") from error
            self._disk = f"{self._path} cannot be opened ({error}): alerts go on, and an end of the process loses them"
            _log.error("outbox cannot be opened", path=str(self._path), reason=str(error))
            return None
        except sqlite3.DatabaseError as error:
            self._move_aside(str(error))
            return None
        except OSError as error:
            raise ConfigError(f"cannot make {self._path.parent}: {error.strerror}; --state names the folder") from error
        now = self._clock.now()
        for name, changed, body in file.execute("SELECT fingerprint, changed, body FROM alerts ORDER BY sequence"):
            try:
                self._entries[name] = _Entry(alert=_alert(body), changed=from_epoch(changed), due=now)
            except (ValueError, KeyError, TypeError, DataError) as error:
                _log.error("alert in the outbox cannot be read", fingerprint=name, reason=str(error))
        return file

    def _move_aside(self, reason: str) -> None:
        assert self._path is not None  # noqa: S101 - there was a file
        aside = self._path.with_name(f"{self._path.name}.broken")
        try:
            self._path.replace(aside)
            for ending in ("-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        except OSError as error:
            self._disk = f"{self._path} is broken ({reason}) and cannot be moved aside: {error}"
        self._moved = f"the outbox was no sound database ({reason}): it is kept as {aside}, and a new one was begun"
        _log.error("outbox moved aside", path=str(aside), reason=reason)


def _opened(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=0.5, isolation_level=None)
    try:
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("PRAGMA journal_size_limit = 1048576")
        (verdict,) = file.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        file.execute(_SCHEMA)
        columns = [name for _, name, *_ in file.execute("PRAGMA table_info(alerts)")]
        if columns != ["sequence", "fingerprint", "changed", "body"]:
            raise sqlite3.DatabaseError(f"its table has the columns {', '.join(columns)}")
    except BaseException:
        file.close()
        raise
    return file


def _body(entry: _Entry) -> str:
    alert = entry.alert
    return json.dumps(
        {
            "status": alert.status.value,
            "severity": alert.severity.value,
            "starts_at": alert.starts_at.isoformat(),
            "ends_at": alert.ends_at.isoformat() if alert.ends_at is not None else None,
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
        }
    )


def _alert(body: str) -> Alert:
    said = json.loads(body)
    return Alert(
        status=Status(said["status"]),
        severity=Severity(said["severity"]),
        starts_at=datetime.fromisoformat(said["starts_at"]),
        ends_at=datetime.fromisoformat(said["ends_at"]) if said["ends_at"] is not None else None,
        labels=said["labels"],
        annotations=said["annotations"],
    )
