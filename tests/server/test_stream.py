"""A stream of batches: one answer each, in order, whatever becomes of one of them."""

import queue
import time

import grpc
import pytest

from aiops.api.v1.scoring_pb2 import ScoreRequest, ScoreStreamRequest
from tests.server.serving import LOOPBACK, request, serving

METHOD = "/aiops.api.v1.ScoringService/ScoreStream"


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as running:
        yield running


class Batches:
    """What a client sends, batch by batch, until it half-closes."""

    def __init__(self):
        self._queue: queue.Queue[ScoreStreamRequest | None] = queue.Queue()

    def send(self, batch):
        self._queue.put(ScoreStreamRequest(batch=batch))

    def half_close(self):
        self._queue.put(None)

    def __iter__(self):
        return self

    def __next__(self):
        batch = self._queue.get()
        if batch is None:
            raise StopIteration
        return batch


def test_every_batch_gets_its_answer_in_order(server):
    sent = [request([float(size)] * size, names=[f"s{index}" for index in range(size)]) for size in range(1, 20)]
    answers = list(server.scoring.ScoreStream(iter([ScoreStreamRequest(batch=each) for each in sent]), timeout=20))
    assert [len(each.scored.score) for each in answers] == list(range(1, 20))


def test_an_answer_comes_before_the_next_batch_is_sent(server):
    batches = Batches()
    answers = server.scoring.ScoreStream(batches, timeout=20)
    whole = request([1.0, 2.0, 3.0])
    for index in range(3):
        batches.send(
            ScoreRequest(
                series=whole.series, series_index=[0], timestamp_ms=[whole.timestamp_ms[index]], value=[1.0 + index]
            )
        )
        assert list(next(answers).scored.outcome) == [1]
    batches.half_close()
    assert list(answers) == []
    assert answers.code() is grpc.StatusCode.OK


def test_a_refused_batch_is_an_answer_and_the_stream_goes_on(server):
    good, wrong = request([1.0], names=("good",)), ScoreRequest(value=[1.0])
    sent = [ScoreStreamRequest(batch=each) for each in (wrong, good, wrong)]
    first, second, third = server.scoring.ScoreStream(iter(sent), timeout=20)
    assert first.refused.code == third.refused.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "one series index, one timestamp and one value a point" in first.refused.message
    assert list(second.scored.outcome) == [1]


def test_a_stream_that_is_half_closed_at_once_ends_well(server):
    answers = server.scoring.ScoreStream(iter([]), timeout=20)
    assert list(answers) == []
    assert answers.code() is grpc.StatusCode.OK


def test_bytes_that_are_no_message_end_the_stream(server):
    call = server.channel.stream_stream(METHOD)(iter([b"\xff\xff\xff"]), timeout=20)
    with pytest.raises(grpc.RpcError):
        next(call)
    assert call.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_stream_keeps_to_its_deadline(server):
    answers = server.scoring.ScoreStream(Batches(), timeout=0.2)
    with pytest.raises(grpc.RpcError):
        next(answers)
    assert answers.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_streams_are_bounded_and_one_that_is_cancelled_makes_room(tmp_path):
    with serving(tmp_path, options=LOOPBACK, queue=1) as server:
        batches = Batches()
        first = server.scoring.ScoreStream(batches, timeout=20)
        batches.send(request([1.0]))
        next(first)
        second = server.scoring.ScoreStream(iter([]), timeout=20)
        with pytest.raises(grpc.RpcError):
            next(second)
        assert second.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert list(server.scoring.Score(request([1.0], names=("unary",))).outcome) == [
            1
        ]  # calls have a bound of their own
        first.cancel()
        until = time.monotonic() + 10
        while status(server) is grpc.StatusCode.RESOURCE_EXHAUSTED and time.monotonic() < until:
            time.sleep(0.02)
        assert status(server) is grpc.StatusCode.OK


def status(server):
    """Return how an empty stream ends."""
    return server.scoring.ScoreStream(iter([]), timeout=20).code()
