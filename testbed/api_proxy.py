"""A proxy in front of the Kubernetes API that counts what changes something, and can fail at any such point.

Where a program is killed decides what it leaves behind. A proxy can end it right before the API sees a request, or
right after the API has done what was asked and before the program hears of it, without a line in the program itself.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import yaml

from testbed.apiserver import ApiServer

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LARGEST_HEAD_BYTES: Final = 65_536
_PIECE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A request that changes something, leases aside.

    Attributes:
        number: Counts from 1.
        verb: Of HTTP.
        path: With the query.
    """

    number: int
    verb: str
    path: str


def _pass(_: Write) -> bool:
    return True


@dataclass(slots=True, kw_only=True, eq=False)
class ApiProxy:
    """A running proxy.

    Attributes:
        url: Where it listens.
        before: Asked about each write before the API sees it; False drops the request and the connection.
        after: Asked when the API has answered a write; False drops the answer and the connection.
        writes: All so far.
        down: While set, nobody gets through.
    """

    url: str
    before: Callable[[Write], bool] = _pass
    after: Callable[[Write], bool] = _pass
    writes: list[Write] = field(default_factory=list)
    down: threading.Event = field(default_factory=threading.Event)
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self) -> None:
        """Break every connection, and refuse new ones until ``recover``."""
        self.down.set()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def recover(self) -> None:
        """Let everybody through again."""
        self.down.clear()

    def kubeconfig(self, api: ApiServer) -> Path:
        """Write a file with which a program is the administrator of ``api`` through this proxy."""
        config = yaml.safe_load(api.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = self.url
        file = api.authority.folder / f"proxy-{self.url.rpartition(':')[2]}.kubeconfig"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(config))
        return file

    def _keep(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open.update(sockets)

    def _forget(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _counted(self, verb: str, path: str) -> Write | None:
        if verb in _READS or "/leases" in path:
            return None
        with self._lock:
            found = Write(number=len(self.writes) + 1, verb=verb, path=path)
            self.writes.append(found)
            return found


@contextlib.contextmanager
def api_proxy(api: ApiServer) -> Iterator[ApiProxy]:
    """Run a proxy in front of ``api`` until the block ends."""
    pair = api.authority.issue("proxy", user="proxy", hosts=("127.0.0.1", "localhost"))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pair.certificate, pair.key)
    trusting = ssl.create_default_context(cafile=api.authority.certificate)
    host, _, port = api.url.removeprefix("https://").partition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = ApiProxy(url=f"https://127.0.0.1:{listener.getsockname()[1]}")

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            inside = serving.wrap_socket(client, server_side=True)
            outside = trusting.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host)
            _Pair(proxy, inside, outside).run()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if proxy.down.is_set():
                client.close()
                continue
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        proxy.fail()
        thread.join(5)


class _Pair:
    """One connection of a client, and its twin to the API."""

    def __init__(self, proxy: ApiProxy, inside: ssl.SSLSocket, outside: ssl.SSLSocket) -> None:
        self._proxy = proxy
        self._inside = inside
        self._outside = outside
        self._pending: Write | None = None

    def run(self) -> None:
        self._proxy._keep(self._inside, self._outside)
        answers = threading.Thread(target=self._answer, daemon=True)
        answers.start()
        try:
            with contextlib.suppress(OSError), self._inside.makefile("rb") as requests:
                while self._ask(requests):
                    pass
        finally:
            self._proxy._forget(self._inside, self._outside)
            answers.join(5)

    def _ask(self, requests: BinaryIO) -> bool:
        """Pass one request on; return whether another may follow."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = requests.readline(_LARGEST_HEAD_BYTES)
            if not line:
                return False
            head += line
        verb, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = requests.read(length) if length else b""
        write = self._proxy._counted(verb, path)
        if write is not None and not self._proxy.before(write):
            return False
        self._pending = write
        self._outside.sendall(head + body)
        return True

    def _answer(self) -> None:
        """Pass answers on until the API or the client ends the connection."""
        with contextlib.suppress(OSError):
            while piece := self._outside.recv(_PIECE_BYTES):
                write, self._pending = self._pending, None
                if write is not None and not self._proxy.after(write):
                    break
                self._inside.sendall(piece)
        with contextlib.suppress(OSError):
            self._inside.shutdown(socket.SHUT_RDWR)
