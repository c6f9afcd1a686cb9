"""What happens to every call before and after its own work.

Who may call, how many at once, for how long, and what is told and written down when it goes wrong: in one interceptor,
because each costs every call its time.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import grpc
import structlog
from google.protobuf.message import DecodeError

from aiops.adapters.token_file import TokenFile
from aiops.server.admission import Admission
from aiops.server.journal import Journal
from aiops.server.statuses import Refusal, refusal_of

_log = structlog.get_logger(__name__)

_HEALTH = "/grpc.health.v1.Health/"
_BEARER = "Bearer "
_ON_THE_WAY_SECONDS = 0.05
_ROUNDED_UP = 0.01


class _Call:
    """One call: it ends with a status, whatever happens, and is written down before its caller is told.

    Args:
        method: Its full name.
        began: When it came, of ``time.perf_counter``.
        refused: Why it is not let in; None if it is.
        journal: Where it is written down.
    """

    __slots__ = ("_began", "_context", "_journal", "_method", "_refused")

    def __init__(self, method: str, began: float, refused: Refusal | None, journal: Journal) -> None:
        self._method = method
        self._began = began
        self._refused = refused
        self._journal = journal
        self._context: Any = None

    def of(self, context: Any) -> Self:
        """Return it with the context that gRPC has made for it."""
        self._context = context
        return self

    async def __aenter__(self) -> None:
        if self._refused is not None:
            await self._end(self._refused)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._write(grpc.StatusCode.OK)
        elif isinstance(error, Exception):
            await self._end(refusal_of(error) or _fault(self._method, error))
        else:
            self._write(grpc.StatusCode.DEADLINE_EXCEEDED if self._late() else grpc.StatusCode.CANCELLED)

    def _late(self) -> bool:
        """Whether a call that was given up had no time left, as far as can be known.

        Whoever calls counts from when he sent it, and his giving up may come before our own clock has run out: up to
        the way of the message, and what gRPC rounds his deadline up by, which is below a hundredth.
        """
        left: float | None = self._context.time_remaining()
        if left is None:
            return False
        whole = time.perf_counter() - self._began + left
        return left <= _ON_THE_WAY_SECONDS + _ROUNDED_UP * whole

    async def _end(self, told: Refusal) -> None:
        self._write(told.code, told.message)
        await self._context.abort(told.code, told.message, told.trailing_metadata)

    def _write(self, code: grpc.StatusCode, reason: str = "") -> None:
        self._journal.ended(self._method, code, time.perf_counter() - self._began, reason)


def _stream(behaviour: Callable[[Any, Any], AsyncIterator[Any]], call: _Call) -> Any:
    async def answers(requests: Any, context: Any) -> AsyncIterator[Any]:
        async with call.of(context):
            async for each in behaviour(requests, context):
                yield each

    return answers


class Entrance(grpc.aio.ServerInterceptor):
    """Lets calls in, and sees them out.

    Health answers everybody, since probes carry no token. Whoever is not let in is told so before his message is read.

    Args:
        tokens: Who may call; None lets everybody.
        admissions: How many calls of a method are under way at most, by its full name; others are not counted.
        deadline: For calls that bring none, streams left aside.
        journal: Told how each call of those methods ended.
    """

    def __init__(
        self, *, tokens: TokenFile | None, admissions: Mapping[str, Admission], deadline: timedelta, journal: Journal
    ) -> None:
        self._tokens = tokens
        self._admissions = admissions
        self._deadline_seconds = deadline.total_seconds()
        self._journal = journal

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a call, or one that tells why there is none."""
        began = time.perf_counter()
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(_HEALTH):
            return handler
        refused = self._stranger(handler_call_details.invocation_metadata)
        admission = self._admissions.get(method)
        if refused is None and admission is not None:
            refused = admission.enter()
            if refused is not None:
                self._journal.shed()
        if admission is None and refused is None:
            return handler
        call = _Call(method, began, refused, self._journal)
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(
                _stream(handler.stream_stream, call), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(handler.unary_unary, call), _lenient(handler.request_deserializer), handler.response_serializer
        )

    def _unary(self, behaviour: Callable[[Any, Any], Awaitable[Any]], call: _Call) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            async with call.of(context):
                if isinstance(request, DecodeError):
                    raise request
                if context.time_remaining() is not None:
                    return await behaviour(request, context)
                async with asyncio.timeout(self._deadline_seconds):
                    return await behaviour(request, context)

        return answer

    def _stranger(self, metadata: Sequence[tuple[str, str | bytes]] | None) -> Refusal | None:
        if self._tokens is None:
            return None
        for name, value in metadata or ():
            if name == "authorization" and isinstance(value, str) and value.startswith(_BEARER):
                if self._tokens.accepts(value.removeprefix(_BEARER)):
                    return None
                return Refusal(grpc.StatusCode.UNAUTHENTICATED, "this token is not known here: was it replaced?")
        return Refusal(grpc.StatusCode.UNAUTHENTICATED, "send a token in the metadata: authorization: Bearer TOKEN")


def _fault(method: str, error: Exception) -> Refusal:
    """Write down a fault of ours, and return what its caller is told: where to find it, and nothing of our inside."""
    reference = uuid4().hex[:8]
    _log.error(
        "call failed", method=method, reference=reference, trace="".join(traceback.format_exception(error)).strip()
    )
    return Refusal(grpc.StatusCode.INTERNAL, f"a fault of ours; the log of the service has it under {reference}")


@cache
def _lenient(deserializer: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return the error in place of a message that cannot be read; raised, it would end the call as a fault of ours."""

    def read(message: bytes) -> Any:
        try:
            return deserializer(message)
        except DecodeError as error:
            return error

    return read
