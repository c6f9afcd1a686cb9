"""What probes and Prometheus ask a program of ours over HTTP: ``/healthz``, ``/readyz`` and ``/metrics``.

It answers from a thread of its own, so that a busy event loop does not look like a dead one until it is dead.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from aiops.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_BEAT_SECONDS = 1.0
_DEAD_SECONDS = 30.0


class Heartbeat:
    """Shows that an event loop still turns."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

    def trouble(self) -> str:
        """Return why the program should be started again; empty while it is alive."""
        silent = time.monotonic() - self._last
        return f"the event loop has not turned for {silent:.0f} s" if silent > _DEAD_SECONDS else ""


class Probes:
    """A small HTTP server, from ``__enter__`` to ``__exit__``.

    Args:
        host: Where to listen.
        port: Where to listen; 0 for any that is free.
        alive: Why the program should be started again; empty while it is alive.
        ready: Why it should get no calls; empty while it is ready. Both are called from other threads.

    Raises:
        ConfigError: If the address cannot be had.
    """

    def __init__(self, host: str, port: int, *, alive: Callable[[], str], ready: Callable[[], str]) -> None:
        metrics: WSGIApplication = make_wsgi_app()
        troubles = {"/healthz": alive, "/readyz": ready}

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if path == "/metrics":
                return metrics(environ, start_response)
            plain = [("Content-Type", "text/plain; charset=utf-8")]
            if path not in troubles:
                start_response("404 Not Found", plain)
                return [b"here are /healthz, /readyz and /metrics\n"]
            trouble = troubles[path]()
            start_response("503 Service Unavailable" if trouble else "200 OK", plain)
            return [f"{trouble or 'ok'}\n".encode()]

        try:
            self._server = make_server(host, port, answer, _Server6 if ":" in host else _Server, _Quiet)
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port} for probes and metrics: {error.strerror}") from error
        self._thread = Thread(target=self._server.serve_forever, name="probes", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: probes come every few seconds."""
