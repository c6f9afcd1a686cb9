"""Forecast answers: what was known when, how old it is, and why something is absent."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from aiops.adapters.bundle_files import BundleFolder
from aiops.adapters.clock import SimulatedClock
from aiops.adapters.folder_models import FolderModels
from aiops.adapters.memory import MemorySource
from aiops.adapters.outbox import Outbox
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.errors import (
    ConfigError,
    DataError,
    LimitError,
    ModelNotFoundError,
    UpstreamUnavailableError,
)
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.holt_winters import _smooth
from aiops.series import Series, SeriesKey
from aiops.series.compiled import compiled
from aiops.usecases.adopted import Adopted
from aiops.usecases.live import Limits, Live
from aiops.usecases.live_calls import ForecastQuery, PointBatch
from aiops.usecases.live_forecast import Windows
from aiops.usecases.reachable import Reachable
from tests.usecases.bundles import MINUTE, bundle
from tests.usecases.test_live_score import Nowhere

DAY = timedelta(days=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 4
NOW = START + 3 * DAY + timedelta(hours=10, seconds=30)
KEY = SeriesKey("requests")
OTHER = SeriesKey("errors")


def demand(seed=0):
    minute = np.arange(DAYS * 1440)
    season = 100 + 50 * np.sin(minute / 1440 * 2 * np.pi)
    return season * np.random.default_rng(seed).normal(1, 0.02, len(minute))


def series(key=KEY, values=None):
    return Series(
        key=key, start=START, step=MINUTE, values=demand() if values is None else values, unit="requests/second"
    )


class SlowSource(MemorySource):
    """Answers when it is let, or not at all."""

    def __init__(self, found, *, up=True):
        super().__init__(found)
        self.gate = asyncio.Event()
        self.gate.set()
        self.up = up
        self.asked = []

    async def range(self, query, start, end, step):
        self.asked.append((query, start, end))
        await self.gate.wait()
        if not self.up:
            raise UpstreamUnavailableError("Prometheus did not answer")
        return await super().range(query, start, end, step)


def asked(**changes):
    return ForecastQuery(**{"query": "requests", "window": 4 * MINUTE, "levels": (0.5, 0.95), **changes})


def live(source=None, clock=None, **more):
    clock = clock or SimulatedClock(NOW)
    scorer = Scorer([detector("residual")])
    return Live(clock=clock, scorer=scorer, outbox=Outbox(None, Nowhere(), clock), source=source, **more)


def test_the_window_is_what_the_catalog_says_from_what_was_known():
    async def run():
        service = live(SlowSource([series()]))
        answer = await service.forecast(asked())
        earlier = await service.forecast(asked(now=NOW - timedelta(hours=5)))
        return answer, earlier

    for answer, now in zip(asyncio.run(run()), (NOW, NOW - timedelta(hours=5)), strict=True):
        known = series().known_at(now)
        last = np.array([len(known) - 1])
        expected = window_forecaster("holt-winters").window_maximum(known, last, 5, np.array([0.5, 0.95]))
        np.testing.assert_array_equal(answer.window_maximum.values, expected[0])
        assert answer.key == KEY
        assert answer.cutoff == now - timedelta(seconds=90)
        assert answer.data_age == timedelta(seconds=30)
        assert (answer.path, answer.path_reason) == (None, "")


def test_the_first_caller_finds_the_machine_code_there():
    compiled.cache_clear()
    loop: Any = compiled(_smooth)  # knows for which types it was compiled

    async def run():
        task = asyncio.create_task(service.run())
        until = time.monotonic() + 60
        while not service.health().ready and time.monotonic() < until:  # noqa: ASYNC110 - as a probe looks
            await asyncio.sleep(0.01)
        task.cancel()
        rehearsed = list(loop.signatures)
        assert rehearsed
        answer = await service.forecast(ForecastQuery(query="requests", window=4 * MINUTE, now=NOW))
        assert answer.window_maximum is not None
        return rehearsed

    service = live(SlowSource([series()]))
    assert asyncio.run(run()) == list(loop.signatures), "what was rehearsed is what is called"


def test_nothing_after_now_is_used():
    changed = demand()
    changed[3 * 1440 + 600 :] = 1e6

    async def run(values):
        answer = await live(SlowSource([series(values=values)])).forecast(asked())
        assert answer.window_maximum is not None
        return answer.window_maximum.values.tolist()

    assert asyncio.run(run(demand())) == asyncio.run(run(changed))


def test_data_that_grow_old_are_answered_with_their_age_and_a_longer_window():
    values = demand()
    values[3 * 1440 + 540 :] = np.nan  # the last hour is missing

    async def run():
        return await live(SlowSource([series(values=values)])).forecast(asked())

    answer = asyncio.run(run())
    assert answer.data_age == timedelta(hours=1, seconds=30)
    known = series(values=values[: 3 * 1440 + 540])
    last = np.array([len(known) - 1])
    expected = window_forecaster("holt-winters").window_maximum(known, last, 65, np.array([0.5, 0.95]))
    np.testing.assert_array_equal(answer.window_maximum.values, expected[0])


def test_a_window_is_made_once_until_something_newer_is_known():
    made = []

    async def run():
        windows, known = Windows(), series().known_at(NOW)
        calls = [windows.maximum(asked(), known, NOW) for _ in range(20)]
        answers = await asyncio.gather(*calls)
        made.append(len(windows._made))
        await windows.maximum(asked(), series().known_at(NOW + MINUTE), NOW + MINUTE)
        made.append(len(windows._made))
        return {answer.values.tobytes() for answer, _ in answers if answer is not None}

    assert len(asyncio.run(run())) == 1
    assert made == [1, 2]


def test_too_little_history_is_a_reason_and_an_unknown_model_an_error():
    async def run():
        service = live(
            SlowSource([series(values=demand()[: 3 * 1440 + 590])]), clock=SimulatedClock(START + 20 * MINUTE)
        )
        answer = await service.forecast(asked())
        assert answer.window_maximum is None
        assert answer.window_reason.startswith("20 steps of history, up to 2026-03-02T00:20:00+00:00, do not suffice")
        longer = await service.forecast(asked(window=timedelta(days=3_650_000)))
        assert longer.window_reason.startswith("the window is longer than the history, 20 steps")
        with pytest.raises(ConfigError, match="no forecaster is called 'magic'"):
            await service.forecast(asked(window_model="magic"))

    asyncio.run(run())


def test_a_query_is_adopted_while_its_history_is_read():
    async def run():
        source = SlowSource([series()])
        clock = SimulatedClock(NOW)
        service = live(source, clock)
        source.gate.clear()
        with pytest.raises(UpstreamUnavailableError, match="the history of 'requests' is being read"):
            await service.forecast(asked())
        source.gate.set()
        first = await service.forecast(asked())
        assert len(source.asked) == 1
        assert await asyncio.gather(*(service.forecast(asked()) for _ in range(5)))
        assert len(source.asked) == 1, "nothing newer can be known"
        clock.advance(MINUTE)
        second = await service.forecast(asked())
        assert second.cutoff == first.cutoff + MINUTE
        assert source.asked[1:] == [("requests", first.cutoff + MINUTE, first.cutoff + 2 * MINUTE)]
        source.up = False
        clock.advance(10 * MINUTE)
        third = await service.forecast(asked())
        assert third.cutoff == second.cutoff, "what is known is answered"
        assert third.data_age == second.data_age + 10 * MINUTE
        (health,) = [each for each in service.health().upstreams if each.name == "prometheus"]
        assert health.up is False
        source.up = True
        assert (await service.forecast(asked())).cutoff == second.cutoff + 10 * MINUTE

    asyncio.run(run())


def test_adopted_queries_are_bounded_and_dropped_when_nobody_asks():
    names = [SeriesKey(f"load{number}") for number in range(3)]

    async def run():
        clock = SimulatedClock(NOW)
        source = SlowSource([series(key) for key in names])
        service = live(source, clock, limits=Limits(adopt=2))
        for name in ("load0", "load1"):
            await service.forecast(asked(query=name))
        with pytest.raises(LimitError, match="forecasts of 2 queries are kept already: watch 'load2' in the file"):
            await service.forecast(asked(query="load2"))
        clock.advance(timedelta(minutes=50))
        await service.forecast(asked(query="load1"))
        clock.advance(timedelta(minutes=20))
        assert await service.forecast(asked(query="load2"))
        with pytest.raises(LimitError):
            await service.forecast(asked(query="load0"))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        ("*", DataError, r"the query '\*' gives 2 series, such as errors and requests: sum them up, or select one"),
        ("nothing", DataError, "matches nothing"),
    ],
)
def test_a_query_that_cannot_be_used_takes_no_place(query, error, said):
    async def run():
        source, clock = SlowSource([series(), series(OTHER)]), SimulatedClock(NOW)
        adopted = Adopted(source, clock, Reachable("prometheus"), most=1, keep=DAY)
        for _ in range(2):
            with pytest.raises(error, match=said):
                await adopted.series(asked(query=query), NOW)
        assert len(adopted) == 0
        assert (await adopted.series(asked(), NOW)).key == KEY

    asyncio.run(run())


def test_a_source_that_is_down_from_the_start_is_said_and_asked_again():
    async def run():
        source = SlowSource([series()], up=False)
        service = live(source)
        with pytest.raises(UpstreamUnavailableError, match="Prometheus did not answer"):
            await service.forecast(asked())
        source.up = True
        assert await service.forecast(asked())

    asyncio.run(run())


def test_a_pushed_series_is_forecast_and_a_stranger_is_not():
    async def run():
        service = live()
        known = series().known_at(NOW)
        batch = PointBatch(
            keys=(KEY,), series=np.zeros(len(known), dtype=np.int64), at=known.stamps(), values=known.values
        )
        service.score(batch)
        answer = await service.forecast(asked(query="", series=KEY, levels=()))
        assert answer.window_maximum.levels.tolist() == [0.5, 0.9, 0.95, 0.99]
        with pytest.raises(ModelNotFoundError, match="errors is neither watched nor pushed"):
            await service.forecast(asked(query="", series=OTHER))
        with pytest.raises(DataError, match="has steps of 0:01:00, and 0:05:00 was asked for"):
            await service.forecast(asked(query="", series=KEY, step=5 * MINUTE))
        with pytest.raises(ConfigError, match="no Prometheus is configured"):
            await service.forecast(asked())

    asyncio.run(run())


def test_threads_that_wait_for_a_silent_prometheus_hold_up_no_window_of_a_pushed_series():
    answers = threading.Event()

    async def run():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        waiting = asyncio.create_task(asyncio.to_thread(answers.wait))
        service = live()
        at = np.array([(NOW - timedelta(minutes=ago)).timestamp() for ago in range(600, 1, -1)])
        values = np.full(len(at), 7.0)
        service.score(PointBatch(keys=(KEY,), series=np.zeros(len(at), dtype=np.int64), at=at, values=values))
        try:
            return await asyncio.wait_for(service.forecast(asked(query="", series=KEY)), 20)
        finally:
            answers.set()
            await waiting

    assert asyncio.run(run()).window_maximum.values[0] == pytest.approx(7.0)


def test_the_path_comes_from_the_champion_or_says_why_not(tmp_path):
    cutoff = NOW.replace(second=0) - 31 * MINUTE
    mean = np.arange(1.0, 121.0)[None]
    folder = BundleFolder(tmp_path / "shelf").keep(bundle((KEY,), cutoff, mean))

    async def run():
        service = live(SlowSource([series(), series(OTHER)]), store=FolderModels(folder.path), model="fleet")
        no_window = asked(window=timedelta(0), horizon=timedelta(minutes=30))
        before = await service.forecast(no_window)
        assert (before.path, before.path_reason) == (None, "there is no champion: train one, then ask again")
        await service._champion.look()
        found = (await service.forecast(no_window)).path
        assert found.forecast.start == NOW.replace(second=0)
        np.testing.assert_array_equal(found.forecast.mean, mean[:, 30:61])
        assert found.cutoff == cutoff
        assert (found.model, found.digest, found.recipe) == ("fleet", folder.digest, "seasonal-naive")
        np.testing.assert_allclose(found.forecast.values[0, 0], mean[0, 30:61])
        np.testing.assert_allclose(found.forecast.values[0, 1], mean[0, 30:61] * 1.09)
        own = (await service.forecast(replace(no_window, levels=()))).path.forecast.levels
        assert len(own) == 19
        reasons = [
            (await service.forecast(replace(no_window, **changes))).path_reason
            for changes in (
                {"horizon": timedelta(hours=2)},
                {"horizon": timedelta(days=3_650_000)},
                {"levels": (0.5, 0.99)},
                {"query": "errors"},
                {"now": NOW - timedelta(hours=1)},
            )
        ]
        for said, expected in zip(
            reasons,
            (
                "and what was asked for reaches 2:00:00 from",
                "and what was asked for reaches 3650000 days",
                "knows levels from 0.05 to 0.95 only",
                "holds no forecast of errors",
                "and what was asked for reaches 0:30:00 from",
            ),
            strict=True,
        ):
            assert expected in said

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"query": ""}, "give one of them"),
        ({"series": KEY}, "give one of them"),
        ({"window": timedelta(0)}, "ask for a path"),
        ({"horizon": -MINUTE}, "a positive length"),
        ({"levels": (0.9, 0.5)}, "levels must increase"),
        ({"step": timedelta(0)}, "step must be positive"),
        ({"history": timedelta(0)}, "history must hold 1 to 100,000 steps"),
        ({"step": timedelta(seconds=1)}, "or a longer step"),
        ({"levels": tuple((number + 1) / 200 for number in range(101))}, "100 levels at most"),
        ({"now": START.replace(tzinfo=None)}, "UTC"),
    ],
)
def test_a_question_that_is_none_is_refused(changes, said):
    with pytest.raises(DataError, match=said):
        asked(**changes)


def test_while_trees_grow_what_they_fall_back_to_answers_and_nothing_piles_up():
    """A fleet that asks for the first time: each question waits once, whatever the minute, and none is left empty."""
    day, levels = 288, (0.95,)
    values = 50 + np.random.default_rng(5).gamma(2.0, 3.0, day * 6)
    values[::12] += 40

    def known(until, name):
        return Series(key=SeriesKey(name), start=START, step=5 * MINUTE, values=values[:until])

    def question(found):
        return ForecastQuery(series=found.key, window=10 * MINUTE, levels=levels, window_model="boosted")

    def expected(model, found):
        return window_forecaster(model).window_maximum(found, np.array([len(found) - 1]), 2, np.array(levels))[0]

    async def run():
        windows = Windows(patience=timedelta(0))
        first = [known(day * 5, f"shop-{number}") for number in range(3)]
        later = [known(day * 5 + 1, f"shop-{number}") for number in range(3)]
        for found in (*first, *later, *later):
            answer, reason = await windows.maximum(question(found), found, found.end)
            assert answer is not None, reason
            assert answer.model == "holt-winters"
            np.testing.assert_array_equal(answer.values, expected("holt-winters", found))
        assert windows._threads._work_queue.qsize() <= len(first)
        patient = time.monotonic() + 60
        while True:
            assert time.monotonic() < patient
            await asyncio.sleep(0.05)
            answer, _ = await windows.maximum(question(later[-1]), later[-1], later[-1].end)
            assert answer is not None
            if answer.model == "boosted":
                break
        np.testing.assert_array_equal(answer.values, expected("boosted", later[-1]))

    asyncio.run(run())
