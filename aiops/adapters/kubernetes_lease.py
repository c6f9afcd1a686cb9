"""A Lease of Kubernetes: of several processes, one works, and it knows at each instant whether it still may.

Times here are real, whatever clock the work goes by: what is at stake is another process. The holder counts from when
it *sent* its last renewal; another process counts from when it *saw* it. So their clocks need not agree.

With the defaults a holder that loses the API stops writing after 8 s, a request that it had sent is over by 11.5 s, and
another takes over after 12 s. A killed holder is followed within 12 s and two looks, an orderly one within one look.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from aiops.adapters.kubernetes_http import KubernetesHttp, Object, path_of
from aiops.errors import UpstreamConflictError, UpstreamError, UpstreamRejectedError

_API: Final = "coordination.k8s.io/v1"
_PLURAL: Final = "leases"
DURATION_SECONDS: Final = 12
RENEW_DEADLINE_SECONDS: Final = 8.0
LOOK_EVERY_SECONDS: Final = 2.0

_log = structlog.get_logger()


class Lease:
    """The right to work, held by at most one process.

    Args:
        http: Not fenced by this lease, and used for nothing else: a renewal must not wait for other requests.
        namespace: Where the Lease is; it is made when there is none.
        name: Its name.
        identity: Who we are; no two processes may ever share it, not even one after the other.
        monotonic: Seconds that pass evenly; the machine's.
    """

    def __init__(
        self,
        http: KubernetesHttp,
        *,
        namespace: str,
        name: str,
        identity: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._collection = path_of(_API, _PLURAL, namespace)
        self._path = path_of(_API, _PLURAL, namespace, name)
        self._name, self._namespace, self._identity = name, namespace, identity
        self._monotonic = monotonic
        self._may_work_until = -math.inf
        self._mine: Object | None = None
        self._seen: tuple[object, ...] = ()
        self._seen_at = -math.inf

    def held(self) -> bool:
        """Return whether we may write at this instant."""
        return self._monotonic() < self._may_work_until

    async def acquire(self) -> None:
        """Return when the lease is ours."""
        while not await self._try(self._take_if_free):  # noqa: ASYNC110 - nobody tells us but the API, when asked
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def keep(self) -> None:
        """Renew the lease again and again; return when it is lost."""
        while self.held():
            await self._try(self._renew)
            left = self._may_work_until - self._monotonic()
            await asyncio.sleep(min(LOOK_EVERY_SECONDS, max(left, 0.0)))

    async def seize(self) -> None:
        """Take the lease whoever holds it; return when nothing that its holder sent is under way any more.

        Raises:
            UpstreamError: If it cannot be taken.
        """
        sent = self._monotonic()
        found = await self._http.get(self._path)
        held = bool(((found or {}).get("spec") or {}).get("holderIdentity"))
        self._mine = await self._write(found)
        self._may_work_until = sent + RENEW_DEADLINE_SECONDS
        while held and self._monotonic() < sent + DURATION_SECONDS:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await self._renew()

    async def release(self, *, after_seconds: int = 1) -> None:
        """Give the lease up; does nothing if it is not ours.

        Args:
            after_seconds: How long nobody else takes it, from when they see this. 1: at their next look.
        """
        mine, self._may_work_until = self._mine, -math.inf
        self._mine = None
        if mine is None:
            return
        holder = "" if after_seconds <= 1 else self._identity
        spec = {**mine["spec"], "holderIdentity": holder, "leaseDurationSeconds": after_seconds}
        with contextlib.suppress(UpstreamError):  # it runs out by itself
            await self._http.put(self._path, {**mine, "spec": spec})

    async def _try(self, act: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await act()
        except UpstreamConflictError:
            self._forget()  # another was faster
        except UpstreamRejectedError as error:
            _log.error("lease was refused", lease=f"{self._namespace}/{self._name}", error=str(error))
        except UpstreamError as error:
            _log.warning("lease could not be reached", lease=f"{self._namespace}/{self._name}", error=str(error))
        return False

    async def _take_if_free(self) -> bool:
        sent = self._monotonic()
        found = await self._http.get(self._path)
        if found is not None:
            spec = found.get("spec") or {}
            self._look(spec)
            free = not spec.get("holderIdentity") or spec["holderIdentity"] == self._identity
            if not free and self._monotonic() < self._seen_at + float(spec.get("leaseDurationSeconds") or 0):
                return False
        self._mine = await self._write(found)
        self._may_work_until = sent + RENEW_DEADLINE_SECONDS
        return True

    def _look(self, spec: Object) -> None:
        """Remember when this record was first seen: from then on its duration counts."""
        record = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if record != self._seen:
            self._seen, self._seen_at = record, self._monotonic()

    async def _renew(self) -> bool:
        sent = self._monotonic()
        mine = self._mine
        if mine is None:
            return False
        try:
            self._mine = await self._write(mine)
        except UpstreamConflictError:
            # Ours still, but for an annotation or a renewal whose answer was lost? Then it says so.
            found = await self._http.get(self._path)
            if found is None or (found.get("spec") or {}).get("holderIdentity") != self._identity:
                raise
            self._mine = await self._write(found)
        self._may_work_until = sent + RENEW_DEADLINE_SECONDS
        return True

    def _forget(self) -> None:
        self._mine = None
        self._may_work_until = -math.inf

    async def _write(self, found: Object | None) -> Object:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        before = (found or {}).get("spec") or {}
        again = before.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_SECONDS,
            "renewTime": now,
            "acquireTime": before.get("acquireTime", now) if again else now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if again or found is None else 1),
        }
        if found is None:
            meta = {"name": self._name, "namespace": self._namespace}
            return await self._http.create(
                self._collection, {"apiVersion": _API, "kind": "Lease", "metadata": meta, "spec": spec}
            )
        return await self._http.put(self._path, {**found, "spec": spec})
