"""One run of a scheduled job: a folder with what was asked, the snapshot, and what tasks leave for each other.

The folder is named after what was asked and up to when, and after nothing else. So a run that is repeated finds the
snapshot of the first, and makes the same of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from aiops import __version__, wiring
from aiops.adapters.clock import SystemClock
from aiops.adapters.snapshot import read_snapshot, write_snapshot
from aiops.adapters.whole_folder import write_whole
from aiops.errors import ConfigError, DataError
from aiops.series.grid import floor
from aiops.series.snapshot import Snapshot

if TYPE_CHECKING:
    from aiops.settings import CapacitySettings, TrainingSettings

_ASKED = "asked"
_REQUEST = "request.json"
_SNAPSHOTS = "snapshots"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has begun.

    Args:
        folder: Of this run alone.
    """

    folder: Path

    @classmethod
    def begin(cls, job: str, asked: TrainingSettings | CapacitySettings, end: datetime) -> Run:
        """Write down what is asked, and return the run; the same question is the same run.

        Args:
            job: Name of the job.
            asked: What is read and made of it.
            end: Up to when.

        Raises:
            ConfigError: If the folder is missing or relative, or cannot be written.
        """
        if asked.folder is None or not asked.folder.is_absolute():
            raise ConfigError(
                f"folder: give an absolute path that every worker of the scheduler has, got {asked.folder}"
            )
        question = {
            "job": job,
            "version": __version__,
            "end": floor(end.astimezone(UTC), asked.step).isoformat(),
            # How the work is shared out has no influence on the result.
            "asked": asked.model_dump(mode="json", exclude={"workers", "engine"}),
            "how": asked.model_dump(mode="json", include={"workers", "engine"}),
        }
        same = {name: value for name, value in question.items() if name != "how"}
        digest = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
        run = cls(asked.folder / "runs" / f"{job}-{end.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest[:8]}")
        text = json.dumps(question, indent=1, sort_keys=True) + "\n"
        write_whole(run.folder / _ASKED, {_REQUEST: text.encode()})
        _log.info("run begun", job=job, run=str(run.folder), end=question["end"])
        return run

    @property
    def root(self) -> Path:
        """Where all runs and what they make are kept."""
        return self.folder.parents[1]

    def request(self) -> tuple[dict[str, Any], datetime]:
        """Return what was asked, as the settings' model reads it, and up to when.

        Raises:
            DataError: If the run has not begun, or its folder is gone.
        """
        question = self.read(_ASKED, _REQUEST)
        return {**question["asked"], **question["how"]}, datetime.fromisoformat(question["end"])

    def take_snapshot(self, asked: TrainingSettings | CapacitySettings, end: datetime) -> Path:
        """Read the source and keep what it said; a run that has its snapshot already keeps that one.

        Raises:
            ConfigError, DataError, UpstreamError: As ``wiring.snapshot``.
        """
        found = self._kept()
        if found is not None:
            _log.info("snapshot found", path=str(found))
            return found
        configured = wiring.settings()
        source = asked.source or str(configured.prometheus.url)
        request = wiring.Request(source=source, query=asked.query, history=asked.history, step=asked.step, end=end)
        taken, warnings = wiring.snapshot(request, configured, SystemClock())
        for warning in warnings:
            _log.warning("source warned", source=source, warning=warning)
        path = write_snapshot(taken, self.folder / _SNAPSHOTS)
        _log.info("snapshot taken", path=str(path), series=len(taken.series), left_out=len(taken.skipped))
        return path

    def snapshot(self) -> Snapshot:
        """Return the snapshot of this run.

        Raises:
            DataError: If it was not taken, or is not what was written.
        """
        found = self._kept()
        if found is None:
            raise DataError(f"{self.folder} has no snapshot: run the job from its first task")
        return read_snapshot(found)

    def keep(self, name: str, file: str, content: Mapping[str, Any]) -> None:
        """Leave a small record for a later task."""
        write_whole(self.folder / name, {file: (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()})

    def read(self, name: str, file: str) -> dict[str, Any]:
        """Return a record that an earlier task has left.

        Raises:
            DataError: If it is not there or cannot be read.
        """
        path = self.folder / name / file
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}; run the job from its first task") from error
        return found

    def _kept(self) -> Path | None:
        folders = sorted((self.folder / _SNAPSHOTS).glob("[0-9a-f]*"))
        return folders[0] if folders else None


def end_of(given: Mapping[str, Any], interval_end: datetime) -> tuple[dict[str, Any], datetime]:
    """Take ``end`` out of a run's parameters; without one it is the end of the data interval.

    Raises:
        ConfigError: If it is no instant.
    """
    rest = dict(given)
    said = rest.pop("end", None)
    if not said:
        # A scheduler's instants may be of a class of their own, whose arithmetic is not that of datetime.
        return rest, datetime.fromtimestamp(interval_end.timestamp(), UTC)
    try:
        end = datetime.fromisoformat(str(said))
    except ValueError:
        raise ConfigError(f"end: {said!r} is not an instant: write 2026-01-31T12:00:00Z") from None
    return rest, end.replace(tzinfo=end.tzinfo or UTC).astimezone(UTC)


def slices(count: int, parts: int) -> list[tuple[int, int]]:
    """Deal ``count`` items out to at most ``parts`` contiguous slices of nearly equal length, none of them empty."""
    parts = max(min(count, parts), 1)
    return [(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def log_progress(done: int, total: int) -> None:
    """Tell the log of a task how far its work is."""
    _log.info("work went on", done=done, total=total)
