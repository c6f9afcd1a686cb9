"""A real MLflow tracking server: the registry that training and serving share in a cluster."""

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from testbed.server import Server, running

_READY_WITHIN_SECONDS = 120.0  # it imports much, and beside other work that takes its time


def mlflow_server() -> AbstractContextManager[Server]:
    """Run an empty MLflow on SQLite until the ``with`` block ends.

    Raises:
        NotReadyError: If it did not start; carries its log.
    """

    def command(port: int, folder: Path) -> list[str | Path]:
        return [
            Path(sys.executable).parent / "mlflow",
            "server",
            "--host=127.0.0.1",
            f"--port={port}",
            f"--backend-store-uri=sqlite:///{folder / 'mlflow.db'}",
            f"--artifacts-destination={folder / 'artifacts'}",
            "--workers=1",
        ]

    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight processes that nobody needs
    return running(
        "mlflow", command, ready_path="/health", ready_within_seconds=_READY_WITHIN_SECONDS, environment=environment
    )
