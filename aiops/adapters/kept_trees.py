"""Trees of the boosted forecaster on disk, as data, so that a restart does not grow them again.

What is lost or broken costs a training and nothing else. So a disk that fails is said once and then left alone.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import structlog

from aiops.errors import DataError
from aiops.forecasting.boosted_features import COUNT
from aiops.forecasting.boosted_trees import Trees, pack, unpack
from aiops.ports import Clock
from aiops.series import epoch_seconds

_log = structlog.get_logger(__name__)

KEEP = timedelta(days=7)
"""Trees are in force for a day, and their errors are looked at for three more."""

_MOST = 20_000
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS trees (
  name TEXT PRIMARY KEY,
  made REAL NOT NULL,
  digest BLOB NOT NULL,
  content BLOB NOT NULL
)
"""


class KeptTrees:
    """A TreeStore in an SQLite file; safe between threads.

    About 14 kB each. Those older than a week go, and the oldest beyond ``most``. A file of another version, or one that
    is no database, is begun anew.

    Args:
        path: The file; its folder is made.
        clock: The time.
        most: How many are kept.
    """

    def __init__(self, path: Path, clock: Clock, *, most: int = _MOST) -> None:
        self._path = path
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._file = self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                path.unlink()
                self._file = self._open()
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def get(self, name: str) -> Trees | None:
        """Return trees as ``TreeStore`` says; broken ones are forgotten."""
        with self._lock:
            if self._file is None:
                return None
            try:
                found = self._file.execute("SELECT digest, content FROM trees WHERE name = ?", (name,)).fetchone()
                if found is None:
                    return None
                digest, content = found
                if hashlib.sha256(content).digest() != digest:
                    raise DataError("no trees: not what was written")
                return unpack(content, COUNT)
            except DataError as error:
                _log.warning("kept_trees_broken", name=name, reason=str(error))
            except sqlite3.Error as error:
                self._give_up(error)
            return None

    def put(self, name: str, trees: Trees) -> None:
        """Keep trees as ``TreeStore`` says, and forget those that nothing asks for any more."""
        now = epoch_seconds(self._clock.now())
        content = pack(trees)
        with self._lock:
            if self._file is None:
                return
            try:
                with self._file:
                    row = (name, now, hashlib.sha256(content).digest(), content)
                    self._file.execute("INSERT OR REPLACE INTO trees VALUES (?, ?, ?, ?)", row)
                    self._file.execute("DELETE FROM trees WHERE made < ?", (now - KEEP.total_seconds(),))
                    beyond = "SELECT rowid FROM trees ORDER BY rowid DESC LIMIT -1 OFFSET ?"
                    self._file.execute(f"DELETE FROM trees WHERE rowid IN ({beyond})", (self._most,))  # noqa: S608
            except sqlite3.Error as error:
                self._give_up(error)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path, timeout=1.0, check_same_thread=False)
        try:
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the latest trees
            (version,) = file.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                file.execute("DROP TABLE IF EXISTS trees")
                file.execute(f"PRAGMA user_version = {_VERSION}")
            file.execute(_SCHEMA)
            file.execute("CREATE INDEX IF NOT EXISTS by_age ON trees (made)")
            file.commit()
        except sqlite3.Error:
            file.close()
            raise
        return file

    def _give_up(self, error: Exception) -> None:
        _log.warning("kept_trees_given_up", path=str(self._path), reason=str(error))
        if self._file is not None:
            self._file.close()
            self._file = None
