"""The monitors of a file: each polled by a task of its own, started and ended as the file changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import structlog

from aiops.alerting.monitor import AnomalyMonitor
from aiops.errors import ConfigError
from aiops.ports import Clock
from aiops.usecases.ingest import Ingest

_log = structlog.get_logger(__name__)

_RESTART = timedelta(minutes=1)


class Watched(Protocol):
    """Where it is written what is watched."""

    def changed(self) -> tuple[AnomalyMonitor, ...] | None:
        """Return all monitors; None if nothing has changed since the last call.

        Raises:
            ConfigError: If it cannot be read, or what is written cannot be understood; the latter once for each change.
        """
        ...


class Monitors:
    """Runs monitors; what a file that cannot be understood said before it goes on.

    Args:
        watched: Where it is written what is watched; None if nothing is.
        start: Makes what polls a monitor.
        clock: The time.

    Raises:
        ConfigError: If what is written cannot be understood at the start.
    """

    def __init__(self, watched: Watched | None, start: Callable[[AnomalyMonitor], Ingest], clock: Clock) -> None:
        self._watched = watched
        self._start = start
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.trouble = ""
        self.running: dict[str, Ingest] = {}
        for each in (watched.changed() or ()) if watched is not None else ():
            self.running[each.name] = start(each)

    def look(self) -> bool:
        """Take over what has changed; return whether anything has. Needs a running event loop."""
        try:
            found = self._watched.changed() if self._watched is not None else None
        except ConfigError as error:
            trouble, found = f"{error}; what was watched before goes on", None
            if trouble != self.trouble:
                _log.warning("monitors not reloaded", reason=str(error))
            self.trouble = trouble
        else:
            if found is not None:
                self.trouble = ""
        if found is not None:
            wanted = {each.name: each for each in found}
            for name, own in list(self.running.items()):
                if wanted.get(name) != own.monitor:
                    self._end(name)
            for name, monitor in wanted.items():
                if name not in self.running:
                    self.running[name] = self._start(monitor)
            _log.info("monitors reloaded", monitors=sorted(self.running))
        for name in self.running.keys() - self._tasks.keys():
            self._tasks[name] = asyncio.create_task(self._keep_running(name))
        return found is not None

    def end(self) -> None:
        """End all of them."""
        for name in list(self.running):
            self._end(name)

    def _end(self, name: str) -> None:
        del self.running[name]
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    async def _keep_running(self, name: str) -> None:
        """Run a monitor; should it break by a fault of ours, it begins again and the others go on."""
        while True:
            own = self.running[name]
            try:
                await own.run()
            except Exception as error:  # noqa: BLE001 - logged with its trace, and said in health
                _log.exception("monitor broke", monitor=name)
                again = self._start(own.monitor)
                again.trouble = f"it broke ({error!r}) and begins again; please report this"
                self.running[name] = again
                await self._clock.sleep_until(self._clock.now() + _RESTART)
