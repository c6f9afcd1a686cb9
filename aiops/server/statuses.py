"""From what went wrong to the status that a caller gets: the one place that knows both."""

from __future__ import annotations

import grpc
from google.protobuf.message import DecodeError

from aiops.errors import (
    ConfigError,
    DataError,
    LimitError,
    ModelError,
    ModelNotFoundError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
)

STATUSES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (LimitError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ConfigError, grpc.StatusCode.INVALID_ARGUMENT),
    (DataError, grpc.StatusCode.FAILED_PRECONDITION),
    (ModelNotFoundError, grpc.StatusCode.NOT_FOUND),
    (ModelError, grpc.StatusCode.FAILED_PRECONDITION),
    (UpstreamUnavailableError, grpc.StatusCode.UNAVAILABLE),
    (UpstreamRejectedError, grpc.StatusCode.FAILED_PRECONDITION),
    (TimeoutError, grpc.StatusCode.DEADLINE_EXCEEDED),
)

PUSHBACK = "grpc-retry-pushback-ms"
"""Trailing metadata that gRPC's own retries obey: wait so long before you come again."""


class Refusal(Exception):  # noqa: N818 - an answer, and no fault
    """Why a call is not answered.

    Args:
        code: Its status.
        message: What is wrong and what to do.
        wait_milliseconds: When to come again; None where that would not help.
    """

    def __init__(self, code: grpc.StatusCode, message: str, wait_milliseconds: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.wait_milliseconds = wait_milliseconds

    @property
    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes beside the status."""
        return () if self.wait_milliseconds is None else ((PUSHBACK, str(self.wait_milliseconds)),)


def refusal_of(error: Exception) -> Refusal | None:
    """Return what to tell the caller; None for a fault of ours, which he is not told."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, DecodeError):
        said = "the bytes are no message of this method: compare your .proto files with ours"
        return Refusal(grpc.StatusCode.INVALID_ARGUMENT, said)
    for kind, code in STATUSES:
        if isinstance(error, kind):
            return Refusal(code, str(error) or "the deadline has passed; ask for less, or give it more time")
    return None


def refusal_of_request(error: DataError) -> Refusal:
    """Return what to tell a caller whose message, and not our telemetry, cannot be used."""
    limited = isinstance(error, LimitError)
    code = grpc.StatusCode.RESOURCE_EXHAUSTED if limited else grpc.StatusCode.INVALID_ARGUMENT
    return Refusal(code, str(error))
