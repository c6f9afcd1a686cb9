"""A ForecastSource over gRPC: asks the forecast service for the highest demand ahead."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import structlog

from aiops.adapters.token_file import TokenFile
from aiops.api.v1.forecasting_pb2 import ExhaustionRequest, ExhaustionResponse, ForecastRequest, ForecastResponse
from aiops.api.v1.forecasting_pb2_grpc import ForecastServiceStub
from aiops.errors import (
    AiopsError,
    ConfigError,
    DataError,
    ModelNotFoundError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
)
from aiops.forecasting.fleet.exhaustion import Exhaustion
from aiops.ports import LimitQuery, Peak, PeakQuery

_log = structlog.get_logger(__name__)

_KINDS: dict[grpc.StatusCode, type[AiopsError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: ConfigError,
    grpc.StatusCode.NOT_FOUND: ModelNotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: DataError,
    grpc.StatusCode.UNAUTHENTICATED: UpstreamRejectedError,
    grpc.StatusCode.PERMISSION_DENIED: UpstreamRejectedError,
    grpc.StatusCode.UNIMPLEMENTED: UpstreamRejectedError,
}
"""What a status means for us; any other one is worth another try."""

_HANDSHAKE = "handshake"  # in what gRPC says when TLS cannot be agreed on

_EXHAUSTION_SECONDS = 60.0  # it reads weeks, and nobody waits for it

_CHANNEL = (
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),  # a service that is back is found within seconds, not minutes
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


class GrpcForecasts:
    """Asks one service, over one connection that comes back by itself. ``close`` it in the loop that it was used in.

    Args:
        target: Where the service answers: ``host:port``, or a name in gRPC's syntax (``dns:///host:port``).
        ca_file: PEM file of the authorities that may have signed its certificate, read again when it changes; one
            that went missing leaves them as they were. gRPC's own list if None.
        token_file: The first token of it is sent, read again when it changes; None sends none.
        insecure: Whether to talk in plain text, the token included.
        timeout: For one question.

    Raises:
        ConfigError: If a file cannot be read, or an authority is given for plain text.
    """

    def __init__(
        self,
        target: str,
        *,
        ca_file: Path | None = None,
        token_file: Path | None = None,
        insecure: bool = False,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        if insecure and ca_file is not None:
            raise ConfigError("plain text has no certificate to check: give an authority or talk insecurely, not both")
        self._target = target
        self._ca_file = ca_file
        self._insecure = insecure
        self._tokens = None if token_file is None else TokenFile(token_file)
        self._timeout_seconds = timeout.total_seconds()
        self._channel: grpc.aio.Channel | None = None
        self._replaced: set[asyncio.Task[None]] = set()  # channels on which others still wait for an answer
        self._authorities = self._read_authorities()
        self._kept = ""  # why the authorities are older than their file

    async def peak(self, asked: PeakQuery, now: datetime) -> Peak:
        """Return the quantile of the highest demand within the window that starts at ``now``.

        Raises:
            ConfigError: If the service calls the question wrong: an unknown model, a level outside (0, 1).
            DataError: If the query gives no series or several, or what is known of it does not suffice.
            ModelError: If the service does not have what is asked for.
            UpstreamUnavailableError: If it did not answer in time, is busy, or still reads history; ask again.
            UpstreamRejectedError: If it refused us, most often because of the token.
        """
        request = ForecastRequest(
            query=asked.query,
            step=asked.step,
            history=asked.history,
            window=asked.window,
            window_model=asked.model,
            levels=[asked.level],
            now=now,
        )
        service = ForecastServiceStub(self._connected())
        try:
            answer: ForecastResponse = await service.Forecast(
                request, timeout=self._timeout_seconds, metadata=self._metadata()
            )
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error
        if not answer.HasField("window_maximum"):
            reason = answer.no_window_reason or "the answer holds no window"
            raise DataError(f"no forecast of {asked.query!r}: {reason}")
        found = answer.window_maximum
        return Peak(
            value=found.values[0],
            cutoff=answer.cutoff.ToDatetime(tzinfo=UTC),
            model=found.model.name,
            digest=found.model.digest,
        )

    async def exhaustion(self, asked: LimitQuery, now: datetime) -> Exhaustion:
        """Return how likely and when the limit is reached.

        Raises:
            ConfigError, DataError, UpstreamError: As ``peak``.
        """
        request = ExhaustionRequest(
            query=asked.query, step=asked.step, history=asked.history, limit=asked.limit, now=now
        )
        service = ForecastServiceStub(self._connected())
        try:
            answer: ExhaustionResponse = await service.Exhaustion(
                request, timeout=_EXHAUSTION_SECONDS, metadata=self._metadata()
            )
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error
        return Exhaustion(
            limit=asked.limit,
            chances=tuple(each.chance for each in answer.within),
            dates=tuple(each.at.ToDatetime(tzinfo=UTC) if each.HasField("at") else None for each in answer.reached),
        )

    async def close(self) -> None:
        """Give the connection up; the next question makes a new one."""
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()
        await asyncio.gather(*self._replaced)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return () if self._tokens is None else (("authorization", f"Bearer {self._tokens.first()}"),)

    def _connected(self) -> grpc.aio.Channel:
        self._look_at_authorities()
        if self._channel is None:
            if self._insecure:
                self._channel = grpc.aio.insecure_channel(self._target, options=_CHANNEL)
            else:
                trusted = grpc.ssl_channel_credentials(root_certificates=self._authorities)
                self._channel = grpc.aio.secure_channel(self._target, trusted, options=_CHANNEL)
        return self._channel

    def _look_at_authorities(self) -> None:
        try:
            found = self._read_authorities()
        except ConfigError as error:
            if not self._kept:
                _log.warning("authorities kept as they were", reason=str(error))
            self._kept = str(error)
            return
        self._kept = ""
        if found == self._authorities:
            return
        self._authorities = found
        if self._channel is not None:
            # Closed at once, it would cancel those who wait for an answer on it.
            replaced = asyncio.create_task(self._channel.close(self._timeout_seconds))
            self._replaced.add(replaced)
            replaced.add_done_callback(self._replaced.discard)
            self._channel = None

    def _read_authorities(self) -> bytes | None:
        if self._ca_file is None:
            return None
        try:
            return self._ca_file.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read the authorities in {self._ca_file}: {error.strerror}") from error

    def _translated(self, error: grpc.aio.AioRpcError) -> AiopsError:
        code = error.code()
        kind = _KINDS.get(code, UpstreamUnavailableError)
        said = f"the forecast service at {self._target} answered {code.name}: {error.details()}"
        if not self._insecure and _HANDSHAKE in str(error.details()).lower():
            said += "; does it speak TLS, and is its certificate signed by an authority that we are given?"
        return kind(said)
