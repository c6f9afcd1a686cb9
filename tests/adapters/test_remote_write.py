"""History that we write into a real Prometheus, and what it refuses."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import testbed.prometheus
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.errors import DataError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings
from tests.adapters.peer import Reply, peer

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
MINUTE = timedelta(minutes=1)
names = iter(range(1_000_000))


def series(name, values, start=NOW - timedelta(days=1), step=MINUTE, **labels):
    return Series(key=SeriesKey.of(name, labels), start=start, step=step, values=np.array(values, dtype=np.float64))


def at(server, **more):
    return PrometheusSettings(url=server.url, **more)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.one_of(st.floats(allow_infinity=False), st.just(float("nan"))), min_size=1, max_size=50),
    step=st.sampled_from([timedelta(milliseconds=500), timedelta(seconds=15), MINUTE, timedelta(hours=1)]),
    offset=st.integers(0, 86_400_000),
    label=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10),
)
def test_what_is_written_is_read_back_to_the_bit(prometheus, values, step, offset, label):
    start = NOW - timedelta(days=5) + timedelta(milliseconds=offset)
    written = series(f"round_trip_{next(names)}", values, start=start, step=step, label=label)
    seen = int((~np.isnan(written.values)).sum())
    assert RemoteWriter(at(prometheus)).write([written]) == seen
    source = PrometheusSource(at(prometheus))
    read = source.range(written.key.name, written.start, written.end, step)
    if not seen:
        with pytest.raises(DataError, match="matches nothing"):
            asyncio.run(read)
        return
    (found,) = asyncio.run(read).series
    assert (found.key, found.start, found.step) == (written.key, written.start, written.step)
    np.testing.assert_array_equal(found.values, written.values)


def test_series_of_several_starts_and_steps_are_written_together_in_bounded_requests(prometheus):
    many = [
        series("mixed_a", np.arange(50_000.0), start=NOW - timedelta(days=30)),
        series("mixed_b", np.arange(300.0), step=timedelta(minutes=5)),
        series("mixed_c", [], step=MINUTE),
    ]
    told: list[int] = []
    assert RemoteWriter(at(prometheus)).write(many, told.append) == sum(told) == 50_300
    assert max(told) <= 20_000
    source = PrometheusSource(at(prometheus))
    for each in many[:2]:
        (found,) = asyncio.run(source.range(each.key.name, each.start, each.end, each.step)).series
        np.testing.assert_array_equal(found.values, each.values)


def test_writing_again_does_no_harm(prometheus):
    again = series("again", range(100))
    writer = RemoteWriter(at(prometheus))
    assert writer.write([again]) == writer.write([again]) == 100


def test_samples_that_are_too_old_are_refused_with_the_setting_that_allows_them():
    with testbed.prometheus.prometheus(accept_samples_of_last=timedelta(0)) as server:
        writer = RemoteWriter(at(server))
        writer.write([series("fresh", [1.0], start=NOW - MINUTE)])
        with pytest.raises(UpstreamRejectedError, match="out_of_order_time_window"):
            writer.write([series("fresh", [1.0], start=NOW - timedelta(days=9))])


def test_nothing_is_a_request_of_nothing():
    with peer(lambda _: Reply(status=500)) as server:
        assert RemoteWriter(at(server)).write([]) == 0
        assert RemoteWriter(at(server)).write([series("empty", [float("nan")])]) == 0
    assert server.asked == []


def test_a_prometheus_that_takes_no_writes_is_told_how_it_would():
    def answer(_):
        return Reply(status=404, body=b"remote write receiver needs to be enabled")

    with peer(answer) as server, pytest.raises(UpstreamRejectedError, match=r"--web\.enable-remote-write-receiver"):
        RemoteWriter(at(server)).write([series("x", [1.0])])


def test_a_server_that_is_down_for_a_moment_gets_the_samples_again():
    replies = iter([Reply(status=503), Reply(status=204)])
    with peer(lambda _: next(replies)) as server:
        assert RemoteWriter(at(server, attempts=2)).write([series("x", [1.0])]) == 1
    assert server.asked[0].body == server.asked[1].body
    assert server.asked[0].headers["Content-Encoding"] == "snappy"


def test_a_server_that_stays_down_is_worth_another_try():
    with peer(lambda _: Reply(status=500)) as server, pytest.raises(UpstreamUnavailableError, match="500"):
        RemoteWriter(at(server, attempts=1)).write([series("x", [1.0])])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (series("bitbrains/vm1", [1.0]), "metric names of letters"),
        (series("", [1.0], a="b"), "metric names of letters"),
        (series("x", [1.0], **{"a-b": "c"}), "label 'a-b'='c'"),
        (series("x", [1.0], a=""), "label 'a'=''"),
        (series("x", [1.0], step=timedelta(microseconds=1)), "milliseconds"),
    ],
    ids=["name", "no name", "label name", "empty label", "step"],
)
def test_what_prometheus_would_drop_silently_is_refused(prometheus, bad, said):
    with pytest.raises(DataError, match=said):
        RemoteWriter(at(prometheus)).write([bad])
