"""What we make of a real Prometheus: gaps, stale series, counters, long ranges, many series."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

import testbed.prometheus
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.errors import DataError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.series import Series, SeriesKey
from aiops.series.quality import Defect
from aiops.settings import PrometheusSettings
from tests.adapters.peer import Reply, peer

MINUTE = timedelta(minutes=1)
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
NAN = float("nan")


def series(name, values, start=START, step=MINUTE, **labels):
    return Series(key=SeriesKey.of(name, labels), start=start, step=step, values=np.array(values, dtype=np.float64))


def write(server, *many):
    return RemoteWriter(PrometheusSettings(url=server.url)).write(many)


def read(server, query, start=START, end=START + 10 * MINUTE, step=MINUTE, **settings):
    source = PrometheusSource(PrometheusSettings(url=server.url, **settings))
    return asyncio.run(source.range(query, start, end, step))


def values(telemetry):
    (only,) = telemetry.series
    return only.values


def test_a_gap_stays_a_gap(prometheus):
    there = [1, 2, NAN, NAN, 5, NAN, 7, 8, 9, NAN]
    write(prometheus, series("gap_one", there))
    np.testing.assert_array_equal(values(read(prometheus, "gap_one")), there)


def test_a_query_that_wants_values_to_stand_longer_says_so(prometheus):
    write(prometheus, series("gap_two", [1, NAN, NAN, 4, NAN, NAN, NAN, NAN, NAN, NAN]))
    found = read(prometheus, "last_over_time(gap_two[119999ms])")
    np.testing.assert_array_equal(values(found), [1, 1, NAN, 4, 4, NAN, NAN, NAN, NAN, NAN])


def test_values_between_the_points_of_the_grid_get_the_stamp_of_the_step_they_fall_in(prometheus):
    early = START + timedelta(seconds=20)
    write(prometheus, series("phase", [1, 2, 3], start=early))  # known at :20 past the minute
    np.testing.assert_array_equal(values(read(prometheus, "phase", end=START + 5 * MINUTE)), [NAN, 1, 2, 3, NAN])


def test_a_rate_gets_the_stamp_of_the_minute_that_it_covers(prometheus):
    per_second = np.repeat([2.0, 0.0, 5.0, 5.0, 5.0], 4)  # a counter, every 15 s
    counter = np.concatenate([[100.0], 100.0 + 15 * np.cumsum(per_second)])
    write(prometheus, series("covered_total", counter, start=START - timedelta(seconds=15), step=timedelta(seconds=15)))
    found = read(prometheus, "rate(covered_total[1m])", end=START + 5 * MINUTE)
    np.testing.assert_allclose(values(found), [2, 0, 5, 5, 5])


def test_a_counter_reset_is_no_negative_rate(prometheus):
    counter = [0, 30, 60, 90, 10, 40, 70]
    write(
        prometheus, series("restarted_total", counter, start=START - timedelta(seconds=15), step=timedelta(seconds=15))
    )
    assert values(read(prometheus, "rate(restarted_total[1m])", end=START + MINUTE))[0] >= 0


class Target:
    """A real scrape target on loopback; what it exposes can be changed."""

    def __init__(self):
        self.exposed = (
            "# TYPE jobs_done counter\njobs_done 5\n# TYPE seats_total gauge\nseats_total 7\n"
            '# TYPE wait_seconds histogram\nwait_seconds_bucket{le="+Inf"} 3\nwait_seconds_sum 1\n'
            "wait_seconds_count 3\n"
        )
        self.heat = "heat 20\n"


@pytest.fixture(scope="module")
def scraped():
    """A Prometheus that scrapes a target every 200 ms, and so knows types, and writes stale markers."""
    target = Target()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = (target.exposed + target.heat).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        jobs = [{"job_name": "x", "static_configs": [{"targets": [f"127.0.0.1:{http.server_port}"]}]}]
        with testbed.prometheus.prometheus(scrape_configs=jobs, evaluate_every=timedelta(milliseconds=200)) as server:
            wait_until_answered(server, "count_over_time(heat[1m]) > 10 and on() count(wait_seconds_count)")
            yield server, target
        http.shutdown()
        thread.join()


def wait_until_answered(server, query):
    deadline = time.monotonic() + 20
    while True:
        now = datetime.now(UTC).replace(microsecond=0)
        try:
            return read(server, query, start=now - timedelta(seconds=1), end=now, step=timedelta(seconds=1))
        except DataError:
            assert time.monotonic() < deadline, f"{query} stays without an answer"
            time.sleep(0.1)


def test_a_stale_series_ends_at_once(scraped):
    server, target = scraped
    target.heat = ""
    wait_until_answered(server, "absent(heat)")
    gone = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    wait_until_answered(server, f"vector(time()) > {gone.timestamp() + 2:.0f}")
    target.heat = "heat 20\n"
    window = {"start": gone - timedelta(seconds=20), "end": gone + timedelta(seconds=2), "step": timedelta(seconds=1)}
    for query in ("heat", "sum(heat)"):
        found = values(read(server, query, **window))
        assert np.isnan(found[-2:]).all()
        assert (found == 20).any()


@pytest.mark.parametrize(
    "query", ["jobs_done", "wait_seconds_count", "sum(wait_seconds_bucket)", '{__name__=~"jobs.*"}']
)
def test_what_prometheus_knows_to_be_a_counter_is_refused_raw(scraped, query):
    now = datetime.now(UTC).replace(microsecond=0)
    with pytest.raises(DataError, match=r"reads the counter \w+ as it is.*rate\(\w+\[1m\]\)"):
        read(scraped[0], query, start=now - timedelta(seconds=3), end=now, step=timedelta(seconds=1))


def test_what_prometheus_knows_to_be_a_gauge_is_read_whatever_its_name(scraped):
    now = datetime.now(UTC).replace(microsecond=0)
    found = read(scraped[0], "seats_total", start=now - timedelta(seconds=3), end=now, step=timedelta(seconds=1))
    assert values(found)[-1] == 7


def test_a_name_of_a_counter_is_refused_unless_the_query_insists(prometheus):
    write(prometheus, series("orders_total", [1, 2, 3]))
    for query in ("orders_total", "sum(orders_total)", '{__name__=~"orders_t.*"}'):
        with pytest.raises(DataError, match=r"orders_total as it is, .* ask for rate\(orders_total\[1m\]\)"):
            read(prometheus, query)
    assert values(read(prometheus, "last_over_time(orders_total[1m])"))[0] == 1


def test_units_and_keys_follow_the_query(prometheus):
    write(prometheus, series("heap_bytes", [1, 2, 3], pod="a"), series("heap_bytes", [1, 2, 3], pod="b"))
    found = read(prometheus, "heap_bytes")
    assert [(each.key.series_id, each.unit) for each in found.series] == [
        ('heap_bytes{pod="a"}', "bytes"),
        ('heap_bytes{pod="b"}', "bytes"),
    ]
    (by_pod, _) = read(prometheus, "sum by (pod) (heap_bytes)").series
    (total,) = read(prometheus, "sum(heap_bytes)").series
    assert (by_pod.key.series_id, by_pod.unit) == ('{pod="a"}', "bytes")
    assert total.key == SeriesKey.parse(total.key.series_id) == SeriesKey.of("", {"query": "sum(heap_bytes)"})


def test_four_weeks_of_a_minute_come_back_in_parts_as_they_were(prometheus):
    month = np.random.default_rng(1).normal(size=40_320)
    month[5_000:5_100] = NAN
    start = START - timedelta(days=28)
    written = series("month", month, start=start)
    write(prometheus, written)
    found = read(prometheus, "month", start=start, end=written.end)
    np.testing.assert_array_equal(values(found), month)
    assert found.warnings == ()
    assert found.qualities[0].points == 40_220


def test_too_many_series_are_refused_before_they_are_fetched(prometheus):
    write(prometheus, *(series("crowd", [1.0, 1.0], n=str(number)) for number in range(300)))
    with pytest.raises(DataError, match=r"'crowd' matches 300 series, more than the 250 of .*add label matchers"):
        read(prometheus, "crowd", end=START + 5 * MINUTE, max_series=250)
    assert len(read(prometheus, "count(crowd)", max_series=250).series) == 1


def test_more_series_than_any_instant_shows_are_refused_too(prometheus):
    write(prometheus, *(series("relay", [1.0], start=START + number * MINUTE, n=str(number)) for number in range(9)))
    with pytest.raises(DataError, match="matches 9 series, more than the 5 of AIOPS_PROMETHEUS__MAX_SERIES"):
        read(prometheus, "relay", max_series=5)


def test_more_points_than_memory_should_hold_are_refused(prometheus):
    write(prometheus, series("long", [1.0] * 10))
    with pytest.raises(DataError, match="shorter range or a longer step"):
        read(prometheus, "long", start=START - timedelta(days=3000), end=START + 10 * MINUTE, step=timedelta(seconds=1))


def test_a_bad_query_is_refused_in_the_words_of_prometheus(prometheus):
    with pytest.raises(UpstreamRejectedError, match=r"\(400\).*1:7: parse error: unclosed left parenthesis"):
        read(prometheus, "sum(up")


def test_a_number_is_a_series_without_labels(prometheus):
    np.testing.assert_array_equal(values(read(prometheus, "scalar(vector(3)) # three")), [3.0] * 10)


def test_infinite_values_are_missing_and_said_to_be(prometheus):
    write(prometheus, series("nil", [0, 1, 0]))
    found = read(prometheus, "1 / nil", end=START + 2 * MINUTE)
    np.testing.assert_array_equal(values(found), [NAN, 1])
    assert "1 series hold infinite values, read as missing" in found.warnings[0]


def test_a_series_that_fell_silent_before_the_end_is_stale(prometheus):
    write(prometheus, series("silent", [1.0, 2.0]), series("talking", range(10)))
    assert Defect.STALE in read(prometheus, "silent").qualities[0].defects
    assert Defect.STALE not in read(prometheus, "talking").qualities[0].defects


@pytest.mark.parametrize(
    ("start", "end", "step", "said"),
    [
        (START, START, MINUTE, "range is empty"),
        (START.replace(tzinfo=None), START, MINUTE, "UTC"),
        (START, START + MINUTE, timedelta(0), "step must be positive"),
        (START, START + MINUTE, timedelta(microseconds=1500), "milliseconds"),
    ],
)
def test_a_range_that_is_none_is_refused(prometheus, start, end, step, said):
    with pytest.raises(DataError, match=said):
        read(prometheus, "up", start=start, end=end, step=step)


def test_the_end_of_prometheus_during_the_run_is_no_answer(fresh_prometheus):
    write(fresh_prometheus, series("brief", [1.0]))
    assert values(read(fresh_prometheus, "brief"))[0] == 1
    fresh_prometheus.stop()
    with pytest.raises(UpstreamUnavailableError, match=r"cannot reach Prometheus at .*Connection refused"):
        read(fresh_prometheus, "brief", attempts=2)


# What follows cannot be had from a real Prometheus on demand: its answers are written down here.


def matrix(asked, **more):
    """Answer 1 for each instant that was asked for."""
    start, end, step = (float(asked.form[name]) for name in ("start", "end", "step"))
    points = [[start + column * step, "1"] for column in range(round((end - start) / step) + 1)]
    rows = [{"metric": {"__name__": "x"}, "values": points}]
    return Reply(
        body=json.dumps({"status": "success", "data": {"resultType": "matrix", "result": rows}, **more}).encode()
    )


def test_warnings_beside_the_data_are_handed_on_once():
    with peer(lambda asked: matrix(asked, warnings=["store 7 is down"], infos=["not a counter"])) as server:
        found = read(server, "x", end=START + timedelta(days=20))
    assert found.warnings == ("Prometheus says: store 7 is down", "Prometheus says: not a counter")


def test_a_part_that_fails_leaves_a_gap_and_a_warning_that_names_it():
    broken_before = START.timestamp() + 5 * 86_400
    end = START + timedelta(days=20)

    def answer(asked):
        is_old = asked.path.endswith("query_range") and float(asked.form["start"]) < broken_before
        return Reply(status=503) if is_old and "count" not in asked.form["query"] else matrix(asked)

    with peer(answer) as server:
        found = read(server, "x", end=end, attempts=2)
    first = START + timedelta(minutes=28_800 - 20_000)
    assert found.series[0].between(START, first).values.size == 8_800
    assert np.isnan(found.series[0].between(START, first).values).all()
    assert (found.series[0].between(first, end).values == 1).all()
    ((_, warning),) = found.skipped
    assert warning.startswith(f"history is incomplete: {START.isoformat()} to {first.isoformat()} is missing")


def test_the_newest_part_has_to_come():
    def answer(asked):
        return matrix(asked) if "count" in asked.form["query"] else Reply(status=503)

    with peer(answer) as server, pytest.raises(UpstreamUnavailableError, match="503"):
        read(server, "x", end=START + timedelta(days=20), attempts=1)


def test_a_server_without_metadata_is_no_hindrance():
    with peer(lambda asked: Reply(status=404) if "metadata" in asked.path else matrix(asked)) as server:
        assert values(read(server, "x"))[0] == 1
        with pytest.raises(DataError, match="counter x_total"):
            read(server, "x_total")


def test_native_histograms_are_refused_with_advice():
    rows = [{"metric": {"__name__": "x"}, "histograms": []}]
    body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": rows}}).encode()

    def answer(asked):
        return matrix(asked) if "count" in asked.form["query"] else Reply(body=body)

    with peer(answer) as server, pytest.raises(DataError, match="histogram_quantile"):
        read(server, "x")
