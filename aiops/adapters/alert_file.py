"""States of alerts in an SQLite file that follows what memory says, and says when it cannot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from aiops.alerting.alert import Alert, Severity, Status
from aiops.errors import ConfigError, DataError
from aiops.series import epoch_seconds, from_epoch

_log = structlog.get_logger(__name__)

_COLUMNS = ["sequence", "fingerprint", "changed", "body"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One state of one alert.

    Attributes:
        alert: That state.
        changed: When it was put.
    """

    alert: Alert
    changed: datetime


class AlertFile:
    """Keeps tables of entries on disk: memory decides, and the file follows.

    Where the disk fails nothing is raised: what could not be written is written with the next change. A file that is
    no sound database is moved aside.

    Args:
        path: The file; its folder is made.
        tables: Name of each table, and the entries that it follows, by fingerprint. They are filled with what the file
            holds, in the order in which they changed.

    Raises:
        ConfigError: If another process holds the file, or its folder cannot be made.
    """

    def __init__(self, path: Path, tables: Mapping[str, dict[str, Entry]]) -> None:
        self._path = path
        self._tables = tables
        self._unwritten: dict[str, set[str]] = {table: set() for table in tables}
        self._disk = ""
        self._moved = ""
        self._file = self._open()

    @property
    def trouble(self) -> str:
        """Why alerts are not kept safe, or what happened to the file; empty if all is well."""
        return "; ".join(each for each in (self._disk, self._moved) if each)

    def write(self, table: str, names: Iterable[str]) -> None:
        """Bring the file up to what memory says of these entries, and of those it could not be told of before."""
        self._unwritten[table].update(names)
        if not any(self._unwritten.values()):
            return
        try:
            if self._file is None:
                self._file = _opened(self._path, self._tables)
            with self._file:
                self._file.execute("BEGIN IMMEDIATE")
                for each, unwritten in self._unwritten.items():
                    self._follow(self._file, each, unwritten)
        except (sqlite3.Error, OSError) as error:
            if not self._disk:
                _log.error("outbox cannot be written", path=str(self._path), reason=str(error))
            self._disk = f"{self._path} cannot be written ({error}): alerts go on, and an end of the process loses them"
            self.close()
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._move_aside(str(error))
                self._unwritten = {name: set(entries) for name, entries in self._tables.items()}
            return
        for unwritten in self._unwritten.values():
            unwritten.clear()
        self._disk = ""

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _follow(self, file: sqlite3.Connection, table: str, names: set[str]) -> None:
        entries = self._tables[table]
        kept = [name for name in entries if name in names] if names else []  # the order is that of the changes
        file.executemany(f"DELETE FROM {table} WHERE fingerprint = ?", [(name,) for name in names])  # noqa: S608 - ours
        file.executemany(
            f"INSERT INTO {table} (fingerprint, changed, body) VALUES (?, ?, ?)",  # noqa: S608 - a name of ours
            [(name, epoch_seconds(entries[name].changed), body_of(entries[name].alert)) for name in kept],
        )

    def _open(self) -> sqlite3.Connection | None:
        """Open the file and read what it holds; None if that cannot be done now."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = _opened(self._path, self._tables)
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
        for table, entries in self._tables.items():
            rows = file.execute(f"SELECT fingerprint, changed, body FROM {table} ORDER BY sequence")  # noqa: S608 - ours
            for name, changed, body in rows:
                try:
                    entries[name] = Entry(alert=alert_of(body), changed=from_epoch(changed))
                except (ValueError, KeyError, TypeError, DataError) as error:
                    _log.error("alert in the outbox cannot be read", fingerprint=name, reason=str(error))
        return file

    def _move_aside(self, reason: str) -> None:
        aside = self._path.with_name(f"{self._path.name}.broken")
        try:
            self._path.replace(aside)
            for ending in ("-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        except OSError as error:
            self._disk = f"{self._path} is broken ({reason}) and cannot be moved aside: {error}"
        self._moved = f"the outbox was no sound database ({reason}): it is kept as {aside}, and a new one was begun"
        _log.error("outbox moved aside", path=str(aside), reason=reason)


def _opened(path: Path, tables: Iterable[str]) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=0.5, isolation_level=None)
    try:
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("PRAGMA journal_size_limit = 1048576")
        (verdict,) = file.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        for table in tables:
            file.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (sequence INTEGER PRIMARY KEY AUTOINCREMENT, "
                "fingerprint TEXT NOT NULL UNIQUE, changed REAL NOT NULL, body TEXT NOT NULL)"
            )
            columns = [name for _, name, *_ in file.execute(f"PRAGMA table_info({table})")]
            if columns != _COLUMNS:
                raise sqlite3.DatabaseError(f"its table {table} has the columns {', '.join(columns)}")
    except BaseException:
        file.close()
        raise
    return file


def body_of(alert: Alert) -> str:
    """Return an alert as JSON."""
    return json.dumps(
        {
            "status": alert.status.value,
            "severity": alert.severity.value,
            "starts_at": alert.starts_at.isoformat(),
            "ends_at": alert.ends_at.isoformat() if alert.ends_at is not None else None,
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "scope": dict(alert.scope),
            "score": alert.score,
        }
    )


def alert_of(body: str) -> Alert:
    """Return the alert that ``body_of`` wrote."""
    said = json.loads(body)
    return Alert(
        status=Status(said["status"]),
        severity=Severity(said["severity"]),
        starts_at=datetime.fromisoformat(said["starts_at"]),
        ends_at=datetime.fromisoformat(said["ends_at"]) if said["ends_at"] is not None else None,
        labels=said["labels"],
        annotations=said["annotations"],
        scope=said.get("scope", {}),  # absent from what the release before this one wrote
        score=said.get("score", 0.0),
    )
