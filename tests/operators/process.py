"""`python -m operators` as a real process, with forecasts made in the process itself.

For tests that kill it, and that run two of them. Everything but the ForecastSource is what the program does.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from aiops import telemetry, wiring
from aiops.adapters.local_forecasts import LocalForecasts
from aiops.server.address import Address
from operators import main
from operators.app import Options
from tests.operators.stage import Stage


class Process:
    """One operator; killed at the end if it still lives.

    Args:
        stage: Whose namespace it serves and whose clock it goes by.
        kubeconfig: How it reaches the API.
        folder: Gets its log.
        identity: Starts its name in the Lease.
    """

    def __init__(self, stage: Stage, kubeconfig: Path, folder: Path, identity: str) -> None:
        self.log = folder / f"{identity}-{time.monotonic_ns()}.log"
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AIOPS_")},
            "KUBECONFIG": str(kubeconfig),
            **stage.environment(),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.operators.process", identity, stage.name],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """End it as the kernel ends what runs out of memory: at once, and without a word."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """End it as Kubernetes does, and return its exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _run(identity: str, namespace: str) -> None:
    telemetry.configure("INFO")
    configured = wiring.settings()
    options = Options(identity=main._identity(identity), lease_namespace=namespace, namespaces=(namespace,))
    forecasts = LocalForecasts(wiring.prometheus(None, configured))
    asyncio.run(main.serve(options, Address.parse("127.0.0.1:0"), forecasts, configured))


if __name__ == "__main__":
    _run(*sys.argv[1:])
