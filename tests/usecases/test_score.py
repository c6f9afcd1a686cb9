"""Scoring as time passes: from history to the first page, on simulated time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters.clock import SimulatedClock
from aiops.adapters.memory import MemorySource
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.alerting.alert import Alert
from aiops.alerting.rules import AlertRule
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.errors import DataError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.forecasting.forecast import Forecast
from aiops.ports import MetricSource, Telemetry
from aiops.series import FloatArray, Frame, Series, SeriesKey
from aiops.settings import PrometheusSettings
from aiops.usecases.score import Scored, Scoring

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
HISTORY, LIVE = 3 * 1440, 120
NOW = START + HISTORY * MINUTE
SPIKE = slice(HISTORY + 60, HISTORY + 75)
KEYS = tuple(SeriesKey.of("requests", {"service": name}) for name in ("checkout", "search", "admin"))


def season() -> FloatArray:
    minute = np.arange(HISTORY + LIVE)
    return np.asarray(np.outer([1000.0, 300.0, 20.0], 1 + 0.5 * np.sin(minute / 1440 * 2 * np.pi)))


def telemetry(start: datetime = START) -> Frame:
    """Three services with a day's season; checkout doubles for a quarter of an hour, admin falls silent."""
    values = season() * np.random.default_rng(1).normal(1, 0.02, (3, HISTORY + LIVE))
    values[0, SPIKE] *= 2
    values[2, HISTORY + 30 :] = np.nan
    return Frame(keys=KEYS, start=start, step=MINUTE, values=values, units=("requests/second",) * 3)


def forecast(cutoff_column: int, horizon: int, keys: Sequence[SeriesKey] = KEYS) -> Forecast:
    """The truth without the noise, as a good forecaster would see it from ``cutoff_column``."""
    rows = [KEYS.index(key) for key in keys]
    mean = season()[rows, cutoff_column + 1 : cutoff_column + 1 + horizon]
    return Forecast(
        keys=tuple(keys),
        cutoff=START + cutoff_column * MINUTE,
        step=MINUTE,
        mean=mean,
        levels=np.array([0.05, 0.5, 0.95]),
        values=np.stack([mean * 0.96, mean, mean * 1.04], axis=1),
        units=("requests/second",) * len(keys),
        models=("seasonal",) * len(keys),
    )


def scoring(keys: Sequence[SeriesKey] = KEYS) -> Scoring:
    return Scoring(
        Scorer([detector("residual"), detector("halfspace")]),
        AlertRule(),
        keys,
        MINUTE,
        units=["requests/second"] * len(keys),
        runbook="https://runbooks.example/odd",
    )


def warmed(*, with_forecast: bool = True) -> Scoring:
    found = scoring()
    if with_forecast:
        found.use(forecast(1440, 1440))
        found.use(forecast(2880, 1439))
        found.use(forecast(HISTORY - 1, LIVE))
    for _ in found.warm_up(telemetry().columns(0, HISTORY)):
        pass
    return found


def followed(
    watched: Scoring, source: MetricSource, *, query: str = "*", now: datetime = NOW, settle: timedelta = timedelta(0)
) -> tuple[list[Scored], SimulatedClock]:
    clock = SimulatedClock(now)

    async def run() -> list[Scored]:
        until = now + LIVE * MINUTE
        return [each async for each in watched.follow(source, query, clock, until=until, settle=settle)]

    return asyncio.run(run()), clock


def changes(found: Sequence[Scored]) -> list[tuple[int, Alert]]:
    return [((each.at - NOW) // MINUTE, alert) for each in found for alert in each.changes]


def test_from_history_to_a_page_that_explains_itself():
    watched = warmed()
    found, _ = followed(watched, MemorySource(tuple(telemetry().rows())))
    assert [each.at for each in found] == [NOW + minute * MINUTE for minute in range(LIVE)]
    minute, page = next((m, a) for m, a in changes(found) if a.labels["alertname"] == "SeriesAnomalous")
    assert page.severity.value == "page"
    assert page.labels["service"] == "checkout"
    assert minute == 62, "the third odd minute pages"
    assert page.starts_at == NOW + 60 * MINUTE
    said = page.annotations
    assert said["kind"] == "spike"
    assert said["model"] == "seasonal"
    assert "(detector residual)" in said["why"]
    assert said["summary"].startswith("requests of checkout: 2")
    odd = next(each for each in found if each.at == page.starts_at).scores[0]
    assert odd.value > 0.9999
    assert odd.expected == pytest.approx(season()[0, SPIKE.start], rel=0.01)
    assert odd.lower < odd.expected < odd.upper < odd.observed


def test_the_page_ends_and_silence_is_a_ticket():
    watched = warmed()
    found, _ = followed(watched, MemorySource(tuple(telemetry().rows())))
    told = [(m, a.labels["alertname"], a.severity.value, a.status.value) for m, a in changes(found)]
    assert told == [
        (44, "SeriesSilent", "ticket", "firing"),
        (62, "SeriesAnomalous", "page", "firing"),
        (80, "SeriesAnomalous", "page", "resolved"),  # the way back, at 75, is as odd a change as the way there
    ]
    (left,) = watched.firing
    assert left.labels["service"] == "admin"


def test_without_a_forecast_the_own_level_finds_it_too():
    found, _ = followed(warmed(with_forecast=False), MemorySource(tuple(telemetry().rows())))
    pages = [m for m, a in changes(found) if a.severity.value == "page" and a.ends_at is None]
    assert pages == [62]


def test_a_value_is_scored_when_its_step_has_ended_and_settled():
    seen: list[tuple[datetime, datetime]] = []
    watched, clock = warmed(), SimulatedClock(NOW)

    async def run() -> None:
        source = MemorySource(tuple(telemetry().rows()))
        settle = timedelta(seconds=10)
        async for scored in watched.follow(source, "*", clock, until=NOW + 5 * MINUTE, settle=settle):
            seen.append((scored.at, clock.now()))

    asyncio.run(run())
    assert seen == [(at, at + MINUTE + timedelta(seconds=10)) for at, _ in seen]
    assert len(seen) == 5


class Interrupted:
    """A source that does not answer between two instants of its clock."""

    def __init__(self, source: MetricSource, clock: SimulatedClock, since: datetime, until: datetime) -> None:
        self._source, self._clock, self._since, self._until = source, clock, since, until

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Telemetry:
        if self._since <= self._clock.now() < self._until:
            raise UpstreamUnavailableError("no route to host")
        return await self._source.range(query, start, end, step)


def test_an_outage_of_the_source_changes_no_score_and_makes_nobody_silent():
    source = MemorySource([row for row in telemetry().rows() if row.key != KEYS[2]])
    plain, _ = followed(warmed(), source)
    watched, clock = warmed(), SimulatedClock(NOW)
    broken = Interrupted(source, clock, NOW + 10 * MINUTE, NOW + 100 * MINUTE)

    async def run() -> list[Scored]:
        return [each async for each in watched.follow(broken, "*", clock, until=NOW + LIVE * MINUTE)]

    assert repr(asyncio.run(run())) == repr(plain)
    assert clock.now() >= NOW + LIVE * MINUTE


def test_a_source_that_has_nothing_is_a_gap_of_all_series():
    found, _ = followed(warmed(), MemorySource([]))
    assert len(found) == LIVE
    assert {score.value for each in found for score in each.scores} == {0.0}
    assert [(m, a.labels["service"]) for m, a in changes(found)] == [(14, "checkout"), (14, "search"), (14, "admin")]


def test_columns_at_once_are_columns_one_by_one():
    live = telemetry().columns(HISTORY, HISTORY + LIVE)
    at_once = list(warmed().score(live))
    one_by_one = warmed()
    single = [scored for i in range(LIVE) for scored in one_by_one.score(live.columns(i, i + 1))]
    assert repr(single) == repr(at_once)
    assert list(one_by_one.score(live)) == [], "columns that were seen before are skipped"


def test_no_score_depends_on_what_comes_later():
    live = telemetry().columns(HISTORY, HISTORY + LIVE)
    corrupted = live.values.copy()
    corrupted[:, 50:] = np.random.default_rng(0).normal(0, 1e9, corrupted[:, 50:].shape)
    other = Frame(keys=KEYS, start=live.start, step=MINUTE, values=corrupted)
    assert repr(list(warmed().score(live))[:50]) == repr(list(warmed().score(other))[:50])


def test_rows_are_matched_by_key_and_strangers_are_left_out():
    live = telemetry().columns(HISTORY, HISTORY + 10)
    stranger = Frame(
        keys=(SeriesKey("other"), KEYS[1], KEYS[0]), start=live.start, step=MINUTE, values=live.values[[2, 1, 0]]
    )
    found, plain = list(warmed().score(stranger)), list(warmed().score(live))
    assert [repr(each.scores[:2]) for each in found] == [repr(each.scores[:2]) for each in plain]
    assert all(np.isnan(each.scores[2].observed) for each in found)


def test_the_newest_forecast_made_before_a_point_counts():
    watched = warmed()
    newer = forecast(HISTORY + 4, 20)
    doubled = replace(newer, mean=2 * newer.mean, values=2 * newer.values)
    watched.use(doubled)
    watched.use(replace(doubled, cutoff=START + MINUTE))  # older than what is there: not used
    found = list(watched.score(telemetry().columns(HISTORY, HISTORY + 30)))
    ratio = np.array([each.scores[0].expected for each in found]) / season()[0, HISTORY : HISTORY + 30]
    assert ratio[:5] == pytest.approx(1, rel=0.1)
    assert ratio[5:25] == pytest.approx(2, rel=0.1)
    assert ratio[25:] == pytest.approx(1, rel=0.1)


def test_against_a_real_prometheus(prometheus):
    """What was written there is scored as it was, minute by minute, and the spike pages."""
    start = datetime.now(UTC).replace(second=0, microsecond=0) - (HISTORY + LIVE) * MINUTE
    frame = telemetry(start)
    settings = PrometheusSettings(url=prometheus.url)
    named = [
        Series(key=SeriesKey.of("scored_requests", dict(row.key.labels)), start=start, step=MINUTE, values=row.values)
        for row in frame.rows()
    ]
    RemoteWriter(settings).write(named)
    source = PrometheusSource(settings)
    now = start + HISTORY * MINUTE
    history = asyncio.run(source.range("scored_requests", start, now, MINUTE))
    found_frame = Frame.of(history.series)
    watched = Scoring(Scorer([detector("residual")]), AlertRule(), found_frame.keys, MINUTE)
    for _ in watched.warm_up(found_frame):
        pass
    found, _ = followed(watched, source, query="scored_requests", now=now)
    pages = [
        ((each.at - now) // MINUTE, alert.labels["service"])
        for each in found
        for alert in each.changes
        if alert.severity.value == "page" and alert.ends_at is None
    ]
    assert pages == [(62, "checkout")]


def test_a_refused_query_ends_the_watch(prometheus):
    watched = warmed()
    source = PrometheusSource(PrometheusSettings(url=prometheus.url))
    with pytest.raises(UpstreamRejectedError):
        followed(watched, source, query="sum(")


def test_misuse_is_refused_with_what_is_wrong():
    with pytest.raises(DataError, match="distinct series"):
        scoring([KEYS[0], KEYS[0]])
    with pytest.raises(DataError, match="warm up before following"):
        followed(scoring(), MemorySource([]))
    watched = warmed()
    five_minutes = Frame(keys=KEYS, start=NOW, step=5 * MINUTE, values=np.zeros((3, 2)))
    with pytest.raises(DataError, match="not our grid"):
        list(watched.score(five_minutes))
    with pytest.raises(DataError, match="was seen up to"):
        list(watched.warm_up(telemetry().columns(0, 10)))
    with pytest.raises(DataError, match="the forecast has steps of 0:05:00"):
        watched.use(replace(forecast(0, 10), step=5 * MINUTE))
