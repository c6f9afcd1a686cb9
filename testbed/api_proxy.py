"""A proxy in front of the Kubernetes API that counts what changes something, and can fail at any such point.

Where a program is killed decides what it leaves behind. A proxy can end it right before the API sees a request, or
right after the API has done what was asked and before the program hears of it, without a line in the program itself.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from testbed.apiserver import ApiServer

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
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

    ``before`` and ``after`` are called in threads of their own, and may take their time.
    """

    url: str
    before: Callable[[Write], bool] = _pass
    after: Callable[[Write], bool] = _pass
    writes: list[Write] = field(default_factory=list)
    down: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def fail(self) -> None:
        """Break every connection, and refuse new ones until ``recover``."""
        self.down.set()
        self._loop.call_soon_threadsafe(self._break)

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

    def _break(self) -> None:
        for each in self._open:
            each.transport.abort()

    def _counted(self, verb: str, path: str) -> Write | None:
        if verb in _READS or "/leases" in path:
            return None
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
    proxy = ApiProxy(url="")

    async def serve(asks: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        if proxy.down.is_set():
            answers.transport.abort()
            return
        try:
            theirs, ours = await asyncio.open_connection(host, int(port), ssl=trusting)
        except OSError:
            answers.transport.abort()
            return
        await _Pair(proxy, asks, answers, theirs, ours).run()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving)

    thread = threading.Thread(target=proxy._loop.run_forever, name="api proxy")
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), proxy._loop).result(10)
    proxy.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_end(proxy, server), proxy._loop).result(10)
        proxy._loop.call_soon_threadsafe(proxy._loop.stop)
        thread.join()
        proxy._loop.close()


async def _end(proxy: ApiProxy, server: asyncio.Server) -> None:
    server.close()
    proxy._break()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # transports that were aborted are told so


class _Pair:
    """One connection of a client, and its twin to the API."""

    def __init__(
        self,
        proxy: ApiProxy,
        asks: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        theirs: asyncio.StreamReader,
        ours: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._asks, self._answers = asks, answers  # the client's side
        self._theirs, self._ours = theirs, ours  # the API's
        self._pending: Write | None = None

    async def run(self) -> None:
        """Pass on both ways until either side ends, or a write is to fail."""
        ends = (self._answers, self._ours)
        self._proxy._open.update(ends)
        ways = [asyncio.ensure_future(self._pass_requests()), asyncio.ensure_future(self._pass_answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ways:
                each.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._proxy._open.difference_update(ends)
            for end in ends:
                end.transport.abort()

    async def _pass_requests(self) -> None:
        while True:
            head = await self._asks.readuntil(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            verb, path, _ = first.decode().split(" ", 2)
            length = 0
            for line in lines:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = await self._asks.readexactly(length)
            write = self._proxy._counted(verb, path)
            if write is not None and not await asyncio.to_thread(self._proxy.before, write):
                return
            self._pending = write
            self._ours.write(head + body)
            await self._ours.drain()

    async def _pass_answers(self) -> None:
        while piece := await self._theirs.read(_PIECE_BYTES):
            write, self._pending = self._pending, None
            if write is not None and not await asyncio.to_thread(self._proxy.after, write):
                return
            self._answers.write(piece)
            await self._answers.drain()
