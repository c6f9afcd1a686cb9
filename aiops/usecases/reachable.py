"""Whether a system that we talk to answers: since when, and what it said when it last did not."""

from __future__ import annotations

from datetime import datetime

import structlog

from aiops import telemetry
from aiops.usecases.live_calls import UpstreamHealth

_log = structlog.get_logger(__name__)


class Reachable:
    """Remembers how the last request went; a change is logged, and the present state is a metric.

    Args:
        name: What the system is called in health, metrics and logs.
    """

    def __init__(self, name: str) -> None:
        self.health = UpstreamHealth(name=name)

    def answered(self, now: datetime) -> None:
        """Note that the system answered, were it with a refusal of what was asked."""
        if self.health.up is not True:
            if self.health.up is False:
                _log.info("upstream answers again", upstream=self.health.name)
            self.health = UpstreamHealth(name=self.health.name, up=True, since=now)
        telemetry.gauge(telemetry.UPSTREAM_UP).labels(self.health.name).set(1)

    def failed(self, now: datetime, reason: str) -> None:
        """Note that it did not answer."""
        since = self.health.since if self.health.up is False else now
        if self.health.up is not False:
            _log.warning("upstream does not answer", upstream=self.health.name, reason=reason)
        self.health = UpstreamHealth(name=self.health.name, up=False, since=since, reason=reason)
        telemetry.gauge(telemetry.UPSTREAM_UP).labels(self.health.name).set(0)
