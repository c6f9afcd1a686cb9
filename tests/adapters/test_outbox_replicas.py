"""The outbox in front of several real Alertmanagers: each gets everything, and a dead one holds up no other."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from aiops.adapters.alertmanager import AlertmanagerSink
from aiops.adapters.clock import RehearsalClock, SystemClock
from aiops.adapters.outbox import Outbox
from aiops.alerting.alert import Alert, Severity, Status
from aiops.errors import ContentRejectedError, UpstreamUnavailableError
from testbed.alertmanager import alertmanager, alertmanager_cluster
from testbed.server import free_port
from testbed.webhook import webhook
from tests.adapters.peer import Reply, peer

SECOND = timedelta(seconds=1)


def alert(name: str) -> Alert:
    return Alert(
        status=Status.FIRING,
        severity=Severity.PAGE,
        starts_at=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5),
        labels={"alertname": name, "severity": "page"},
        annotations={"summary": "checkout: 1.32 k requests/second, expected 820"},
    )


def resolved(firing: Alert) -> Alert:
    return replace(firing, status=Status.RESOLVED, ends_at=datetime.now(UTC) - SECOND)


@contextlib.asynccontextmanager
async def running(*urls: str, path=None, clock=None, resend=SECOND / 2):
    """An outbox at work, one replica a URL."""
    async with contextlib.AsyncExitStack() as opened:
        sinks = {}
        for url in urls:
            client = httpx.AsyncClient(base_url=url, timeout=1.0, trust_env=False)
            sinks[url] = AlertmanagerSink(await opened.enter_async_context(client))
        outbox = Outbox(path, sinks, clock or SystemClock(), resend=resend)
        task = asyncio.create_task(outbox.run())
        try:
            yield outbox
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            outbox.close()


async def until(holds, within_seconds=30.0):
    async with asyncio.timeout(within_seconds):
        while not holds():  # noqa: ASYNC110 - what it asks is elsewhere
            await asyncio.sleep(0.05)


def names(url: str) -> set[str]:
    answer = httpx.get(f"{url}/api/v2/alerts", trust_env=False).json()
    return {each["labels"]["alertname"] for each in answer}


def test_a_cluster_tells_once_though_every_replica_is_sent_everything_and_one_hangs():
    async def run(servers):
        urls = [each.url for each in servers]
        async with running(*urls) as outbox:
            outbox.put([alert("All")])
            await until(lambda: all(names(url) == {"All"} for url in urls))
            os.kill(servers[0].process.pid, signal.SIGSTOP)  # the first of them is the one that notifies first
            try:
                outbox.put([alert("TwoOfThree")])
                await until(lambda: all(names(url) == {"All", "TwoOfThree"} for url in urls[1:]))
                assert outbox.backlog().waiting == 0, "two of three have it"
                assert outbox.backlog().up is True
                await until(lambda: "another replica has the alerts" in outbox.backlog().trouble)
                assert urls[0] in outbox.backlog().trouble
            finally:
                os.kill(servers[0].process.pid, signal.SIGCONT)
            await until(lambda: names(urls[0]) == {"All", "TwoOfThree"})
            await until(lambda: outbox.backlog().trouble == "")
            outbox.put([resolved(each) for each, _ in outbox.firing().values()])
            await until(lambda: not any(names(url) for url in urls))

    with webhook() as hook, alertmanager_cluster(3, webhook_url=hook.url, group_wait=SECOND / 2) as servers:
        asyncio.run(run(servers))
        hook.wait_for(lambda seen: sum(each["status"] == "resolved" for each in seen) >= 2, within_seconds=20)
        told = [(each["alerts"][0]["labels"]["alertname"], each["status"]) for each in hook.received()]
    assert sorted(told) == [
        ("All", "firing"),
        ("All", "resolved"),
        ("TwoOfThree", "firing"),
        ("TwoOfThree", "resolved"),
    ]


def test_a_replica_that_starts_later_gets_what_fires(tmp_path):
    port = free_port()

    async def run(first):
        late = f"http://127.0.0.1:{port}"
        async with running(first.url, late, path=tmp_path / "outbox.db") as outbox:
            over, on = alert("Over"), alert("On")
            outbox.put([over, on])
            await until(lambda: names(first.url) == {"Over", "On"})
            outbox.put([resolved(over)])
            await until(lambda: names(first.url) == {"On"})
            with alertmanager(port=port):
                await until(lambda: names(late) == {"On"})
                assert outbox.backlog().trouble == ""

    with alertmanager() as first:
        asyncio.run(run(first))


def test_a_replica_that_never_comes_back_keeps_nothing_waiting():
    """Ends of alerts are kept for it for a quarter of an hour, then it has forgotten them by itself."""
    started = datetime(2026, 3, 2, tzinfo=UTC)

    async def run(there):
        clock = RehearsalClock(started, datetime.now(UTC), 600.0)
        async with running(there.url, f"http://127.0.0.1:{free_port()}", clock=clock) as outbox:
            over = replace(alert("Over"), starts_at=started)
            outbox.put([over])
            outbox.put([replace(over, status=Status.RESOLVED, ends_at=started + SECOND)])
            await until(lambda: outbox.backlog().waiting == 0)
            assert clock.now() - started < timedelta(minutes=10)
            assert outbox._entries
            await until(lambda: not outbox._entries)
            return clock.now() - started

    with alertmanager() as there:
        assert asyncio.run(run(there)) >= timedelta(minutes=15)


class Ill:
    """A sink that fails in one way until it is well."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.asked = 0
        self.sent: list[str] = []

    async def send(self, alerts: Sequence[Alert]) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        self.sent += [each.labels["alertname"] for each in alerts]


@pytest.mark.parametrize(
    "reply",
    [Reply(status=400, body=b"no"), Reply(status=500), Reply(status=502), Reply(pause=5), Reply(status=404)],
    ids=["400", "500", "502", "slow", "404"],
)
def test_whatever_it_answers_for_an_hour_nothing_is_lost(reply):
    """A proxy in between that answers 400 to all is not taken for a verdict on each alert."""

    async def run(url, server):
        clock = RehearsalClock(datetime(2026, 3, 2, tzinfo=UTC), datetime.now(UTC), 3600.0)
        async with running(url, clock=clock, resend=timedelta(minutes=1)) as outbox:
            outbox.put([alert("A"), alert("B")])
            began = clock.now()
            await until(lambda: clock.now() - began > timedelta(hours=1) and len(server.asked) > 1)
            assert outbox.backlog().waiting == 2
            assert outbox.backlog().trouble
            assert len(server.asked) < 250, "it waits longer and longer, a minute at most"

    with peer(lambda asked: reply) as server:
        asyncio.run(run(server.url, server))


@pytest.mark.parametrize("error", [UpstreamUnavailableError("away"), ContentRejectedError("answered 400")])
def test_when_it_is_well_again_it_gets_all_of_it_in_order(error):
    sink = Ill(error)

    async def run():
        clock = RehearsalClock(datetime(2026, 3, 2, tzinfo=UTC), datetime.now(UTC), 600.0)
        outbox = Outbox(None, sink, clock)
        outbox.put([alert(name) for name in "ABC"])
        task = asyncio.create_task(outbox.run())
        await until(lambda: sink.asked > 3)
        assert outbox.backlog().waiting == 3
        sink.error = None
        await until(lambda: len(sink.sent) >= 3)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert sink.sent[:3] == ["A", "B", "C"]
