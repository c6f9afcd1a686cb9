"""How we reach a Prometheus: credentials, certificates, time-outs, retries, and what each refusal becomes."""

import base64
import json
import time

import pytest

from aiops.adapters.prometheus_http import PrometheusHttp
from aiops.errors import ConfigError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.settings import PrometheusSettings
from tests.adapters.certificates import make_certificates
from tests.adapters.peer import Reply, peer

FINE = Reply(body=json.dumps({"status": "success", "data": {"resultType": "matrix", "result": []}}).encode())


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def ask(url, **settings):
    given = {"attempts": 1, "timeout": 5, **settings}
    return PrometheusHttp(PrometheusSettings(url=url, **given)).ask("/api/v1/query", {"query": "up"})


def header_seen(name, **settings):
    with peer(lambda _: FINE) as server:
        ask(server.url, **settings)
    return server.asked[0].headers.get(name)


def test_a_token_is_sent_as_bearer():
    assert header_seen("Authorization", token="s3cret") == "Bearer s3cret"


def test_a_user_and_password_are_sent_as_basic_authentication():
    assert (
        header_seen("Authorization", username="ann", password="pw") == "Basic " + base64.b64encode(b"ann:pw").decode()
    )


def test_no_credentials_are_sent_unless_given(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine localhost login eve password stolen\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert header_seen("Authorization") is None


def test_more_headers_are_sent():
    assert header_seen("X-Scope-OrgID", headers={"X-Scope-OrgID": "shop"}) == "shop"


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert header_seen("Host").startswith("localhost:")


def test_a_path_prefix_is_kept():
    with peer(lambda _: FINE) as server:
        ask(f"{server.url}/prometheus/")
    assert server.asked[0].path == "/prometheus/api/v1/query"


def test_a_server_with_a_certificate_of_a_known_authority_is_trusted(certificates):
    with peer(lambda _: FINE, tls=certificates.server_context()) as server:
        assert ask(server.url, ca_file=certificates.ca)["status"] == "success"


def test_another_authority_in_the_environment_does_not_replace_the_one_of_the_settings(certificates, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.client))
    with peer(lambda _: FINE, tls=certificates.server_context()) as server:
        assert ask(server.url, ca_file=certificates.ca)["status"] == "success"


def test_a_server_that_nobody_vouches_for_is_refused_at_once(certificates):
    with (
        peer(lambda _: FINE, tls=certificates.server_context()) as server,
        pytest.raises(UpstreamRejectedError, match=r"certificate verify failed.*AIOPS_PROMETHEUS__CA_FILE"),
    ):
        ask(server.url, attempts=3)
    assert server.asked == []


def test_our_own_certificate_is_shown_to_a_server_that_asks(certificates):
    ours = {"client_cert_file": certificates.client, "client_key_file": certificates.client_key}
    with peer(lambda _: FINE, tls=certificates.server_context(asks_for_certificate=True)) as server:
        assert ask(server.url, ca_file=certificates.ca, **ours)["status"] == "success"
        with pytest.raises((UpstreamRejectedError, UpstreamUnavailableError)):
            ask(server.url, ca_file=certificates.ca)


def test_a_file_that_holds_no_certificate_is_named_by_its_setting(certificates, tmp_path):
    (tmp_path / "ca.pem").write_text("not a certificate")
    with (
        peer(lambda _: FINE, tls=certificates.server_context()) as server,
        pytest.raises(UpstreamRejectedError, match="AIOPS_PROMETHEUS__CA_FILE"),
    ):
        ask(server.url, ca_file=tmp_path / "ca.pem")


def test_a_certificate_file_that_has_gone_is_a_wrong_setting(certificates, tmp_path):
    (tmp_path / "ca.pem").write_bytes(certificates.ca.read_bytes())
    settings = PrometheusSettings(url="https://localhost:1", ca_file=tmp_path / "ca.pem", attempts=1)
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        PrometheusHttp(settings).ask("/api/v1/query", {"query": "up"})


def test_a_server_that_recovers_is_asked_again():
    replies = iter([Reply(status=503), Reply(status=500), FINE])
    with peer(lambda _: next(replies)) as server:
        assert ask(server.url, attempts=3)["status"] == "success"
    assert len(server.asked) == 3


def test_a_server_that_stays_broken_is_asked_as_often_as_set():
    with peer(lambda _: Reply(status=502)) as server, pytest.raises(UpstreamUnavailableError, match=r"\(502\)"):
        ask(server.url, attempts=2)
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again(status):
    with peer(lambda _: Reply(status=status)) as server, pytest.raises(UpstreamRejectedError, match=str(status)):
        ask(server.url, attempts=3)
    assert len(server.asked) == 1


def test_a_redirect_is_refused_since_our_headers_are_for_one_server():
    with (
        peer(lambda _: FINE) as elsewhere,
        peer(lambda _: Reply(status=307, headers={"Location": elsewhere.url})) as server,
        pytest.raises(UpstreamRejectedError, match=elsewhere.url),
    ):
        ask(server.url, headers={"X-Key": "s3cret"})
    assert elsewhere.asked == []


@pytest.mark.parametrize("reply", [Reply(pause=30), Reply(body=FINE.body, pause_a_byte=0.05)], ids=["silent", "slow"])
def test_the_time_out_is_for_the_whole_answer(reply):
    with peer(lambda _: reply) as server:
        begun = time.monotonic()
        with pytest.raises(UpstreamUnavailableError, match=r"within 0\.4 s.*AIOPS_PROMETHEUS__TIMEOUT"):
            ask(server.url, timeout=0.4)
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize("claimed", [len(FINE.body), None], ids=["length known", "length right"])
def test_an_answer_that_breaks_off_is_worth_another_try(claimed):
    half = Reply(body=FINE.body[:40], claimed_length=claimed)
    replies = iter([half, FINE])
    with peer(lambda _: next(replies)) as server:
        assert ask(server.url, attempts=2)["status"] == "success"
    with peer(lambda _: half) as server, pytest.raises(UpstreamUnavailableError, match="broke off"):
        ask(server.url)


@pytest.mark.parametrize(
    "body", [b"<!doctype html><title>Sign in</title>", b"ok", b"", b"[]", b'{"status":"error"}', b'{"data":[]}']
)
def test_an_answer_that_no_prometheus_gives_is_refused(body):
    with peer(lambda _: Reply(body=body)) as server, pytest.raises(UpstreamRejectedError, match="is this a Prometheus"):
        ask(server.url, attempts=3)
    assert len(server.asked) == 1


def test_secrets_are_in_no_message():
    secret = PrometheusSettings(url="http://localhost:1", token="s3cret", headers={"X-Key": "s3cret"}, attempts=1)
    with pytest.raises(UpstreamUnavailableError) as caught:
        PrometheusHttp(secret).ask("/api/v1/query", {"query": "up"})
    assert "s3cret" not in f"{caught.value!r} {secret!r} {secret}"
