"""A service whose metrics part, through the code that serves: alone each is ordinary, together they are an incident."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.alerting.rules import AlertRule
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.series import Series, SeriesKey
from aiops.usecases.backtest_detection import backtest_detection
from aiops.usecases.services import Services
from aiops.usecases.warming import warm_up

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 9
PARTING = slice(-300, -292)  # minutes in which errors rise while the load falls


def metrics(parting=None, days=DAYS, seed=0):
    """Return load and errors of a shop, which rise and fall together, and a latency that goes its own way."""
    random = np.random.default_rng(seed)
    n = days * 1440
    common, side = random.normal(size=n), np.ones(n)
    if parting is not None:
        common[parting] = random.normal(0.9, 0.2, 8)
        side[parting] = -1
    day = np.sin(np.arange(n) * 2 * np.pi / 1440)
    values = {
        "load": 1000 + 300 * day + 60 * side * common + 6 * random.normal(size=n),
        "errors": 40 + 10 * day + 3 * common + 0.3 * random.normal(size=n),
        "latency": 200 + 20 * day + 6 * random.normal(size=n),
    }
    return [
        Series(key=SeriesKey.of(name, {"service": "shop"}), start=START, step=MINUTE, values=each)
        for name, each in values.items()
    ]


def replayed(series, together):
    return backtest_detection(
        series, Scorer([detector("fleet")]), AlertRule(), timedelta(days=1), together=together
    ).told


def test_only_together_they_tell_that_errors_rise_while_the_load_falls():
    parting = metrics(PARTING)
    assert replayed(parting, None) == (), "no metric is odd alone"
    (told,) = replayed(parting, "ecod")
    begin = parting[0].end + PARTING.start * MINUTE
    assert begin <= told.first.starts_at <= begin + 2 * MINUTE
    said = told.first.annotations
    assert said["series"] == 'service{service="shop"}'
    assert said["summary"].startswith("shop: its metrics do not go together as they usually do: ")
    for part in ("errors", "load", "usual distances above expected", "usual distances below expected"):
        assert part in said["why"]
    assert "latency" not in said["why"]
    assert "(detector ecod)" in said["why"]
    assert told.alert.annotations["summary"] == "shop: its metrics go together again"


def test_a_service_that_is_well_tells_nobody():
    assert replayed(metrics(seed=1), "ecod") == ()


@pytest.fixture
def watched():
    """Return the services of a monitor, with the history of a shop learnt."""
    found = Services("ecod", AlertRule(), MINUTE, ["service"])
    series = metrics(days=2)
    warmed = warm_up(Scorer([detector("fleet")]), series, [], "", keep=found.keep)
    found.join(found.replay(series, warmed), {})
    return found, series


def test_what_has_no_service_belongs_to_none_and_a_service_ends_with_its_last_metric(watched):
    found, series = watched
    keys = [each.key for each in series]
    assert [each.series_id for each in found.series.keys] == ['service{service="shop"}']
    found.forget(keys[:2])
    assert len(found.series.keys) == 1
    found.forget([])
    assert found.series.keys == ()
    alone = [Series(key=SeriesKey("load"), start=START, step=MINUTE, values=np.ones(1440))]
    assert found.replay(alone, warm_up(Scorer([detector("fleet")]), alone, [], "", keep=10)).services == ()


def test_after_a_restart_the_same_history_gives_the_same_scores(watched):
    found, series = watched
    again = Services("ecod", AlertRule(), MINUTE, ["service"])
    warmed = warm_up(Scorer([detector("fleet")]), series, [], "", keep=again.keep)
    again.join(again.replay(series, warmed), {})
    (key,) = found.series.keys
    vectors = {key: np.array([-60.0, 3.0, 0.0])}
    assert found.oddities(vectors).tobytes() == again.oddities(vectors).tobytes()
