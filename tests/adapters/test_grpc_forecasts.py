"""Forecasts asked for over gRPC, from a real server with a real Prometheus behind it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters import token_file
from aiops.adapters.grpc_forecasts import GrpcForecasts
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.errors import (
    ConfigError,
    DataError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
)
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.fleet.exhaustion import exhaustion
from aiops.ports import LimitQuery, PeakQuery
from aiops.series.grid import floor
from aiops.server.address import Address
from aiops.server.tls import TlsFiles
from aiops.settings import PrometheusSettings
from testbed.server import free_port
from tests.adapters.certificates import make_certificates
from tests.server.serving import LOOPBACK, MINUTE, TOKEN, serving, silent_server, wave

QUERY = PeakQuery(
    query="grpc_forecasts_load",
    step=MINUTE,
    history=timedelta(days=3),
    window=5 * MINUTE,
    model="holt-winters",
    level=0.95,
)


@pytest.fixture(scope="module")
def source(prometheus):
    settings = PrometheusSettings(url=prometheus.url)
    RemoteWriter(settings).write([wave("grpc_forecasts_load"), wave("grpc_forecasts_more")])
    return PrometheusSource(settings)


@pytest.fixture(scope="module")
def server(source, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("state"), source=source) as running:
        yield running


def ask(forecasts, asked=QUERY, now=None):
    async def work():
        try:
            for _ in range(20):
                try:
                    return await forecasts.peak(asked, now or datetime.now(UTC))
                except UpstreamUnavailableError as error:
                    if "is being read" not in str(error):
                        raise
            raise AssertionError("the history was never read")
        finally:
            await forecasts.close()

    return asyncio.run(work())


def other(**given):
    return PeakQuery(**{name: getattr(QUERY, name) for name in QUERY.__dataclass_fields__} | given)


def test_the_peak_is_the_one_that_the_model_forecasts_here(server, source):
    now = floor(datetime.now(UTC), MINUTE)
    found = ask(GrpcForecasts(server.target, insecure=True), now=now)
    (series,) = asyncio.run(source.range(QUERY.query, now - QUERY.history, now, MINUTE)).series
    model = window_forecaster(QUERY.model)
    expected = model.window_maximum(series, np.array([len(series) - 1]), 5, np.array([0.95]))[0, 0]
    assert found.value == pytest.approx(expected, rel=0.02)
    assert found.cutoff == series.end - MINUTE
    assert (found.model, found.digest) == ("holt-winters", "")


def test_when_a_limit_is_reached_is_what_the_history_says_here(server, source):
    """A daily wave that gains a tenth of its mean each day; half of it is known when it is asked."""
    grows = "200 * sin(vector(time() / 86400 * 2 * pi())) + 1000 + (time() - {start}) / 864"
    now = floor(datetime.now(UTC), timedelta(hours=1))
    asked = LimitQuery(query=grows.format(start=int(now.timestamp()) - 28 * 86400), step=5 * MINUTE, limit=4200.0)

    async def work(forecasts, at):
        try:
            return await forecasts.exhaustion(asked, at)
        finally:
            await forecasts.close()

    found = []
    for at in (now, now - timedelta(days=7)):
        found.append(asyncio.run(work(GrpcForecasts(server.target, insecure=True), at)))
        (series,) = asyncio.run(source.range(asked.query, at - asked.history, at, asked.step)).series
        assert found[-1] == exhaustion(series, asked.limit)
    later, earlier = found
    assert earlier.chances[0] < later.chances[0]
    assert later.chances[0] >= 0.5
    assert later.dates[1] is not None
    assert now < later.dates[1] < now + timedelta(days=7)


def test_each_status_is_an_error_of_ours(server):
    forecasts = GrpcForecasts(server.target, insecure=True)
    with pytest.raises(DataError, match="gives 2 series"):
        ask(forecasts, other(query='{__name__=~"grpc_forecasts_.*"}'))
    with pytest.raises(DataError, match="parse error"):
        ask(forecasts, other(query="sum("))
    with pytest.raises(ConfigError, match="oracle"):
        ask(forecasts, other(model="oracle"))
    with pytest.raises(ConfigError, match="levels"):
        ask(forecasts, other(level=1.5))


def test_a_history_that_does_not_suffice_is_said(server):
    with pytest.raises(DataError, match=r"no forecast of .*history"):
        ask(GrpcForecasts(server.target, insecure=True), other(history=2 * MINUTE))


def test_a_service_that_is_not_there_is_worth_another_try():
    forecasts = GrpcForecasts(f"127.0.0.1:{free_port()}", insecure=True, timeout=timedelta(seconds=5))
    with pytest.raises(UpstreamUnavailableError, match="answered UNAVAILABLE"):
        ask(forecasts)


def test_a_service_that_answers_too_late_is_worth_another_try():
    with silent_server() as url:
        forecasts = GrpcForecasts(url.removeprefix("http://"), insecure=True, timeout=timedelta(seconds=0.5))
        with pytest.raises(UpstreamUnavailableError, match="DEADLINE_EXCEEDED"):
            ask(forecasts)


def test_a_service_that_comes_back_is_found_within_seconds(source, tmp_path):
    async def work():
        address = Address(host="127.0.0.1", port=free_port())
        forecasts = GrpcForecasts(str(address), insecure=True)
        with pytest.raises(UpstreamUnavailableError):
            await forecasts.peak(QUERY, datetime.now(UTC))
        started = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        def serve():
            with serving(tmp_path, source=source, options=LOOPBACK, listen=address):
                loop.call_soon_threadsafe(started.set)
                asyncio.run_coroutine_threadsafe(stop.wait(), loop).result()

        running = asyncio.create_task(asyncio.to_thread(serve))
        await started.wait()
        began = time.monotonic()
        try:
            while True:
                try:
                    return await forecasts.peak(QUERY, datetime.now(UTC)), time.monotonic() - began
                except UpstreamUnavailableError:
                    assert time.monotonic() - began < 20
                    await asyncio.sleep(0.1)
        finally:
            await forecasts.close()
            stop.set()
            await running

    found, seconds = asyncio.run(work())
    assert found.model == "holt-winters"
    assert seconds < 10


def test_tokens_and_authorities_are_sent_checked_and_read_again(source, tmp_path, monkeypatch):
    monkeypatch.setattr(token_file, "_LOOK_SECONDS", 0.0)
    made = make_certificates(tmp_path)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        path.touch(mode=0o600)
        path.write_text(TOKEN)
    tls = TlsFiles(certificate=made.server, key=made.server_key)
    with serving(tmp_path, source=source, tls=tls, token_file=theirs) as server:
        ask(GrpcForecasts(server.target, ca_file=made.ca, token_file=ours))
        with pytest.raises(UpstreamRejectedError, match="UNAUTHENTICATED: send a token"):
            ask(GrpcForecasts(server.target, ca_file=made.ca))
        (tmp_path / "other").mkdir()
        strangers = make_certificates(tmp_path / "other").ca
        with pytest.raises(UpstreamUnavailableError, match=r"UNAVAILABLE.*signed by an authority that we are given"):
            ask(GrpcForecasts(server.target, ca_file=strangers, token_file=ours))
        with pytest.raises(UpstreamUnavailableError):
            ask(GrpcForecasts(server.target, insecure=True, token_file=ours))

        async def through_rotations():
            forecasts = GrpcForecasts(server.target, ca_file=made.ca, token_file=ours)
            try:
                await forecasts.peak(QUERY, datetime.now(UTC))
                theirs.write_text("another-token-of-this-service")
                with pytest.raises(UpstreamRejectedError, match="not known here"):
                    await forecasts.peak(QUERY, datetime.now(UTC))
                ours.write_text("another-token-of-this-service")
                await forecasts.peak(QUERY, datetime.now(UTC))
                make_certificates(tmp_path)  # another authority, another certificate, in the same files
                return await forecasts.peak(QUERY, datetime.now(UTC))
            finally:
                await forecasts.close()

        assert asyncio.run(through_rotations()).value > 0


def test_authorities_that_change_or_go_missing_cut_off_nobody_who_waits(tmp_path):
    made = make_certificates(tmp_path)
    tls = TlsFiles(certificate=made.server, key=made.server_key)

    async def work(target):
        forecasts = GrpcForecasts(target, ca_file=made.ca)
        first = asyncio.create_task(forecasts.peak(QUERY, datetime.now(UTC)))
        await asyncio.sleep(0.5)  # it waits for the service, which waits for its Prometheus
        assert not first.done()
        made.ca.write_bytes(made.ca.read_bytes() + b"\n")
        second = asyncio.create_task(forecasts.peak(QUERY, datetime.now(UTC)))
        await asyncio.sleep(0.1)
        made.ca.unlink()
        third = forecasts.peak(QUERY, datetime.now(UTC))
        try:
            return await asyncio.gather(first, second, third, return_exceptions=True)
        finally:
            await forecasts.close()

    with silent_server() as url:
        silent = PrometheusSource(PrometheusSettings(url=url, timeout=timedelta(seconds=4), attempts=1))
        with serving(tmp_path, source=silent, options=LOOPBACK, tls=tls) as server:
            for each in asyncio.run(work(server.target)):
                assert isinstance(each, UpstreamUnavailableError), repr(each)
                assert "is being read" in str(each)


def test_an_authority_for_plain_text_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not both"):
        GrpcForecasts("localhost:1", ca_file=tmp_path / "ca.pem", insecure=True)
    with pytest.raises(ConfigError, match="cannot read the authorities"):
        GrpcForecasts("localhost:1", ca_file=tmp_path / "nowhere.pem")
