"""Numbers as people say them."""

from datetime import UTC, datetime

import pytest

from aiops.alerting.quantity import how_often, instant, odds, quantity, span


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1320.4, "requests/second", "1.32 k requests/second"),
        (0.0, "requests/second", "0 requests/second"),
        (-42.0, "", "-42"),
        (999.0, "", "999"),
        (1.5e6, "", "1.5 M"),
        (3e17, "", "300000 T"),
        (3e20, "", "3.00e+08 T"),
        (0.000012, "", "1.20e-05"),
        (0.25, "seconds", "250 ms"),
        (5400.0, "seconds", "1.5 h"),
        (2e-9, "seconds", "0.002 µs"),
        (0.0, "seconds", "0 seconds"),
        (1.5 * 2**30, "bytes", "1.5 GiB"),
        (2048.0, "bytes/second", "2 KiB/second"),
        (10.0, "bytes", "10 B"),
        (0.123, "ratio", "12.3 %"),
        (float("nan"), "seconds", "unknown"),
        (4.81e-272, "requests/second", "0 requests/second"),
        (-1e-300, "", "0"),
    ],
)
def test_a_value_and_its_unit(value, unit, said):
    assert quantity(value, unit) == said


@pytest.mark.parametrize(
    ("low", "high", "unit", "said"),
    [
        (97.0, 520.0, "requests/second", "97 to 520 requests/second"),
        (980.0, 1120.0, "requests/second", "980 requests/second to 1.12 k requests/second"),
        (10.0, 80.0, "", "10 to 80"),
        (0.0, 0.25, "seconds", "0 seconds to 250 ms"),
    ],
)
def test_an_interval_has_its_unit_once(low, high, unit, said):
    assert span(low, high, unit) == said


def test_an_instant_says_its_zone():
    assert instant(datetime(2026, 3, 2, 3, 7, 9, tzinfo=UTC)) == "2026-03-02 03:07 UTC"


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (0.0, "one point in 1 looks"),
        (0.99, "one point in 100 looks"),
        (0.9995, "one point in 2 000 looks"),
        (1 - 1 / 123_456, "one point in 100 000 looks"),
        (1 - 1e-9, "fewer than one point in a million looks"),
    ],
)
def test_odds_in_words(score, said):
    assert odds(score).startswith(said)


@pytest.mark.parametrize(
    ("alerts_a_week", "said"),
    [
        (0.0, "less than once in 1 000 weeks"),
        (0.0034, "once in 300 weeks"),
        (0.52, "once in 2 weeks"),
        (0.7, "once a week"),
        (1.4, "once a week"),
        (2.6, "3 times a week"),
        (251.3, "300 times a week"),
    ],
)
def test_how_often_with_one_digit(alerts_a_week, said):
    assert how_often(alerts_a_week) == said
