"""Pushed series in front of a real Alertmanager: a storm is one notification, and old points are no news."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np

from aiops.adapters.alertmanager import AlertmanagerSink
from aiops.adapters.clock import SimulatedClock, SystemClock
from aiops.adapters.outbox import Outbox
from aiops.alerting.alert import Status
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.series import SeriesKey, epoch_seconds
from aiops.series.grid import floor
from aiops.usecases.live import Limits, Live
from aiops.usecases.live_calls import PointBatch
from aiops.usecases.warming import rehearse
from testbed.alertmanager import alertmanager as run_alertmanager
from testbed.webhook import webhook

MINUTE = timedelta(minutes=1)
SERVICES, PODS = 500, 20
CALM = 35  # minutes before the storm


class Nowhere:
    """A sink that is never reached."""

    async def send(self, alerts):
        raise AssertionError("nothing is delivered here")


def keys(services=SERVICES, pods=PODS):
    return tuple(
        SeriesKey.of("latency", {"service": f"s{service}", "pod": str(pod)})
        for pod in range(pods)
        for service in range(services)
    )


def push(live, of, start, values):
    """Push values ``[n, minutes]`` of some series, all minutes at once."""
    n, minutes = values.shape
    return live.score(
        PointBatch(
            keys=of,
            series=np.repeat(np.arange(n), minutes),
            at=np.tile(epoch_seconds(start) + 60.0 * np.arange(minutes), n),
            values=values.ravel(),
        )
    )


def listed(server):
    return httpx.get(f"{server.url}/api/v2/alerts", trust_env=False).json()


def notified(hook):
    """Return the most series that a notification counted."""
    return max(
        (int(hit["annotations"]["series_count"]) for each in hook.received() for hit in each["alerts"]), default=0
    )


@contextlib.asynccontextmanager
async def at_work(outbox):
    task = asyncio.create_task(outbox.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds, within_seconds=60.0):
    async with asyncio.timeout(within_seconds):
        while not holds():  # noqa: ASYNC110 - what it asks is elsewhere
            await asyncio.sleep(0.2)


def test_ten_thousand_series_in_a_minute_are_one_notification_that_counts_them_all(tmp_path):
    series = keys()
    noise = np.random.default_rng(0).normal(100, 1, (len(series), CALM))
    start = floor(datetime.now(UTC) - timedelta(days=1), MINUTE)
    scorer = Scorer([detector("fleet")])
    rehearse(scorer)

    async def run():
        wait = timedelta(milliseconds=100)
        with webhook() as hook, run_alertmanager(webhook_url=hook.url, group_wait=wait) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=5.0, trust_env=False) as client:
                clock = SimulatedClock(start + (CALM + 4) * MINUTE)
                outbox = Outbox(tmp_path / "outbox.db", AlertmanagerSink(client), SystemClock(), resend=wait)
                live = Live(clock=clock, scorer=scorer, outbox=outbox, limits=Limits(pushed=len(series)))
                push(live, series, start, noise)
                async with at_work(outbox):
                    for part in np.array_split(np.arange(len(series)), 10):  # they come over a minute
                        push(
                            live, [series[row] for row in part], clock.now() - 3 * MINUTE, np.full((len(part), 3), 1e4)
                        )
                        clock.advance(MINUTE / 10)
                        live._desk.tell()
                        await asyncio.sleep(0)
                    await until(lambda: notified(hook) == len(series))
                    await asyncio.sleep(1)  # it is sent again meanwhile
                    found = listed(server)
                outbox.close()
        return found, hook.received()

    found, told = asyncio.run(run())
    assert len(told) == 1, "20 are the most that anybody should get"
    assert {each["labels"]["alertname"] for each in found} == {"ManySeriesAnomalous"}
    words = found[0]["annotations"]
    assert max(map(len, words.values())) <= 1000
    assert "10 000 series odd" in words["summary"]
    *named, more = words["related"].split("\n")
    assert more == f"and {len(series) - 1 - len(named):,} more".replace(",", " ")


def test_a_sender_of_old_points_is_neither_silent_at_each_turn_nor_a_page():
    """It catches up: every point is hours old, and at each turn there is another."""
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    clock = SimulatedClock(now)
    outbox = Outbox(None, Nowhere(), clock)
    live = Live(clock=clock, scorer=Scorer([detector("fleet")]), outbox=outbox)
    key, noise = keys(1, 1), np.random.default_rng(1).normal(100, 1, 400)
    noise[300:320] = 1e4
    seen = []

    async def run():
        for minute, value in enumerate(noise.tolist()):
            seen.extend(push(live, key, now + (minute - 400) * MINUTE, np.array([[value]])).changes)
            clock.advance(timedelta(seconds=10))
            task = asyncio.create_task(live._tick())
            await asyncio.sleep(0)
            task.cancel()
            seen.extend(alert for alert, _ in outbox.firing().values())
        assert seen == []
        clock.advance(20 * MINUTE)  # now it is silent, and is back with a point of the past
        task = asyncio.create_task(live._tick())
        for _ in range(3):
            await asyncio.sleep(0)
        clock.advance(MINUTE)
        live._desk.tell()
        (silence,) = [alert for alert, _ in outbox.firing().values()]
        changes = push(live, key, now + MINUTE, np.array([[100.0]])).changes
        live._desk.tell()
        task.cancel()
        return silence, changes

    silence, (ended,) = asyncio.run(run())
    assert (silence.labels["alertname"], silence.severity) == ("SeriesSilent", "ticket")
    assert ended.status is Status.RESOLVED
    assert ended.ends_at is not None
    assert ended.ends_at > ended.starts_at
    assert not outbox.firing()
