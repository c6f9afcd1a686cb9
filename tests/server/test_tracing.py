"""Spans of calls, at a collector that speaks OTLP."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from aiops.api.v1.scoring_pb2 import ScoreRequest
from tests.server.serving import request, serving


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.spans = []
        self.services = set()

    def Export(self, request, context):
        for resource in request.resource_spans:
            self.services |= {
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector(monkeypatch):
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    yield collector
    server.stop(None).wait()


def test_every_call_has_its_span_and_the_last_ones_are_sent_at_the_end(collector, tmp_path):
    with serving(tmp_path) as server:
        server.scoring.Score(request([1.0]), timeout=10)
        with pytest.raises(grpc.RpcError) as refused:
            server.scoring.Score(ScoreRequest(value=[1.0]), timeout=10)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        list(server.scoring.ScoreStream(iter([]), timeout=10))
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest(), timeout=10)
        assert next(watch).status  # traced or not, it goes on
    names = [each.name for each in collector.spans]
    assert names.count("/aiops.api.v1.ScoringService/Score") == 2
    assert names.count("/aiops.api.v1.ScoringService/ScoreStream") == 1
    assert collector.services == {"aiops"}
