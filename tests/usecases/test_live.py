"""The live service on a real Prometheus and a real Alertmanager, rehearsing the past at many times its speed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from prometheus_client import REGISTRY

from aiops.adapters.alertmanager import AlertmanagerSink
from aiops.adapters.bundle_files import BundleFolder
from aiops.adapters.clock import RehearsalClock
from aiops.adapters.folder_models import FolderModels
from aiops.adapters.monitor_file import MonitorFile
from aiops.adapters.outbox import Outbox
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.errors import ConfigError
from aiops.series import Series, SeriesKey
from aiops.series.grid import floor
from aiops.settings import PrometheusSettings
from aiops.usecases.live import Live
from aiops.usecases.live_forecast import rehearse_window
from aiops.usecases.warming import rehearse
from testbed.alertmanager import alertmanager as run_alertmanager
from testbed.webhook import webhook
from tests.usecases.bundles import MINUTE, bundle

HISTORY = 1440
LIVE = 120
SPEED = 480.0  # eight minutes a second
START = floor(datetime.now(UTC) - timedelta(days=3), MINUTE)
NOW = START + HISTORY * MINUTE


def load(trouble: slice | None = None, seed: int = 0) -> np.ndarray:
    minute = np.arange(HISTORY + LIVE)
    values = (1000 + 300 * np.sin(minute / 1440 * 2 * np.pi)) * np.random.default_rng(seed).normal(1, 0.02, len(minute))
    if trouble is not None:
        values[trouble] *= 2
    return values


def write(url: str, name: str, **services: np.ndarray) -> None:
    settings = PrometheusSettings(url=url)
    RemoteWriter(settings).write(
        [
            Series(key=SeriesKey.of(name, {"service": service}), start=START, step=MINUTE, values=values)
            for service, values in services.items()
        ]
    )


def monitor(path: Path, metric: str, name: str = "traffic", **spec: object) -> None:
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "aiops.dev/v1alpha1",
                "kind": "AnomalyMonitor",
                "metadata": {"name": name},
                "spec": {
                    "query": metric,
                    "history": "1d",
                    "runbook": "https://example.com/runbooks/traffic",
                    "labels": {"team": "shop"},
                    **spec,
                },
            }
        )
    )


class Running:
    """A live service at work, with its clock."""

    def __init__(self, live: Live, clock: RehearsalClock, outbox: Outbox, task: asyncio.Task[None]) -> None:
        self.live = live
        self.clock = clock
        self.outbox = outbox
        self.task = task

    async def until(self, holds: Callable[[], object], within_seconds: float = 40.0) -> None:
        async with asyncio.timeout(within_seconds):
            while not holds():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.1)

    @property
    def monitor(self):
        return self.live.health().monitors[0]

    def scored_up_to(self) -> datetime:
        age = self.monitor.data_age
        return START if age is None else self.clock.now() - age


@contextlib.asynccontextmanager
async def service(
    prometheus: str, alertmanager: str, folder: Path, *, start: datetime = NOW, registry: Path | None = None
):
    scorer = Scorer([detector("residual")])
    rehearse_window()
    rehearse(scorer)  # machine code takes seconds to load, which are many minutes here
    clock = RehearsalClock(start, datetime.now(UTC), SPEED)
    settings = PrometheusSettings(url=prometheus, timeout=timedelta(seconds=1), attempts=1)
    async with httpx.AsyncClient(base_url=alertmanager, timeout=1.0, trust_env=False) as client:
        outbox = Outbox(folder / "state" / "outbox.db", AlertmanagerSink(client), clock)
        live = Live(
            clock=clock,
            scorer=scorer,
            outbox=outbox,
            source=PrometheusSource(settings),
            watched=MonitorFile(folder / "monitors.yaml"),
            store=FolderModels(registry) if registry is not None else None,
            model="fleet",
        )
        task = asyncio.create_task(live.run())
        try:
            yield Running(live, clock, outbox, task)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            outbox.close()


def listed(url: str, name: str = "SeriesAnomalous", **labels: str) -> list[dict[str, Any]]:
    matchers = [f'{label}="{value}"' for label, value in {"alertname": name, **labels}.items()]
    found: list[dict[str, Any]] = httpx.get(f"{url}/api/v2/alerts", params={"filter": matchers}, trust_env=False).json()
    return found


@contextlib.contextmanager
def silent(server):
    """Let a server hang: connections are made, and nothing is answered."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def test_trouble_is_told_explained_sent_again_and_resolved(prometheus, tmp_path):
    trouble = slice(HISTORY + 20, HISTORY + 45)
    write(prometheus.url, "live_told", checkout=load(trouble), search=load(seed=1))
    monitor(tmp_path / "monitors.yaml", "live_told")
    keys = [SeriesKey.of("live_told", {"service": name}) for name in ("checkout", "search")]
    cutoff = START + (HISTORY - 600) * MINUTE
    truth = 1000 + 300 * np.sin(np.arange(HISTORY - 599, HISTORY + LIVE) / 1440 * 2 * np.pi)
    registry = BundleFolder(tmp_path).keep(bundle(keys, cutoff, np.stack([truth, truth]))).path
    sent = REGISTRY.get_sample_value("aiops_alerts_sent_total") or 0.0

    async def run():
        with (
            webhook() as hook,
            run_alertmanager(webhook_url=hook.url, group_wait=timedelta(milliseconds=100)) as server,
        ):
            async with service(prometheus.url, server.url, tmp_path, registry=registry) as running:
                assert not running.live.health().ready
                await running.until(lambda: running.live.health().ready)
                assert running.monitor.series == 2
                await running.until(lambda: listed(server.url))
                at = running.clock.now()
                (alert,) = listed(server.url)
                await running.until(lambda: running.clock.now() > at + 10 * MINUTE)
                await running.until(lambda: not listed(server.url))
                await running.until(lambda: hook.received() and hook.received()[-1]["status"] == "resolved")
                ready = running.live.health()
        return alert, hook.received(), ready

    alert, told, health = asyncio.run(run())
    assert alert["labels"] == {
        "alertname": "SeriesAnomalous",
        "severity": "page",
        "service": "checkout",
        "team": "shop",
    }
    words = alert["annotations"]
    begin = START + trouble.start * MINUTE
    assert datetime.fromisoformat(alert["startsAt"]) == begin
    assert words["since"].startswith(f"{begin:%Y-%m-%d %H:%M} UTC")
    assert words["model"] == "seasonal-naive (fleet version " + health.champion.split()[2] + ")"
    assert words["runbook"] == "https://example.com/runbooks/traffic"
    assert words["series"] == 'live_told{service="checkout"}'
    for name in ("observed", "expected", "normal", "why", "summary", "kind", "confidence", "data_age"):
        assert words[name], name
    assert "█ (1 h, " in words["sparkline"]
    assert words["query"] == "live_told"
    assert max(map(len, words.values())) <= 1000
    assert "above expected" in words["why"]
    assert [each["status"] for each in told] == ["firing", "resolved"], "sent again and again, told once"
    assert "normal again after" in told[1]["alerts"][0]["annotations"]["summary"]
    assert (REGISTRY.get_sample_value("aiops_alerts_sent_total") or 0.0) > sent + 10
    assert all(each.up for each in health.upstreams)
    assert health.troubles == ()


def test_metrics_that_part_are_told_as_one_service_that_says_which(prometheus, tmp_path):
    """Errors rise while the load falls; each alone is where it often is, and nobody is told of it."""
    random = np.random.default_rng(0)
    n, parting = HISTORY + LIVE, slice(HISTORY + 20, HISTORY + 36)
    common, side = random.normal(size=n), np.ones(n)
    common[parting], side[parting] = random.normal(1.0, 0.1, 16), -1
    load = 1000 + 60 * side * common + 6 * random.normal(size=n)
    errors = 40 + 3 * common + 0.3 * random.normal(size=n)
    for name, values in (("load", load), ("errors", errors)):
        write(prometheus.url, f"live_together_{name}", checkout=values)
    query = '{__name__=~"live_together_.*"}'
    monitor(tmp_path / "monitors.yaml", query, detectors=["fleet"], together="ecod")
    rehearse(Scorer([detector("fleet")]))

    async def run():
        with run_alertmanager() as server:
            async with service(prometheus.url, server.url, tmp_path) as running:
                await running.until(lambda: running.live.health().ready)
                assert running.monitor.series == 2
                await running.until(lambda: listed(server.url))
                (alert,) = listed(server.url)
                await running.until(lambda: not listed(server.url))
        return alert

    alert = asyncio.run(run())
    assert alert["labels"] == {
        "alertname": "SeriesAnomalous",
        "severity": "page",
        "service": "checkout",
        "team": "shop",
    }
    words, begin = alert["annotations"], START + parting.start * MINUTE
    assert begin <= datetime.fromisoformat(alert["startsAt"]) <= begin + 3 * MINUTE
    assert words["series"] == 'service{service="checkout"}'
    assert words["series_count"] == "1", "no metric of it is odd alone"
    assert "live_together_load" in words["why"]
    assert "live_together_errors" in words["why"]
    assert words["runbook"] == "https://example.com/runbooks/traffic"


def test_while_prometheus_is_silent_nothing_is_scored_and_nobody_paged_and_then_it_catches_up(
    fresh_prometheus, tmp_path
):
    trouble = slice(HISTORY + 30, HISTORY + 38)  # begins and ends while nobody can see it
    write(fresh_prometheus.url, "live_silent", checkout=load(trouble), search=load(seed=1))
    monitor(tmp_path / "monitors.yaml", "live_silent")

    async def run():
        with (
            webhook() as hook,
            run_alertmanager(webhook_url=hook.url, group_wait=timedelta(milliseconds=100)) as server,
        ):
            async with service(fresh_prometheus.url, server.url, tmp_path) as running:
                await running.until(lambda: running.scored_up_to() > NOW + 10 * MINUTE)
                with silent(fresh_prometheus):
                    before = running.scored_up_to()
                    assert before < NOW + 30 * MINUTE
                    await running.until(lambda: running.clock.now() > NOW + 60 * MINUTE)
                    assert running.scored_up_to() <= before + MINUTE
                    (health,) = [each for each in running.live.health().upstreams if each.name == "prometheus"]
                    assert health.up is False
                    assert "did not answer" in running.monitor.trouble
                    assert listed(server.url) == listed(server.url, "SeriesSilent") == []
                    assert not running.outbox.firing()
                await running.until(lambda: running.scored_up_to() > NOW + 70 * MINUTE)
                assert running.monitor.trouble == ""
                await running.until(lambda: running.live.health().alerts_waiting == 0)
                assert not running.outbox.firing()
                return REGISTRY.get_sample_value("aiops_watch_errors_total", {"monitor": "traffic"})

    assert asyncio.run(run()) > 0


def test_while_alertmanager_is_silent_nothing_is_lost_and_nobody_is_told_twice(prometheus, tmp_path):
    write(prometheus.url, "live_queue", checkout=load(slice(HISTORY + 10, HISTORY + LIVE)))
    monitor(tmp_path / "monitors.yaml", "live_queue")

    async def run():
        with (
            webhook() as hook,
            run_alertmanager(webhook_url=hook.url, group_wait=timedelta(milliseconds=100)) as server,
        ):
            async with service(prometheus.url, server.url, tmp_path) as running:
                await running.until(lambda: running.live.health().ready)
                with silent(server):
                    await running.until(lambda: running.outbox.backlog().up is False)
                    health = running.live.health()
                    assert health.alerts_waiting == 1
                    assert any("did not answer" in each for each in health.troubles)
                    scored = running.scored_up_to()
                    await running.until(lambda: running.scored_up_to() > scored + 5 * MINUTE)
                await running.until(lambda: running.outbox.backlog().waiting == 0)
                await running.until(lambda: bool(hook.received()))
                await asyncio.sleep(1)  # it is sent again meanwhile
        return hook.received()

    assert [each["status"] for each in asyncio.run(run())] == ["firing"]


def test_after_a_restart_what_is_calm_is_resolved_and_what_is_not_goes_on(prometheus, tmp_path):
    short, long = slice(HISTORY + 10, HISTORY + 30), slice(HISTORY + 10, HISTORY + 110)
    write(prometheus.url, "live_again", checkout=load(short), search=load(long, seed=1))
    monitor(tmp_path / "monitors.yaml", "live_again")

    async def run():
        with (
            webhook() as hook,
            run_alertmanager(webhook_url=hook.url, group_wait=timedelta(milliseconds=100)) as server,
        ):
            async with service(prometheus.url, server.url, tmp_path) as running:
                await running.until(lambda: len(listed(server.url)) == 2)
            before = {each["labels"]["service"]: each["startsAt"] for each in listed(server.url)}
            async with service(prometheus.url, server.url, tmp_path, start=NOW + 50 * MINUTE) as running:
                assert len(running.outbox.firing()) == 2
                await running.until(lambda: not listed(server.url, service="checkout"))
                await running.until(lambda: running.clock.now() > NOW + 75 * MINUTE)
                (left,) = listed(server.url)
                assert left["startsAt"] == before["search"], "it is the same alert"
        ended = [each for note in hook.received() for each in note["alerts"] if each["status"] == "resolved"]
        started = [note for note in hook.received() if note["status"] == "firing"]
        return ended, started

    ended, started = asyncio.run(run())
    assert [each["labels"]["service"] for each in ended] == ["checkout"]
    assert "normal again after" in ended[0]["annotations"]["summary"]
    assert len(started) == 2


def test_series_join_vanish_and_come_back_and_the_file_is_reloaded(prometheus, tmp_path):
    late, gone = load(seed=2), load(seed=3)
    late[: HISTORY + 30] = np.nan
    gone[HISTORY + 20 :] = np.nan
    write(prometheus.url, "live_join", checkout=load(), late=late, gone=gone)
    path = tmp_path / "monitors.yaml"
    rule = {"silentAfter": "10m", "forgetAfter": "40m"}
    monitor(path, "live_join", rule=rule)

    async def run():
        with run_alertmanager() as server:
            async with service(prometheus.url, server.url, tmp_path) as running:
                await running.until(lambda: running.live.health().ready)
                assert running.monitor.series == 2
                await running.until(lambda: running.monitor.series == 3)
                await running.until(lambda: listed(server.url, "SeriesSilent", service="gone"))
                path.write_text("kind: Wrong")
                await running.until(
                    lambda: "what was watched before goes on" in " ".join(running.live.health().troubles)
                )
                await running.until(lambda: running.monitor.series == 2)
                await running.until(lambda: not listed(server.url, "SeriesSilent", service="gone"))
                monitor(path, "live_join", name="other", rule=rule)
                await running.until(lambda: running.live.health().troubles == () and running.monitor.name == "other")
                await running.until(lambda: running.monitor.series == 2)

    asyncio.run(run())


def test_the_alerts_of_a_monitor_that_is_taken_out_are_closed(prometheus, tmp_path):
    write(prometheus.url, "live_out", checkout=load(slice(HISTORY + 5, HISTORY + LIVE)))
    path = tmp_path / "monitors.yaml"
    monitor(path, "live_out")

    async def run():
        with (
            webhook() as hook,
            run_alertmanager(webhook_url=hook.url, group_wait=timedelta(milliseconds=100)) as server,
        ):
            async with service(prometheus.url, server.url, tmp_path) as running:
                await running.until(lambda: hook.received())
                path.write_text("")
                await running.until(lambda: hook.received()[-1]["status"] == "resolved")
                assert running.live.health().monitors == ()
        return hook.received()[-1]["alerts"][0]["annotations"]["summary"]

    said = asyncio.run(run())
    assert said == 'live_out{service="checkout"}: closed: monitor traffic does not watch it any more'


def test_a_file_that_is_wrong_at_the_start_is_refused(prometheus, tmp_path):
    (tmp_path / "monitors.yaml").write_text("kind: Wrong")

    async def run():
        async with service(prometheus.url, prometheus.url, tmp_path):
            raise AssertionError("it must not start")

    with pytest.raises(ConfigError, match=r"monitors\.yaml:1: kind is 'Wrong'"):
        asyncio.run(run())
