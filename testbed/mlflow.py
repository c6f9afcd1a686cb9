"""A real MLflow server on an SQLite file."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from testbed.server import Server, running


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[Server]:
    """Run an MLflow server until the ``with`` block ends.

    Args:
        folder: Its database and its artifacts; a server started on them again knows what the one before knew.

    Raises:
        NotReadyError: If it did not start; carries its log.
    """

    def command(port: int, _: Path) -> list[str | Path]:
        return [
            "env", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true",
            sys.executable, "-m", "mlflow", "server",
            "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts",
        ]  # fmt: skip

    with running("mlflow", command, ready_path="/health", ready_within_seconds=120) as server:
        try:
            yield server
        finally:
            kill(server)


def kill(server: Server) -> None:
    """End the server and the process that answers for it at once, as a crash would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)  # the leader of its own group
    server.process.wait()
