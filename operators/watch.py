"""Watches PredictiveScalers through kopf, and says which of them to look at.

kopf brings what a watch needs: listing, following, starting again after a silence, an expired version or an outage, and
credentials that run out. It runs in a thread with an event loop of its own, since it takes every task of its loop for
its own when it stops. Only its raw events are used. Its handlers of changes, its daemons and its timers would keep
notes in annotations, put a finalizer on each resource, and go by the machine's time (ADR 12).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import kopf
import structlog
from kubernetes.client import ApiClient

from aiops.scaling.resource import GROUP, PLURAL, VERSION

_STREAM_SECONDS: Final = 300
"""How long one watch request lasts; kopf itself gives one up that is silent for 70 s, bookmarks included."""
_CONNECT_SECONDS: Final = 5.0
_REQUEST_SECONDS: Final = 30.0
_STOPPED_WITHIN_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 5.0
_GOODBYE_SECONDS: Final = 0.25  # TLS connections say goodbye after aiohttp calls them closed
_LOGIN_AGAIN: Final = timedelta(minutes=10)  # the token of a pod is replaced within the hour that it lasts

_log = structlog.get_logger()

Look = Callable[[str, str, int, bool], None]
"""Called with namespace, name, generation, and whether the deletion was asked for or has happened."""


class Watch:
    """Follows PredictiveScalers from ``start`` to ``stop``.

    Args:
        api: Whose address and credentials are used.
        namespaces: Where to look; everywhere if empty.
        look: Called in the event loop that ``start`` was called in, at least once for each resource there is.
    """

    def __init__(self, api: ApiClient, namespaces: Sequence[str], look: Look) -> None:
        self._api = api
        self._namespaces = tuple(namespaces)
        self._look = look
        self._stop = threading.Event()
        self._end_kopf: Callable[[], None] = lambda: None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="kopf", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Have it end; nothing more is called."""
        self._stop.set()
        self._end_kopf()

    async def ended(self) -> None:
        """Return when it has ended."""
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _STOPPED_WITHIN_SECONDS)

    def _seen(self, namespace: str, name: str, generation: int, gone: bool) -> None:
        if not self._stop.is_set():
            self._look(namespace, name, generation, gone)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        _quieten()
        while not self._stop.is_set():
            try:
                asyncio.run(self._follow(loop))
            except Exception as error:  # noqa: BLE001 - whatever ended it, it starts again; turns go on meanwhile
                _log.warning("watch ended, and starts again", error=repr(error))
            self._stop.wait(_AGAIN_SECONDS)

    async def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        registry = kopf.OperatorRegistry()
        # A flag of this loop: waiting for one of threading's would keep a thread that outlives the loop.
        flag, ours = asyncio.Event(), asyncio.get_running_loop()

        def end() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                ours.call_soon_threadsafe(flag.set)

        self._end_kopf = end
        if self._stop.is_set():
            return

        @kopf.on.login(registry=registry)
        async def login(**_: object) -> kopf.ConnectionInfo:
            return _credentials(self._api)

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def seen(type: str | None, meta: Any, **_: object) -> None:
            gone = type == "DELETED" or meta.get("deletionTimestamp") is not None
            found = (str(meta["namespace"]), str(meta["name"]), int(meta.get("generation", 1)), gone)
            if not self._stop.is_set():
                loop.call_soon_threadsafe(self._seen, *found)

        await kopf.operator(
            registry=registry,
            settings=_settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=flag,
        )
        await asyncio.sleep(_GOODBYE_SECONDS)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # Events are ours to write
    settings.scanning.disabled = True  # no rights to list namespaces and CRDs are needed
    settings.watching.server_timeout = _STREAM_SECONDS
    settings.watching.client_timeout = _STREAM_SECONDS + _REQUEST_SECONDS
    settings.watching.connect_timeout = _CONNECT_SECONDS
    settings.networking.connect_timeout = _CONNECT_SECONDS
    settings.networking.request_timeout = _REQUEST_SECONDS
    settings.process.ultimate_exiting_timeout = None  # this process is not kopf's to kill
    return settings


def _credentials(api: ApiClient) -> kopf.ConnectionInfo:
    configuration = api.configuration
    headers: dict[str, str] = {}
    api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme=scheme or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        expiration=datetime.now(UTC) + _LOGIN_AGAIN,
    )


def _quieten() -> None:
    """Silence kopf: what ends it is logged by us, in one line."""
    logging.getLogger("kopf").setLevel(logging.CRITICAL)
