"""The file of watched queries on disk, read again when its content changes."""

from __future__ import annotations

from pathlib import Path

from aiops.alerting.monitor import AnomalyMonitor, load_monitors
from aiops.errors import ConfigError


class MonitorFile:
    """Reads AnomalyMonitors from a file; it may be replaced in any way, also by a link that points elsewhere.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: bytes | None = None

    def changed(self) -> tuple[AnomalyMonitor, ...] | None:
        """Return what the file says; None if it says what it said when it was last asked.

        Raises:
            ConfigError: If it cannot be read (each time) or is wrong (once for each content).
        """
        try:
            content = self._path.read_bytes()
        except OSError as error:
            self._seen = None  # when it is back it is news, also with the old content
            raise ConfigError(f"cannot read {self._path}: {error.strerror}; --watch names the file") from error
        if content == self._seen:
            return None
        self._seen = content
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self._path}: not UTF-8 text: {error.reason} at byte {error.start}") from error
        return load_monitors(text, str(self._path))
