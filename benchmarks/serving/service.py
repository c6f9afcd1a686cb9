"""`aiops serve` for the benchmark: it differs in that a series never counts as silent.

A fleet's day is sent in seconds, and its stamps are hours old: a service that looks for silence would open and resolve
a ticket for each series every few seconds.

python -m benchmarks.serving.service LISTEN METRICS REGISTRY STATE
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from aiops import telemetry, wiring
from aiops.alerting.rules import AlertRule
from aiops.server.address import Address
from aiops.server.app import Options, serve
from aiops.usecases.live import Limits
from benchmarks.serving.fleet import MODEL

_NEVER = timedelta(days=365)


async def main(listen: str, metrics: str, registry: str, state: str) -> None:
    telemetry.configure("INFO")
    limits = Limits(rule=AlertRule(silent_after=_NEVER, forget_after=2 * _NEVER))
    asked = wiring.LiveRequest(watch=None, registry=registry, model=MODEL, state=Path(state), limits=limits)
    async with wiring.live(asked, wiring.settings()) as live:
        await serve(live, Options(listen=Address.parse(listen), metrics=Address.parse(metrics)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
