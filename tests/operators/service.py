"""The real forecast service as a process, on the clock of a stage."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiops.adapters.grpc_forecasts import GrpcForecasts
from testbed.server import Server, free_port, running
from tests.operators.stage import Stage

_TOKEN = "a-token-of-sixteen-characters-or-more"


@dataclass(slots=True)
class Service:
    """A running service.

    Attributes:
        server: Its process.
        port: Where calls come in.
        folder: Where tokens lie.
    """

    server: Server
    port: int
    folder: Path

    def forecasts(self, token: str = _TOKEN) -> GrpcForecasts:
        """Return what the operator asks it through."""
        file = self.folder / f"{token[:8]}.token"
        file.write_text(token)
        return GrpcForecasts(f"127.0.0.1:{self.port}", token_file=file, insecure=True, timeout=timedelta(seconds=5))


@contextlib.contextmanager
def service(stage: Stage, folder: Path, port: int | None = None) -> Iterator[Service]:
    """Run `aiops serve` until the block ends."""
    calls = port or free_port()
    tokens = folder / "tokens"
    tokens.write_text(_TOKEN)

    def command(probes: int, home: Path) -> list[str | Path]:
        return [
            sys.executable, "-m", "aiops", "serve",
            f"--listen=127.0.0.1:{calls}", f"--metrics=127.0.0.1:{probes}", f"--state={home / 'state'}",
            f"--token-file={tokens}", "--drain=1s",
        ]  # fmt: skip

    with running(
        "serve", command, environment={**os.environ, **stage.environment()}, ready_path="/readyz",
        ready_within_seconds=60,
    ) as server:  # fmt: skip
        yield Service(server=server, port=calls, folder=folder)
