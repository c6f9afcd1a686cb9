"""An HTTP server on loopback for what a real Prometheus cannot be made to do: be slow, break off, ask for a password.

What it says is written by each test; it is never a stand-in for what Prometheus computes.
"""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came in."""

    path: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer: after ``pause`` seconds, and so many seconds between any two bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    claimed_length: int | None = None
    pause: float = 0.0
    pause_a_byte: float = 0.0


@dataclass(slots=True)
class Peer:
    """Where it listens, and what it was asked."""

    url: str
    asked: list[Asked]


@contextlib.contextmanager
def peer(answer: Callable[[Asked], Reply], *, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """Answer requests on a free loopback port until the ``with`` block ends."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            is_form = self.headers.get("Content-Type") == "application/x-www-form-urlencoded"
            pairs = parse_qsl(parts.query) + (parse_qsl(body.decode()) if is_form else [])
            asked = Asked(path=parts.path, form=dict(pairs), headers=dict(self.headers), body=body)
            here.asked.append(asked)
            self._send(answer(asked))

        def do_GET(self) -> None:
            self.do_POST()

        def _send(self, reply: Reply) -> None:
            ended.wait(reply.pause)
            with contextlib.suppress(OSError):  # the one who asked may have gone
                self.send_response(reply.status)
                length = len(reply.body) if reply.claimed_length is None else reply.claimed_length
                for name, value in {**reply.headers, "Content-Length": str(length)}.items():
                    self.send_header(name, value)
                self.end_headers()
                if not reply.pause_a_byte:
                    self.wfile.write(reply.body)
                    self.close_connection = length != len(reply.body)
                    return
                for number in range(len(reply.body)):
                    self.wfile.write(reply.body[number : number + 1])
                    if ended.wait(reply.pause_a_byte):
                        break

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing; the tests look at what was asked."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A refused handshake is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        here = Peer(f"{'http' if tls is None else 'https'}://localhost:{server.server_port}", [])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield here
        finally:
            ended.set()
            server.shutdown()
            thread.join()
