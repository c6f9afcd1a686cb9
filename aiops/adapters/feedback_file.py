"""Told incidents, and what people said of them: an SQLite file that the service and the command line share."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from aiops.adapters.alert_file import alert_of, body_of
from aiops.alerting.alert import Alert, Severity
from aiops.alerting.alert import fingerprint as fingerprint_of
from aiops.alerting.feedback import Feedback, Verdict
from aiops.alerting.feedback_labels import Told
from aiops.errors import ConfigError, DataError
from aiops.series import epoch_seconds, from_epoch

_log = structlog.get_logger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS incidents (name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, told REAL NOT NULL, body TEXT);
CREATE TABLE IF NOT EXISTS verdicts (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, alertname TEXT NOT NULL, scope TEXT NOT NULL, verdict TEXT NOT NULL,
  at REAL NOT NULL, until REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS judged (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, verdict TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL
);
"""
_REMEMBERED = timedelta(days=28)


class FeedbackFile:
    """A FeedbackStore. Several processes may hold it; each change is a transaction.

    Args:
        path: The file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: int | None = None

    def note(self, incidents: Mapping[str, Alert], now: datetime) -> None:
        """Keep incidents that were told, each under a name of its own, for four weeks; what fails is logged."""
        rows = [(name, alert.fingerprint, epoch_seconds(now), body_of(alert)) for name, alert in incidents.items()]
        try:
            with closing(self._opened()) as file, file:
                file.execute("DELETE FROM incidents WHERE told < ?", (epoch_seconds(now - _REMEMBERED),))
                file.executemany("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError, ConfigError) as error:
            _log.error("incidents cannot be kept for feedback", path=str(self._path), reason=str(error))

    def changed(self) -> list[Feedback] | None:
        """Return all feedback in the order in which it was given; None if there is none since the last call."""
        try:
            seen = self._path.stat().st_mtime_ns
            if seen == self._seen:
                return None
            with closing(self._opened()) as file:
                found = file.execute("SELECT alertname, scope, verdict, at, until FROM verdicts ORDER BY sequence")
                given = [_feedback(*row) for row in found]
        except (sqlite3.Error, OSError, ValueError, TypeError, ConfigError) as error:
            if not isinstance(error, FileNotFoundError):
                _log.error("feedback cannot be read", path=str(self._path), reason=str(error))
            return None
        self._seen = seen
        return given

    def told(self) -> list[Alert]:
        """Return the incidents of the last four weeks, the newest first.

        Raises:
            ConfigError: If there is no such file, or it is no database of ours.
        """
        if not self._path.exists():
            raise ConfigError(f"{self._path} does not exist: --state names the folder of `aiops serve`")
        try:
            with closing(self._opened()) as file:
                return [alert_of(body) for (body,) in file.execute("SELECT body FROM incidents ORDER BY told DESC")]
        except (sqlite3.Error, ValueError, KeyError, TypeError, DataError) as error:
            raise ConfigError(f"{self._path} cannot be read: {error}") from error

    def give(self, fingerprint: str, verdict: Verdict, now: datetime, length: timedelta) -> Alert:
        """Keep what somebody said of an incident, and return it.

        Raises:
            ConfigError: If no incident of the last weeks has this fingerprint, or the file cannot be used.
        """
        found = next((each for each in self.told() if fingerprint in _fingerprints(each)), None)
        if found is None:
            raise ConfigError(
                f"no incident {fingerprint} was told in the last four weeks: `aiops feedback` without it lists them"
            )
        scope = json.dumps(sorted(found.scope.items()))
        begins, ends = epoch_seconds(now), epoch_seconds(now + length)
        try:
            with closing(self._opened()) as file, file:
                file.execute(
                    "INSERT INTO verdicts (alertname, scope, verdict, at, until) VALUES (?, ?, ?, ?, ?)",
                    (found.labels["alertname"], scope, verdict.value, begins, ends),
                )
                file.execute(
                    "INSERT INTO judged (verdict, at, body) VALUES (?, ?, ?)", (verdict.value, begins, body_of(found))
                )
        except sqlite3.Error as error:
            raise ConfigError(f"{self._path} cannot be written: {error}") from error
        return found

    def judged(self, now: datetime) -> list[Told]:
        """Return the incidents of the last four weeks, and all that were judged, in the order in which that was said.

        Raises:
            ConfigError: As ``told``.
        """
        told = self.told()
        ends = {(each.fingerprint, each.starts_at): each.ends_at for each in told}
        try:
            with closing(self._opened()) as file:
                rows = file.execute("SELECT verdict, at, body FROM judged ORDER BY sequence")
                said = [(Verdict(verdict), from_epoch(at), alert_of(body)) for verdict, at, body in rows]
        except (sqlite3.Error, ValueError, KeyError, TypeError, DataError) as error:
            raise ConfigError(f"{self._path} cannot be read: {error}") from error
        silent = [Told(alert=each, verdict=None, until=each.ends_at or now) for each in told]
        return silent + [
            Told(alert=each, verdict=verdict, until=each.ends_at or ends.get((each.fingerprint, each.starts_at)) or at)
            for verdict, at, each in said
        ]

    def _opened(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make {self._path.parent}: {error.strerror}; --state names the folder") from error
        file = sqlite3.connect(self._path, timeout=0.5)
        try:
            file.executescript(_SCHEMA)
        except BaseException:
            file.close()
            raise
        return file


def _fingerprints(alert: Alert) -> set[str]:
    """Return those of a ticket and of the page that it may have become."""
    return {fingerprint_of({**alert.labels, "severity": each.value}) for each in Severity}


def _feedback(name: str, scope: str, verdict: str, at: float, until: float) -> Feedback:
    return Feedback(
        name=name,
        scope=tuple((str(label), str(value)) for label, value in json.loads(scope)),
        verdict=Verdict(verdict),
        at=from_epoch(at),
        until=from_epoch(until),
    )
