"""A webhook receiver on loopback: what a notification looks like to the one who gets it."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """Keeps what was posted to it.

    Attributes:
        url: Where to post.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._received: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def received(self) -> list[dict[str, Any]]:
        """Return the JSON bodies so far, oldest first."""
        with self._changed:
            return list(self._received)

    def wait_for(self, enough: Callable[[list[dict[str, Any]]], bool], within_seconds: float) -> list[dict[str, Any]]:
        """Return the bodies as soon as ``enough`` says so.

        Raises:
            TimeoutError: If it does not in time; says how many had come.
        """
        deadline = time.monotonic() + within_seconds
        with self._changed:
            while not enough(self._received):
                if not self._changed.wait(deadline - time.monotonic()):
                    count = len(self._received)
                    raise TimeoutError(f"waited {within_seconds:.0f} s, and {count} notifications were not enough")
            return list(self._received)

    def _add(self, body: dict[str, Any]) -> None:
        with self._changed:
            self._received.append(body)
            self._changed.notify_all()


@contextlib.contextmanager
def webhook() -> Iterator[Webhook]:
    """Receive posts on a free loopback port until the ``with`` block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            hook._add(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing; the tests look at what was received."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()
