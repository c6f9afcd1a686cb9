"""The outbox in front of a real Alertmanager: nothing lost, nothing told twice, whatever dies in between."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from aiops.adapters.alertmanager import AlertmanagerSink
from aiops.adapters.clock import RehearsalClock, SystemClock
from aiops.adapters.outbox import Outbox
from aiops.alerting.alert import Alert, Severity, Status
from aiops.errors import ConfigError, UpstreamRejectedError, UpstreamUnavailableError
from testbed.alertmanager import alertmanager as run_alertmanager
from testbed.server import free_port
from testbed.webhook import webhook

SECOND = timedelta(seconds=1)


def alert(name: str, **labels: str) -> Alert:
    return Alert(
        status=Status.FIRING,
        severity=Severity.PAGE,
        starts_at=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5),
        labels={"alertname": name, "severity": "page", **labels},
        annotations={"summary": "checkout: 1.32 k requests/second, expected 820"},
    )


def resolved(firing: Alert) -> Alert:
    return replace(firing, status=Status.RESOLVED, ends_at=datetime.now(UTC) - SECOND)


class Recorder:
    """A sink that writes down what it was given, and fails as often as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.sent: list[tuple[str, Status]] = []

    async def send(self, alerts: Sequence[Alert]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent += [(each.labels["alertname"], each.status) for each in alerts]


async def run_until(outbox: Outbox, done, within_seconds: float = 20.0) -> None:
    task = asyncio.create_task(outbox.run())
    try:
        async with asyncio.timeout(within_seconds):
            while not done():
                await asyncio.sleep(0.01)
                if task.done():
                    task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def sink(url: str):
    async with httpx.AsyncClient(base_url=url, timeout=2.0, trust_env=False) as client:
        yield AlertmanagerSink(client)


def rows(path):
    with contextlib.closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT fingerprint FROM alerts ORDER BY sequence").fetchall()


def test_alerts_are_delivered_in_order_and_only_their_last_state(tmp_path):
    recorder = Recorder()

    async def run():
        outbox = Outbox(tmp_path / "outbox.db", recorder, SystemClock())
        a, b, c = alert("A"), alert("B"), alert("C")
        outbox.put([a, b])
        outbox.put([c, resolved(a)])
        assert outbox.backlog().waiting == 3
        await run_until(outbox, lambda: outbox.backlog().waiting == 0)
        assert set(outbox.firing()) == {b.fingerprint, c.fingerprint}
        outbox.close()
        return [(b.fingerprint,), (c.fingerprint,)]

    left = asyncio.run(run())
    assert recorder.sent == [("B", Status.FIRING), ("C", Status.FIRING), ("A", Status.RESOLVED)]
    assert rows(tmp_path / "outbox.db") == left, "what fires stays on disk, what was resolved and delivered goes"


def test_what_fires_is_sent_again_before_it_expires(tmp_path):
    recorder = Recorder()

    async def run():
        clock = RehearsalClock(datetime(2026, 3, 2, tzinfo=UTC), datetime.now(UTC), 600.0)
        outbox = Outbox(None, recorder, clock)
        outbox.put([alert("A")])
        began = clock.now()
        await run_until(outbox, lambda: len(recorder.sent) >= 5)
        return clock.now() - began

    took = asyncio.run(run())
    assert took >= timedelta(minutes=4), "one at once, then one a minute"
    assert set(recorder.sent) == {("A", Status.FIRING)}


def test_trouble_is_waited_out_and_said(tmp_path):
    error = UpstreamUnavailableError("Alertmanager did not answer: refused")
    recorder = Recorder(error, error, UpstreamRejectedError("answered 401"))

    async def run():
        clock = RehearsalClock(datetime(2026, 3, 2, tzinfo=UTC), datetime.now(UTC), 5.0)
        outbox = Outbox(tmp_path / "outbox.db", recorder, clock)
        outbox.put([alert("A")])
        began = clock.now()
        await run_until(outbox, lambda: outbox.backlog().up is False)
        assert "did not answer" in outbox.backlog().trouble
        await run_until(outbox, lambda: bool(recorder.sent))
        assert outbox.backlog() == replace(outbox.backlog(), waiting=0, up=True, trouble="")
        return clock.now() - began

    assert asyncio.run(run()) >= 3 * SECOND, "the second run waits 1 and then 2 seconds"
    assert recorder.sent == [("A", Status.FIRING)], "a wrong address or token loses nothing"


def test_a_killed_process_loses_nothing_and_says_nothing_twice(tmp_path):
    """The process dies between writing an alert and sending it; the next one delivers it, once."""
    path = tmp_path / "outbox.db"
    program = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from aiops.adapters.clock import SystemClock
        from aiops.adapters.outbox import Outbox
        from tests.adapters.test_outbox import alert

        class Hangs:
            async def send(self, alerts):
                print("sending", flush=True)
                await asyncio.sleep(600)

        async def main():
            outbox = Outbox(Path(sys.argv[1]), Hangs(), SystemClock())
            outbox.put([alert("Killed", kind="waiting")])
            await outbox.run()

        asyncio.run(main())
    """)
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "sending\n"
        os.kill(child.pid, signal.SIGKILL)
    child.wait()

    async def deliver(url):
        async with sink(url) as alertmanager:
            outbox = Outbox(path, alertmanager, SystemClock(), resend=SECOND / 2)
            (waits,) = outbox.firing().values()
            assert waits[0].labels["kind"] == "waiting"
            await run_until(outbox, lambda: outbox.backlog().waiting == 0)
            await asyncio.sleep(1.2)  # it is sent again meanwhile
            await run_until(outbox, lambda: outbox.backlog().up is True)
            outbox.put([resolved(waits[0])])
            await run_until(outbox, lambda: not outbox.firing() and outbox.backlog().waiting == 0)
            outbox.close()

    with webhook() as hook, run_alertmanager(webhook_url=hook.url) as server:
        asyncio.run(deliver(server.url))
        told = hook.wait_for(lambda seen: seen[-1]["status"] == "resolved" if seen else False, within_seconds=20)
    assert [each["status"] for each in told] == ["firing", "resolved"]


def test_alertmanager_is_away_for_a_while_and_nothing_is_lost_or_told_twice(tmp_path):
    port = free_port()

    async def run(outbox):
        outbox.put([alert("Away", number=str(number)) for number in range(3)])
        await run_until(outbox, lambda: outbox.backlog().up is False)
        gone = next(iter(outbox.firing().values()))[0]
        outbox.put([resolved(gone)])
        assert outbox.backlog().waiting == 3
        return gone

    async def all_of_it():
        with webhook() as hook:
            async with sink(f"http://127.0.0.1:{port}") as nobody:
                outbox = Outbox(tmp_path / "outbox.db", nobody, SystemClock(), resend=SECOND)
                gone = await run(outbox)
                outbox.close()
            with run_alertmanager(webhook_url=hook.url) as server:
                async with sink(server.url) as alertmanager:
                    outbox = Outbox(tmp_path / "outbox.db", alertmanager, SystemClock(), resend=SECOND / 4)
                    await run_until(outbox, lambda: outbox.backlog().waiting == 0)
                    await run_until(outbox, lambda: len(hook.received()) >= 2)
                    outbox.close()
            return gone, hook.received()

    gone, told = asyncio.run(all_of_it())
    firing = [each for note in told for each in note["alerts"] if each["status"] == "firing"]
    assert sorted(each["labels"]["number"] for each in firing) == ["1", "2"], "one that ended meanwhile bothers nobody"
    assert gone.labels["number"] == "0"


def test_one_refused_alert_is_dropped_and_the_others_go_on(alertmanager, tmp_path):
    wrong = replace(alert("Wrong"), status=Status.RESOLVED, ends_at=datetime.now(UTC) - timedelta(hours=1))

    async def run():
        async with sink(alertmanager.url) as real:
            outbox = Outbox(tmp_path / "outbox.db", real, SystemClock())
            outbox.put([alert("First"), wrong, alert("Last")])
            await run_until(outbox, lambda: outbox.backlog().waiting == 0)
            firing = {each.labels["alertname"] for each, _ in outbox.firing().values()}
            outbox.close()
            return firing

    assert asyncio.run(run()) == {"First", "Last"}
    answer = httpx.get(f"{alertmanager.url}/api/v2/alerts", trust_env=False).json()
    assert {"First", "Last"} <= {each["labels"]["alertname"] for each in answer}
    assert "Wrong" not in {each["labels"]["alertname"] for each in answer}
    assert len(rows(tmp_path / "outbox.db")) == 2


@pytest.mark.parametrize("damage", ["no database", "flipped", "other table"])
def test_a_broken_file_is_moved_aside_and_alerts_go_on(tmp_path, damage):
    path = tmp_path / "outbox.db"
    recorder = Recorder()
    outbox = Outbox(path, recorder, SystemClock())
    outbox.put([alert(f"Before{number}", text="x" * 500) for number in range(50)])
    outbox.close()
    content = bytearray(path.read_bytes())
    if damage == "no database":
        path.write_bytes(b"this is no database at all" * 100)
    elif damage == "flipped":
        content[4096:12288] = bytes(each ^ 0xFF for each in content[4096:12288])
        path.write_bytes(bytes(content))
    else:
        with contextlib.closing(sqlite3.connect(path)) as file:
            file.execute("DROP TABLE alerts")
            file.execute("CREATE TABLE alerts (something TEXT)")
    outbox = Outbox(path, recorder, SystemClock())
    assert "was no sound database" in outbox.backlog().trouble
    assert (tmp_path / "outbox.db.broken").exists()
    outbox.put([alert("After")])
    outbox.close()
    again = Outbox(path, recorder, SystemClock())
    assert [each.labels["alertname"] for each, _ in again.firing().values()] == ["After"]
    assert again.backlog().trouble == ""
    again.close()


def test_a_disk_that_fails_is_said_and_caught_up_with(tmp_path):
    folder = tmp_path / "state"
    outbox = Outbox(folder / "outbox.db", Recorder(), SystemClock())
    outbox.put([alert("Before")])
    outbox.close()
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)  # the volume is gone
    outbox.put([alert("During")])
    assert "cannot be written" in outbox.backlog().trouble
    assert len(outbox.firing()) == 2, "alerts go on"
    elsewhere.rename(folder)
    outbox.put([alert("After")])
    assert outbox.backlog().trouble == ""
    outbox.close()
    again = Outbox(folder / "outbox.db", Recorder(), SystemClock())
    assert [each.labels["alertname"] for each, _ in again.firing().values()] == ["Before", "During", "After"]
    again.close()


def test_it_is_bounded_and_says_what_it_drops(tmp_path):
    outbox = Outbox(tmp_path / "outbox.db", Recorder(), SystemClock(), most=3)
    for number in range(5):
        outbox.put([alert("Many", number=str(number))])
    assert [each.labels["number"] for each, _ in outbox.firing().values()] == ["2", "3", "4"]
    outbox.close()
    assert len(rows(tmp_path / "outbox.db")) == 3


def test_two_processes_do_not_share_a_file(tmp_path):
    outbox = Outbox(tmp_path / "outbox.db", Recorder(), SystemClock())
    with pytest.raises(ConfigError, match="in use by another process: give each its own --state"):
        Outbox(tmp_path / "outbox.db", Recorder(), SystemClock())
    outbox.close()
