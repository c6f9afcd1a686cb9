"""What the values before an anomaly say of it, and where the links of an alert lead."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest

from aiops.alerting.evidence import confidence, is_trend, misses_season, sparkline
from aiops.alerting.links import Links

MINUTE = timedelta(minutes=1)
DAY = 1440


def days(n: int, seed: int = 0) -> np.ndarray:
    """Return days with an hour's peak at 12:00, five times the rest."""
    minute = np.arange(n * DAY) % DAY
    return 100 + 400 * ((minute >= 720) & (minute < 780)) + np.random.default_rng(seed).normal(0, 2, n * DAY)


def test_a_peak_that_does_not_come_is_a_missing_season():
    values = days(4)
    at = 3 * DAY + 725
    values[3 * DAY + 720 : at + 1] = 100.0
    assert misses_season(values[: at + 1], MINUTE, 5)


@pytest.mark.parametrize("what", ["the peak came", "a spike elsewhere", "no second day", "a gap"])
def test_what_is_no_missing_season(what):
    values = days(4)
    end = 3 * DAY + 726
    if what == "a spike elsewhere":
        end = 3 * DAY + 300
        values[end - 5 : end] = 500.0
    elif what == "no second day":
        values[3 * DAY + 720 : end], values = 100.0, values[2 * DAY + 100 :]
        end -= 2 * DAY + 100
    elif what == "a gap":
        values[end - 1] = np.nan
    assert not misses_season(values[:end], MINUTE, 5)


@pytest.mark.parametrize(
    ("shape", "creeps"),
    [
        (np.linspace(0, 100, 40), True),
        (-(np.linspace(0, 1, 40) ** 2) * 80, True),
        (np.where(np.arange(40) >= 35, 100.0, 0.0), False),
        (np.zeros(40), False),
    ],
    ids=["line", "downwards", "step", "noise"],
)
def test_a_trend_creeps_in_and_a_step_does_not(shape, creeps):
    values = np.concatenate([np.zeros(60), shape]) + np.random.default_rng(3).normal(0, 0.5, 100)
    assert is_trend(values, 5) is creeps


def test_a_sparkline_is_bounded_and_shows_gaps_and_range():
    values = np.concatenate([np.full(500, 10.0), [np.nan, 10.0, 80.0]])
    drawn = sparkline(values, MINUTE, "")
    assert drawn == f"{'▁' * 57}·▁█ (1 h, 10 to 80)"
    assert sparkline(np.full(5, np.nan), MINUTE, "") == ""
    assert sparkline(np.full(5, 1e17), MINUTE, "").startswith("▁" * 5)


@pytest.mark.parametrize(
    ("points", "gaps", "level"), [(20_160, 0, "high"), (900, 0, "medium"), (80, 0, "low"), (9000, 4000, "low")]
)
def test_confidence_says_how_much_is_known(points, gaps, level):
    values = np.ones(points)
    values[:gaps] = np.nan
    assert confidence(values).startswith(f"{level}: ")
    assert confidence(np.ones(80)) == "low: 80 points of history, 0.0% missing"
    assert confidence(np.ones(20_160)) == "high: 20 160 points of history, 0.0% missing"


def test_the_links_lead_to_the_query_and_to_a_silence_of_the_cause():
    links = Links(prometheus="http://p.example/prefix/", alertmanager="http://a.example/")
    labels = {"alertname": "SeriesAnomalous", "severity": "page", "service": 'a"b', "incident": "2"}
    at = datetime(2026, 3, 2, 14, 7, tzinfo=UTC)
    asked = urlsplit(links.explain("sum by (service) (rate(x[1m]))", at))
    assert asked.path == "/prefix/graph"
    assert parse_qs(asked.query)["g0.expr"] == ["sum by (service) (rate(x[1m]))"]
    assert parse_qs(asked.query)["g0.end_input"] == ["2026-03-02 17:07:00"]
    silence = links.silence(labels)
    assert unquote(silence.partition("filter=")[2]) == '{alertname="SeriesAnomalous",service="a\\"b"}'
    assert Links().silence(labels) == Links().explain("up", at) == ""
