"""One real server program as a child process: a free port, a data folder of its own, a log, and a certain end."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_STOP_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.02
_ATTEMPTS_AT_A_PORT = 3


class NotReadyError(RuntimeError):
    """A server did not become ready; the message ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Server:
    """A running server.

    Attributes:
        name: What it is, such as ``"prometheus"``.
        url: Where it listens, without a slash at the end.
        folder: Its data, configuration and log; removed when it has stopped.
        grace_seconds: How long it may take to end when asked to; zero: it is not asked.
    """

    name: str
    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    grace_seconds: float = _STOP_GRACE_SECONDS

    @property
    def port(self) -> int:
        """Return the loopback port that it listens on."""
        return int(self.url.rsplit(":", 1)[1])

    @property
    def log(self) -> Path:
        """Return the file that holds everything the program printed."""
        return self.folder / f"{self.name}.log"

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of the log; empty when it is gone."""
        try:
            with self.log.open(errors="replace") as text:
                return "".join(deque(text, maxlen=lines))
        except FileNotFoundError:
            return ""

    def is_running(self) -> bool:
        """Return whether the process lives."""
        return self.process.poll() is None

    def stop(self) -> None:
        """End the process: ask, and after the grace time insist; with it goes what it started and left behind.

        Does nothing when it has ended already.
        """
        end_group(self.process, self.grace_seconds)


@contextlib.contextmanager
def running(
    name: str,
    command: Callable[[int, Path], Sequence[str | Path]],
    *,
    ready_path: str = "/-/ready",
    ready_within_seconds: float = 30.0,
    authority: Path | None = None,
    grace_seconds: float = _STOP_GRACE_SECONDS,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a server on a free loopback port until the ``with`` block ends.

    Args:
        name: What it is; names its folder and its log.
        command: Given the port and an empty folder, writes what the program needs there and returns its command line.
        ready_path: Answers 200 once the server is ready.
        authority: The certificate that signed the server's, when it speaks HTTPS; None means HTTP.
        grace_seconds: How long it may take to end when asked to; zero kills it at once.
        port: Instead of a free one.
        environment: All that it sees of it; ours if None.

    Raises:
        NotReadyError: If it ends or stays silent; carries the log.
    """
    for attempt in range(1, _ATTEMPTS_AT_A_PORT + 1):
        folder = Path(tempfile.mkdtemp(prefix=f"aiops-{name}-"))
        try:
            own = free_port() if port is None else port
            process = _start(name, folder, command(own, folder), environment)
            url = f"{'http' if authority is None else 'https'}://127.0.0.1:{own}"
            server = Server(name=name, url=url, folder=folder, process=process, grace_seconds=grace_seconds)
            try:
                _wait_until_ready(server, ready_path, ready_within_seconds, authority)
            except NotReadyError:
                # Between our choosing the port and the server's using it, another program may have taken it.
                if attempt < _ATTEMPTS_AT_A_PORT and "address already in use" in server.log_tail():
                    continue
                raise
            else:
                yield server
                return
            finally:
                server.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def end_group(process: subprocess.Popen[Any], grace_seconds: float = _STOP_GRACE_SECONDS) -> None:
    """End a process that leads a group of its own, and whatever it has started and left behind."""
    if process.poll() is not None:
        return
    if grace_seconds > 0:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(
    name: str, folder: Path, command: Sequence[str | Path], environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [*dies_with_parent(), *map(str, command)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C is for us; we then stop the server in order
        )


def dies_with_parent() -> list[str]:
    """Return a prefix that has Linux end the server should we be killed without a chance to do it."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _wait_until_ready(server: Server, ready_path: str, within_seconds: float, authority: Path | None) -> None:
    deadline = time.monotonic() + within_seconds
    trusted = ssl.create_default_context(cafile=authority)
    with httpx.Client(trust_env=False, timeout=1.0, verify=trusted) as client:
        while time.monotonic() < deadline:
            if not server.is_running():
                code = server.process.returncode
                raise NotReadyError(f"{server.name} ended with code {code} before it was ready:\n{server.log_tail()}")
            with contextlib.suppress(httpx.TransportError):
                if client.get(server.url + ready_path).status_code == httpx.codes.OK:
                    return
            time.sleep(_POLL_SECONDS)
    raise NotReadyError(f"{server.name} was not ready after {within_seconds:g} s:\n{server.log_tail()}")
