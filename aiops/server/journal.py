"""What is written down of calls: metrics of each, and a line a method and status every few seconds, not one a call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc
import structlog

from aiops import telemetry

_log = structlog.get_logger(__name__)

_PERIOD_SECONDS = 10.0
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EXPECTED = frozenset({"OK", "CANCELLED"})


@dataclass(slots=True)
class _Calls:
    """Calls of one method with one status since the last line."""

    count: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    reason: str = ""


class Journal:
    """Counts calls as they end, and writes what it counted."""

    def __init__(self) -> None:
        self._requests = telemetry.counter(telemetry.REQUESTS)
        self._shed = telemetry.counter(telemetry.REQUESTS_SHED)
        self._seconds = telemetry.histogram(telemetry.REQUEST_SECONDS, _BUCKETS)
        self._calls: dict[tuple[str, str], _Calls] = {}

    def ended(self, method: str, code: grpc.StatusCode, seconds: float, reason: str = "") -> None:
        """Note one call: how it ended, after how long, and what its caller was told."""
        name = code.name
        self._requests.labels(method, name).inc()
        self._seconds.labels(method).observe(seconds)
        calls = self._calls.get((method, name))
        if calls is None:
            calls = self._calls[method, name] = _Calls()
        calls.count += 1
        calls.seconds += seconds
        calls.slowest_seconds = max(calls.slowest_seconds, seconds)
        calls.reason = reason or calls.reason

    def shed(self) -> None:
        """Note that a call was sent away because too many waited."""
        self._shed.inc()

    async def run(self) -> None:
        """Write a line for each method and status every few seconds, until cancelled."""
        try:
            while True:
                await asyncio.sleep(_PERIOD_SECONDS)
                self._write()
        finally:
            self._write()

    def _write(self) -> None:
        calls, self._calls = self._calls, {}
        for (method, code), each in sorted(calls.items()):
            write = _log.info if code in _EXPECTED else _log.warning
            write(
                "calls answered",
                method=method,
                code=code,
                calls=each.count,
                mean_seconds=round(each.seconds / each.count, 6),
                slowest_seconds=round(each.slowest_seconds, 6),
                **({"last_reason": each.reason} if each.reason else {}),
            )
