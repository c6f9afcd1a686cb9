"""Alerts sent to a real Alertmanager, and what the sink says of answers that a real one gives only when it is ill."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from aiops.adapters.alertmanager import AlertmanagerSink
from aiops.alerting.alert import Alert, Severity, Status
from aiops.errors import ContentRejectedError, UpstreamError, UpstreamRejectedError, UpstreamUnavailableError
from testbed.alertmanager import alertmanager as run_alertmanager
from testbed.server import Server, free_port
from testbed.webhook import webhook
from tests.adapters.peer import Reply, peer


def alert(name: str, **changes: Any) -> Alert:
    found = Alert(
        status=Status.FIRING,
        severity=Severity.PAGE,
        starts_at=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5),
        labels={"alertname": name, "severity": "page", "service": 'check"out\nä'},
        annotations={"summary": "checkout: 1.32 k requests/second, expected 820"},
    )
    return replace(found, **changes)


def resolved(firing: Alert) -> Alert:
    return replace(firing, status=Status.RESOLVED, ends_at=datetime.now(UTC) - timedelta(seconds=1))


def send(url: str, *alerts: Alert, timeout_seconds: float = 5.0, **options: Any) -> None:
    async def post() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=timeout_seconds, trust_env=False, **options) as client:
            await AlertmanagerSink(client).send(alerts)

    asyncio.run(post())


def listed(server: Server, name: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{server.url}/api/v2/alerts", params={"filter": f'alertname="{name}"'}, trust_env=False)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def eventually(holds: Callable[[], bool], within_seconds: float = 10.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_an_alert_fires_and_is_resolved(alertmanager):
    firing = alert("SinkFires")
    send(alertmanager.url, firing)
    (seen,) = listed(alertmanager, "SinkFires")
    assert seen["labels"] == dict(firing.labels)
    assert seen["annotations"] == dict(firing.annotations)
    assert datetime.fromisoformat(seen["startsAt"]) == firing.starts_at
    assert datetime.fromisoformat(seen["endsAt"]) > datetime.now(UTC), "it expires unless it is sent again"
    send(alertmanager.url, resolved(firing))
    eventually(lambda: listed(alertmanager, "SinkFires") == [])


def test_a_person_is_notified_of_both():
    with webhook() as hook, run_alertmanager(webhook_url=hook.url) as server:
        firing = alert("SinkNotifies")
        send(server.url, firing)
        hook.wait_for(lambda seen: bool(seen), within_seconds=20)
        send(server.url, resolved(firing))
        told = hook.wait_for(lambda seen: seen[-1]["status"] == "resolved", within_seconds=20)
    assert told[0]["status"] == "firing"
    assert told[0]["alerts"][0]["annotations"] == dict(firing.annotations)
    assert told[-1]["alerts"][0]["labels"] == dict(firing.labels)


def test_the_same_state_twice_is_one_alert(alertmanager):
    firing = alert("SinkTwice")
    send(alertmanager.url, firing)
    send(alertmanager.url, firing, replace(firing, labels={**firing.labels, "zone": "b"}))
    assert len(listed(alertmanager, "SinkTwice")) == 2


def test_what_it_refuses_is_rejected_and_the_valid_rest_of_the_batch_is_kept(alertmanager):
    ends_first = alert("SinkWrong", status=Status.RESOLVED, ends_at=datetime.now(UTC) - timedelta(hours=1))
    with pytest.raises(ContentRejectedError, match=f"Alertmanager at {alertmanager.url}.* answered 400: .*start time"):
        send(alertmanager.url, ends_first, alert("SinkRight"))
    assert len(listed(alertmanager, "SinkRight")) == 1
    assert listed(alertmanager, "SinkWrong") == []


def test_no_alerts_are_no_request():
    with peer(lambda asked: Reply()) as server:
        send(server.url)
    assert server.asked == []


def test_nobody_there_is_unavailable():
    with pytest.raises(UpstreamUnavailableError, match=r"did not answer: .*connection"):
        send(f"http://127.0.0.1:{free_port()}", alert("Nobody"))


def test_slow_is_unavailable():
    with peer(lambda asked: Reply(pause=5)) as slow, pytest.raises(UpstreamUnavailableError, match="ReadTimeout"):
        send(slow.url, alert("Slow"), timeout_seconds=0.2)


def test_broken_off_is_unavailable():
    with peer(lambda asked: Reply(body=b"{}", claimed_length=100)) as broken, pytest.raises(UpstreamUnavailableError):
        send(broken.url, alert("Broken"), timeout_seconds=2)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (408, UpstreamUnavailableError),
        (429, UpstreamUnavailableError),
        (500, UpstreamUnavailableError),
        (502, UpstreamUnavailableError),
        (503, UpstreamUnavailableError),
        (301, UpstreamRejectedError),
        (401, UpstreamRejectedError),
        (404, UpstreamRejectedError),
        (400, ContentRejectedError),
        (413, ContentRejectedError),
        (422, ContentRejectedError),
    ],
)
def test_each_answer_says_whether_to_send_again(status, error):
    reply = Reply(status=status, body=b"<html>" + b"x" * 5000, headers={"Location": "http://127.0.0.1:1/"})
    with peer(lambda asked: reply) as server, pytest.raises(UpstreamError) as raised:
        send(server.url, alert("Answer"))
    assert type(raised.value) is error
    assert f"answered {status}" in str(raised.value)
    assert len(str(raised.value)) < 700


def test_the_path_of_the_address_and_its_credentials_are_kept():
    with peer(lambda asked: Reply(body=b"{}")) as server:
        send(f"{server.url}/alertmanager", alert("Prefix"), headers={"Authorization": "Bearer abc"})
        (asked,) = server.asked
    assert asked.path == "/alertmanager/api/v2/alerts"
    assert asked.headers["Authorization"] == "Bearer abc"
