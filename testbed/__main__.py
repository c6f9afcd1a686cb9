"""Run a command beside real servers: python -m testbed --prometheus -- aiops demo."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from testbed.alertmanager import alertmanager
from testbed.prometheus import prometheus
from testbed.server import NotReadyError
from tools.catalog import ToolMissingError, find

_CANNOT_RUN = 127  # what a shell answers when a command cannot be found
_SIGNALLED = 128  # ... and this plus the number of the signal when one ended it
_PATIENCE_SECONDS = 10.0


def main() -> int:
    """Start what was asked for, run the command, stop everything; return the command's exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed",
        description="Start real servers on free loopback ports, run COMMAND, stop them, and end with its exit code.",
        epilog="The command finds them in AIOPS_PROMETHEUS__URL, AIOPS_ALERTMANAGER__URL and KUBECONFIG.",
    )
    parser.add_argument("--prometheus", action="store_true", help="an empty Prometheus that accepts remote writes")
    parser.add_argument(
        "--alertmanager", action="store_true", help="an Alertmanager, where Prometheus sends its alerts"
    )
    parser.add_argument(
        "--cluster", action="store_true", help="a Kubernetes control plane with two nodes that exist only in its API"
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --, with its arguments")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    try:
        with contextlib.ExitStack() as stack:
            found: dict[str, str] = {}
            if asked.alertmanager:
                started = time.monotonic()
                found["AIOPS_ALERTMANAGER__URL"] = stack.enter_context(alertmanager()).url
                _announce("Alertmanager", found["AIOPS_ALERTMANAGER__URL"], started)
            if asked.prometheus:
                started = time.monotonic()
                server = stack.enter_context(prometheus(alertmanager_url=found.get("AIOPS_ALERTMANAGER__URL")))
                found["AIOPS_PROMETHEUS__URL"] = server.url
                _announce("Prometheus", server.url, started)
            path = [str(Path(sys.executable).parent)]
            if asked.cluster:
                from testbed.cluster import cluster  # needs the client of Kubernetes, which the demo does without

                started = time.monotonic()
                api = stack.enter_context(cluster()).api
                found["KUBECONFIG"] = str(api.kubeconfig)
                path += [str(find(program).parent) for program in ("kubectl", "helm")]
                _announce("Kubernetes", api.url, started)
            # The programs installed beside this Python, `aiops` above all, come first.
            found["PATH"] = os.pathsep.join([*path, os.environ.get("PATH", os.defpath)])
            return _run(asked.command, found)
    except (ToolMissingError, NotReadyError) as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _SIGNALLED + signal.SIGINT


def _run(command: list[str], found: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env={**os.environ, **found})
    except OSError as error:
        print(f"testbed: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return _CANNOT_RUN
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = _end(process)  # the terminal sent Ctrl-C to the command as well
    except BaseException:
        process.terminate()
        _end(process)
        raise
    return code if code >= 0 else _SIGNALLED - code


def _end(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(_SIGNALLED + number)  # an exception, so that every server is stopped on the way out


def _announce(what: str, url: str, started: float) -> None:
    print(f"testbed: {what} is ready at {url} after {time.monotonic() - started:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
