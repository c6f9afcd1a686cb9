"""What each call does: convert, call the live service, convert back. Everything else is in ``interceptors``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING

import grpc

from aiops.api.v1 import forecasting_pb2, forecasting_pb2_grpc, scoring_pb2, scoring_pb2_grpc
from aiops.errors import DataError
from aiops.server import convert
from aiops.server.admission import Admission, Turns
from aiops.server.statuses import Refusal, refusal_of_request

if TYPE_CHECKING:
    from aiops.usecases.live import Live

    _ScoreContext = grpc.aio.ServicerContext[scoring_pb2.ScoreRequest, scoring_pb2.ScoreResponse]
    _StreamContext = grpc.aio.ServicerContext[scoring_pb2.ScoreStreamRequest, scoring_pb2.ScoreStreamResponse]
    _ExhaustionContext = grpc.aio.ServicerContext[forecasting_pb2.ExhaustionRequest, forecasting_pb2.ExhaustionResponse]
    _ForecastContext = grpc.aio.ServicerContext[forecasting_pb2.ForecastRequest, forecasting_pb2.ForecastResponse]

SCORING = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"]
FORECASTING = forecasting_pb2.DESCRIPTOR.services_by_name["ForecastService"]
SERVICES = tuple(each.full_name for each in (SCORING, FORECASTING))
SCORE = f"/{SCORING.full_name}/Score"
METHODS = tuple(f"/{each.full_name}/{method.name}" for each in (SCORING, FORECASTING) for method in each.methods)


class ScoringServicer(scoring_pb2_grpc.ScoringServiceServicer):
    """Scores what is pushed, one batch after another: the order in which batches came is the order of learning."""

    def __init__(self, live: Live, admission: Admission, turns: Turns) -> None:
        self._live = live
        self._admission = admission
        self._turns = turns
        self._reading: set[asyncio.Timeout] = set()  # of streams that wait for a batch
        self._draining = False

    async def Score(  # noqa: N802 - the name of the method on the wire
        self, request: scoring_pb2.ScoreRequest, context: _ScoreContext
    ) -> scoring_pb2.ScoreResponse:
        """Score one batch."""
        async with self._turns:
            if context.time_remaining() == 0:
                raise TimeoutError
            return self._score(request)

    async def ScoreStream(  # noqa: N802 - the name of the method on the wire
        self, requests: AsyncIterable[scoring_pb2.ScoreStreamRequest], _: _StreamContext
    ) -> AsyncIterator[scoring_pb2.ScoreStreamResponse]:
        """Score batch after batch until the client half-closes or the service drains; one answer each, in order."""
        batches = aiter(requests)
        while not self._draining:
            until_drained = asyncio.timeout(None)
            try:
                async with until_drained:
                    self._reading.add(until_drained)
                    request = await anext(batches)
            except StopAsyncIteration:
                return
            except TimeoutError:
                break
            finally:
                self._reading.discard(until_drained)
            async with self._turns:
                answer = self._answer(request.batch)
            yield answer
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "this replica is about to stop: open the stream again")

    def drain(self) -> None:
        """End the streams: a client opens them again elsewhere."""
        self._draining = True
        for until_drained in self._reading:
            until_drained.reschedule(asyncio.get_running_loop().time())

    def _answer(self, batch: scoring_pb2.ScoreRequest) -> scoring_pb2.ScoreStreamResponse:
        try:
            return scoring_pb2.ScoreStreamResponse(scored=self._score(batch))
        except Refusal as refused:
            number, _ = refused.code.value
            return scoring_pb2.ScoreStreamResponse(refused=scoring_pb2.Refusal(code=number, message=refused.message))

    def _score(self, request: scoring_pb2.ScoreRequest) -> scoring_pb2.ScoreResponse:
        began = time.perf_counter()
        try:
            return convert.scored(self._live.score(convert.points(request)))
        except DataError as error:
            raise refusal_of_request(error) from error
        finally:
            self._admission.took(time.perf_counter() - began)


class ForecastServicer(forecasting_pb2_grpc.ForecastServiceServicer):
    """Looks ahead, at one series a call."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def Forecast(  # noqa: N802 - the name of the method on the wire
        self, request: forecasting_pb2.ForecastRequest, _: _ForecastContext
    ) -> forecasting_pb2.ForecastResponse:
        """Answer with what is known of the future of one series."""
        try:
            asked = convert.forecast_query(request)
        except DataError as error:
            raise refusal_of_request(error) from error
        return convert.forecast_answer(await self._live.forecast(asked))

    async def Exhaustion(  # noqa: N802 - the name of the method on the wire
        self, request: forecasting_pb2.ExhaustionRequest, _: _ExhaustionContext
    ) -> forecasting_pb2.ExhaustionResponse:
        """Answer how likely and when a limit is reached."""
        try:
            asked, now = convert.limit_query(request)
        except DataError as error:
            raise refusal_of_request(error) from error
        return convert.exhaustion_answer(*await self._live.exhaustion(asked, now))


def add_to_server(scoring: ScoringServicer, forecasting: ForecastServicer, server: grpc.aio.Server) -> None:
    """Let a server answer the calls of both services."""
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(scoring, server)
    forecasting_pb2_grpc.add_ForecastServiceServicer_to_server(forecasting, server)
