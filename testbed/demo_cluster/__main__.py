"""`make demo-cluster`: the whole project on a real control plane, beside the plain HPA, in minutes.

Example: python -m testbed.demo_cluster --trace wc98_may --report out.html
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console

from aiops.errors import AiopsError
from testbed.demo_cluster.play import Asked, play
from testbed.demo_cluster.telling import Telling
from testbed.server import NotReadyError
from tools.catalog import ToolMissingError

_SIGNALLED = 128  # what a shell says of a command that a signal ended, plus its number
_FASTEST = 30.0


class _StoppedError(BaseException):
    """Somebody wants us to end; no error, so that nothing catches it on the way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="make demo-cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="With make: make demo-cluster ARGS='--trace wc98_may'. Traces are looked for in AIOPS_DATA_DIR.",
    )
    parser.add_argument("--trace", metavar="NAME", help="which one; the steepest of all if left out")
    parser.add_argument("--speed", type=_speed, default=_FASTEST, help="how many times as fast as it was (up to 30)")
    parser.add_argument("--report", type=Path, default=Path("aiops-demo-cluster.html"), help="where the page goes")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C")
    given = parser.parse_args()
    telling = Telling(Console(highlight=False, soft_wrap=True), time.monotonic())
    data = os.environ.get("AIOPS_DATA_DIR")
    asked = Asked(
        data=Path(data) if data else None,
        trace=given.trace,
        speed=given.speed,
        report=given.report,
        keep=given.keep,
        command=shlex.join(["make", "demo-cluster", *(["ARGS=" + shlex.join(sys.argv[1:])] if sys.argv[1:] else [])]),
    )
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        play(asked, telling)
    except (AiopsError, ToolMissingError, NotReadyError, RuntimeError, TimeoutError) as error:
        print(f"demo-cluster: {error}", file=sys.stderr)
        return 1
    except _StoppedError as stopped:
        print("demo-cluster: stopped; nothing is left running", file=sys.stderr)
        return _SIGNALLED + stopped.number
    return 0


def _speed(text: str) -> float:
    speed = float(text)
    if not 1 <= speed <= _FASTEST:
        raise argparse.ArgumentTypeError(f"between 1 and {_FASTEST:g}, got {text}")
    return speed


def _stop(number: int, _: FrameType | None) -> None:
    """Leave by an exception, so that everything is stopped on the way out, and let nothing disturb that."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    print("\ndemo-cluster: stopping what was started ...", file=sys.stderr)
    raise _StoppedError(number)


if __name__ == "__main__":
    sys.exit(main())
