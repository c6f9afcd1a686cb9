"""What a person reads at three in the morning."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops.alerting import explain
from aiops.alerting.episode import Episode, Kind
from aiops.alerting.explain import Subject
from aiops.detection.score import AnomalyScore
from aiops.series import SeriesKey

SINCE = datetime(2026, 3, 2, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAN = float("nan")
SUBJECT = Subject(
    key=SeriesKey.of("http_requests", {"service": "checkout", "zone": "b"}),
    step=MINUTE,
    unit="requests/second",
    model="holt_winters",
    runbook="https://runbooks.example/checkout",
)
WORST = AnomalyScore(
    key=SUBJECT.key,
    at=SINCE + 2 * MINUTE,
    observed=1320.0,
    expected=820.0,
    lower=-12.0,
    upper=950.0,
    value=1 - 1 / 12_000,
    detector="residual",
    warming_up=False,
)
EPISODE = Episode(points=4, first=replace(WORST, at=SINCE), worst=WORST)


LINKS = {
    "model": "holt_winters",
    "runbook": "https://runbooks.example/checkout",
    "series": 'http_requests{service="checkout",zone="b"}',
}


def test_a_spike_says_what_was_seen_and_expected_and_how_odd_that_is():
    said = explain.firing(SUBJECT, EPISODE, Kind.SPIKE)
    assert said == {
        "summary": "http_requests of checkout, b: "
        "1.32 k requests/second, expected 820 requests/second (normal 0 to 950 requests/second)",
        "kind": "spike",
        "observed": "1.32 k requests/second",
        "expected": "820 requests/second",
        "normal": "0 to 950 requests/second",
        "why": "spike, 61% above expected at 2026-03-02 03:03 UTC: "
        "one point in 10 000 looks so odd in normal times (detector residual)",
        "since": "2026-03-02 03:01 UTC (4 points of 1 min)",
        **LINKS,
    }


def test_the_end_says_how_long_it_lasted_and_how_bad_it_was():
    said = explain.resolved(SUBJECT, EPISODE, Kind.SPIKE, SINCE + 65 * MINUTE)
    assert said["summary"] == (
        "http_requests of checkout, b: normal again after 1 h 5 min; it was "
        "1.32 k requests/second, expected 820 requests/second (normal 0 to 950 requests/second)"
    )


def test_an_unusual_value_without_an_expectation():
    worst = replace(WORST, expected=NAN, lower=NAN, upper=NAN, detector="halfspace")
    said = explain.firing(replace(SUBJECT, model="", runbook=""), replace(EPISODE, worst=worst), Kind.PATTERN)
    assert said == {
        "summary": "http_requests of checkout, b: 1.32 k requests/second is unusual here",
        "kind": "pattern",
        "observed": "1.32 k requests/second",
        "why": "unusual value or change at 2026-03-02 03:03 UTC: "
        "one point in 10 000 looks so odd in normal times (detector halfspace)",
        "since": "2026-03-02 03:01 UTC (4 points of 1 min)",
        "series": LINKS["series"],
    }


def test_silence_says_that_it_is_not_an_anomaly():
    assert explain.silent(SUBJECT, SINCE, SINCE + 20 * MINUTE) == {
        "summary": "http_requests of checkout, b: no data for 19 min",
        "kind": "silence",
        "why": "missing data is not an anomaly of the service by itself: "
        "its exporter, the scrape or the query may have stopped",
        "since": "2026-03-02 03:02 UTC",
        **LINKS,
    }


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (SeriesKey("iops/4d2af31a"), "iops/4d2af31a"),
        (SeriesKey.of("", {"service": "checkout"}), "checkout"),
    ],
)
def test_a_series_without_labels_or_without_a_name_is_named_by_what_it_has(key, named):
    said = explain.firing(replace(SUBJECT, key=key), EPISODE, Kind.SPIKE)
    assert said["summary"].startswith(f"{named}: 1.32 k")


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (700.0, 1e37, "700 requests/second or more"),
        (-1e37, 1e37, "anything"),
        (-1e37, 950.0, "0 to 950 requests/second"),
        (0.0, 4.8e-272, "0 to 0 requests/second"),
    ],
)
def test_an_interval_without_an_end_is_no_number(lower, upper, said):
    worst = replace(WORST, lower=lower, upper=upper)
    assert explain.firing(SUBJECT, replace(EPISODE, worst=worst), Kind.SPIKE)["normal"] == said


def test_below_zero_an_interval_may_have_no_lower_end():
    worst = replace(WORST, observed=-900.0, expected=-20.0, lower=-1e37, upper=-2.0)
    assert explain.firing(SUBJECT, replace(EPISODE, worst=worst), Kind.DROP)["normal"] == "-2 requests/second or less"


def test_a_value_that_is_odd_for_its_story_is_not_called_off():
    why = explain.firing(SUBJECT, replace(EPISODE, worst=replace(WORST, observed=821.0)), Kind.SEASON)["why"]
    assert why.startswith("missing season, at a value that is normal by itself at 2026-03-02 03:03 UTC")


def test_ends_of_different_units_keep_them():
    worst = replace(WORST, observed=2.0, expected=0.25, lower=0.2, upper=1.5)
    said = explain.firing(replace(SUBJECT, unit="seconds"), replace(EPISODE, worst=worst), Kind.SPIKE)
    assert said["normal"] == "200 ms to 1.5 s"


@pytest.mark.parametrize(
    ("changes", "points", "kind"),
    [
        ({}, 3, Kind.SPIKE),
        ({"observed": -50.0}, 3, Kind.DROP),
        ({}, 15, Kind.SHIFT),
        ({"expected": NAN, "lower": NAN, "upper": NAN}, 15, Kind.PATTERN),
        ({"observed": 800.0}, 3, Kind.PATTERN),
    ],
)
def test_kinds(changes, points, kind):
    episode = replace(EPISODE, points=points, worst=replace(WORST, **changes))
    assert episode.kind(shift_after=15) is kind


@pytest.mark.parametrize(
    ("observed", "expected", "said"),
    [
        (1320.0, 820.0, "spike, 61% above expected"),
        (10.0, 820.0, "drop, 99% below expected"),
        (1e6, 1.0, "spike, far above expected"),
        (5.0, 0.0, "spike, far above expected"),
        (-30.0, -20.0, "drop, 50% below expected"),
    ],
)
def test_the_deviation_is_told_in_proportion(observed, expected, said):
    worst = replace(WORST, observed=observed, expected=expected, lower=expected - 1e-3, upper=expected + 1e-3)
    episode = replace(EPISODE, worst=worst)
    assert explain.firing(SUBJECT, episode, episode.kind(15))["why"].startswith(said)
