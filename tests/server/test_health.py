"""Health, reflection, certificates and tokens of a running server."""

import time

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from aiops.errors import ConfigError
from aiops.server.address import Address
from aiops.server.tls import TlsFiles
from tests.adapters.certificates import make_certificates
from tests.server.serving import TOKEN, request, serving

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = ("", "aiops.api.v1.ScoringService", "aiops.api.v1.ForecastService")


def health(server, service=""):
    client = health_pb2_grpc.HealthStub(server.channel)
    return client.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status


def wait_for(status, server):
    until = time.monotonic() + 60
    while health(server) != status:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(TOKEN)
    return path


def test_health_follows_readiness_for_the_whole_and_for_each_service(tmp_path):
    with serving(tmp_path, metrics=Address(host="127.0.0.1", port=0)) as server:
        wait_for(SERVING, server)
        assert [health(server, each) for each in SERVICES] == [SERVING] * 3
        probes = f"http://{server.service.metrics}"
        assert [httpx.get(f"{probes}{path}").status_code for path in ("/healthz", "/readyz")] == [200, 200]
        assert "aiops_requests_total" in httpx.get(f"{probes}/metrics").text
        with pytest.raises(grpc.RpcError) as unknown:
            health(server, "nobody")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


def test_it_is_not_ready_before_the_history_is_read(tmp_path):
    with serving(tmp_path, metrics=Address(host="127.0.0.1", port=0), running=False) as server:
        assert [health(server, each) for each in SERVICES] == [NOT_SERVING] * 3
        answer = httpx.get(f"http://{server.service.metrics}/readyz")
        assert (answer.status_code, answer.text) == (503, "history is being read: it begins\n")


def test_a_drain_is_told_first_and_ends_watches_and_streams(tmp_path):
    with serving(tmp_path, metrics=Address(host="127.0.0.1", port=0)) as server:
        wait_for(SERVING, server)
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert next(watch).status == SERVING
        stream = server.scoring.ScoreStream(iter([]), timeout=30)
        assert list(stream) == []
        began = time.monotonic()
        server.do(server.service.drain())
        assert time.monotonic() - began < 5
        assert [each.status for each in watch] == [NOT_SERVING]
        assert watch.code() is grpc.StatusCode.OK
        answer = httpx.get(f"http://{server.service.metrics}/readyz")
        assert (answer.status_code, answer.text.partition(":")[0]) == (503, "draining")
        with pytest.raises(grpc.RpcError) as gone:
            server.scoring.Score(request([1.0]), timeout=1)
        assert gone.value.code() is grpc.StatusCode.UNAVAILABLE


def test_health_needs_no_token_and_everything_else_does(tmp_path, token_file):
    with serving(tmp_path, token_file=token_file, reflection=True) as server:
        assert health(server) in (SERVING, NOT_SERVING)
        for call in (
            lambda: server.scoring.Score(request([1.0]), timeout=10),
            lambda: list(server.scoring.ScoreStream(iter([]), timeout=10)),
            lambda: ProtoReflectionDescriptorDatabase(server.channel).get_services(),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        known = (("authorization", f"Bearer {TOKEN}"),)
        assert list(server.scoring.Score(request([1.0]), timeout=10, metadata=known).outcome) == [1]


def test_reflection_tells_what_can_be_called_where_it_is_switched_on(tmp_path):
    with serving(tmp_path, reflection=True) as server:
        described = ProtoReflectionDescriptorDatabase(server.channel)
        assert set(SERVICES[1:]) <= set(described.get_services())
        scoring = described.FindFileContainingSymbol(SERVICES[1])
        assert [each.name for each in scoring.service[0].method] == ["Score", "ScoreStream"]


def test_reflection_is_off_by_default(tmp_path):
    with serving(tmp_path) as server, pytest.raises(grpc.RpcError) as refused:
        ProtoReflectionDescriptorDatabase(server.channel).get_services()
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_calls_are_encrypted_and_the_certificate_is_checked(tmp_path):
    made = make_certificates(tmp_path)
    files = TlsFiles(certificate=made.server, key=made.server_key)
    trusting = grpc.ssl_channel_credentials(made.ca.read_bytes())
    with serving(tmp_path, tls=files, credentials=trusting) as server:
        assert list(server.scoring.Score(request([1.0]), timeout=10).outcome) == [1]
        (tmp_path / "other").mkdir()
        strangers = grpc.ssl_channel_credentials(make_certificates(tmp_path / "other").ca.read_bytes())
        for channel in (grpc.secure_channel(server.target, strangers), grpc.insecure_channel(server.target)):
            with channel, pytest.raises(grpc.RpcError) as refused:
                health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_renewed_certificate_is_used_and_a_broken_one_is_not(tmp_path):
    made = make_certificates(tmp_path)
    files = TlsFiles(certificate=made.server, key=made.server_key)
    with serving(tmp_path, tls=files, credentials=grpc.ssl_channel_credentials(made.ca.read_bytes())) as server:
        old = made.ca.read_bytes()

        def answers(authority):
            with grpc.secure_channel(server.target, grpc.ssl_channel_credentials(authority)) as channel:
                asked = health_pb2_grpc.HealthStub(channel).Check.future(health_pb2.HealthCheckRequest(), timeout=10)
                return {grpc.StatusCode.OK: True, grpc.StatusCode.UNAVAILABLE: False}[asked.code()]

        assert answers(old)
        made.server_key.write_text("no key")
        assert answers(old)
        new = make_certificates(tmp_path).ca.read_bytes()  # an authority of its own, in the same files
        assert answers(new)
        assert not answers(old)


def test_a_certificate_and_a_key_that_do_not_fit_are_refused_at_the_start(tmp_path):
    made = make_certificates(tmp_path)
    with (
        pytest.raises(ConfigError, match="no PEM certificate and its key"),
        serving(tmp_path, tls=TlsFiles(certificate=made.server, key=made.client_key)),
    ):
        pass
    with (
        pytest.raises(ConfigError, match=r"cannot read .*nowhere"),
        serving(tmp_path, tls=TlsFiles(certificate=made.server, key=tmp_path / "nowhere")),
    ):
        pass
