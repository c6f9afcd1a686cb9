"""Where the server listens, as people write it, and when it refuses to."""

from pathlib import Path

import pytest

from aiops.errors import ConfigError
from aiops.server.address import Address
from aiops.server.app import Options
from aiops.server.tls import TlsFiles

TLS = TlsFiles(certificate=Path("tls.crt"), key=Path("tls.key"))


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:50051", "::1", 50051, True),
        ("0.0.0.0:50051", "0.0.0.0", 50051, False),
        ("[::]:50051", "::", 50051, False),
        ("aiops.example:443", "aiops.example", 443, False),
    ],
)
def test_an_address_is_read_and_written(text, host, port, loopback):
    address = Address.parse(text)
    assert (address.host, address.port, address.loopback, str(address)) == (host, port, loopback, text)


@pytest.mark.parametrize(
    "text", ["50051", ":50051", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "a:65536", "a:٣", "::1:5"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:50051|\[::1\]:50051"):
        Address.parse(text)


@pytest.mark.parametrize("given", [{}, {"tls": TLS}, {"token_file": Path("token")}])
def test_it_is_not_open_to_the_network_by_accident(given):
    with pytest.raises(ConfigError, match=r"can be reached from the network: .*--insecure"):
        Options(listen=Address.parse("0.0.0.0:50051"), **given)


@pytest.mark.parametrize("given", [{"insecure": True}, {"tls": TLS, "token_file": Path("token")}])
def test_it_is_open_to_the_network_when_that_is_meant(given):
    assert Options(listen=Address.parse("0.0.0.0:50051"), **given).queue == 256


def test_a_queue_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="queue counts from 1"):
        Options(listen=Address.parse("127.0.0.1:0"), queue=0)
