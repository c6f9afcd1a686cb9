"""What happens to every call before and after its own work.

Who may call, how many at once, for how long, and what is told and written down when it goes wrong: in one interceptor,
because each costs every call its time.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any
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

Behaviour = Callable[[Any, Any], Awaitable[Any]]


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
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._told(handler.stream_stream, method, began, refused),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(handler.unary_unary, method, began, refused),
            _lenient(handler.request_deserializer),
            handler.response_serializer,
        )

    def _unary(self, behaviour: Behaviour, method: str, began: float, refused: Refusal | None) -> Behaviour:
        async def answer(request: Any, context: Any) -> Any:
            if isinstance(request, DecodeError):
                raise request
            if context.time_remaining() is not None:
                return await behaviour(request, context)
            async with asyncio.timeout(self._deadline_seconds):
                return await behaviour(request, context)

        return self._told(answer, method, began, refused)

    def _told(self, behaviour: Behaviour, method: str, began: float, refused: Refusal | None) -> Behaviour:
        """Return a behaviour that ends with a status, whatever happens, and is written down."""

        async def answer(request: Any, context: Any) -> Any:
            try:
                if refused is not None:
                    raise refused
                answered = await behaviour(request, context)
            except asyncio.CancelledError:
                late = context.time_remaining() == 0
                code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
                self._journal.ended(method, code, time.perf_counter() - began)
                raise
            except Exception as error:  # noqa: BLE001 - every call ends with a status, a fault of ours too
                told = refusal_of(error) or _fault(method, error)
                self._journal.ended(method, told.code, time.perf_counter() - began, told.message)
                await context.abort(told.code, told.message, told.trailing_metadata)
            else:
                self._journal.ended(method, grpc.StatusCode.OK, time.perf_counter() - began)
                return answered

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
