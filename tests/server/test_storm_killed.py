"""The service as a process before a cluster of Alertmanagers: killed in a storm, nothing is lost or told twice."""

import signal
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest

from aiops.api.v1.scoring_pb2 import ScoreRequest
from aiops.api.v1.scoring_pb2_grpc import ScoringServiceStub
from aiops.api.v1.series_pb2 import SeriesKey
from testbed.alertmanager import alertmanager_cluster
from testbed.webhook import webhook
from tests.server.test_process import served

SERIES, SERVICES, CALL = 1500, 100, 500
MINUTE = timedelta(minutes=1)


def push(channel, now, minutes_ago, value):
    """Push a minute of all series."""
    stamp = round((now - minutes_ago * MINUTE).timestamp() * 1000)
    for begin in range(0, SERIES, CALL):
        keys = [
            SeriesKey(name="latency", labels={"service": f"s{number % SERVICES}", "pod": str(number)})
            for number in range(begin, begin + CALL)
        ]
        values = value(CALL).tolist()
        asked = ScoreRequest(series=keys, series_index=range(CALL), timestamp_ms=[stamp] * CALL, value=values)
        ScoringServiceStub(channel).Score(asked, timeout=60)


@pytest.mark.slow
def test_killed_in_a_storm_it_tells_once_of_every_series(tmp_path):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    random = np.random.default_rng(0)
    with webhook() as hook, alertmanager_cluster(3, webhook_url=hook.url, group_wait=MINUTE / 300) as servers:
        urls = [each.url for each in servers]
        given = {"AIOPS_ALERTMANAGER__URLS": ",".join(urls)}
        with served(tmp_path, "--state", str(tmp_path / "state"), **given) as first:
            for ago in range(60, 4, -1):
                push(first.channel, now, ago, lambda n: random.normal(100, 1, n))
            for ago in range(4, 0, -1):
                push(first.channel, now, ago, lambda n: np.full(n, 1e4))
            first.end(signal.SIGKILL)
        assert hook.received() == [], "it was killed before anybody was told"
        with served(tmp_path, "--state", str(tmp_path / "state"), **given):
            hook.wait_for(lambda seen: bool(seen), within_seconds=60)
            for url in urls:
                (alert,) = httpx.get(f"{url}/api/v2/alerts", trust_env=False).json()
                assert alert["annotations"]["series_count"] == str(SERIES)
        (told,) = hook.received()
    assert told["alerts"][0]["labels"] == {"alertname": "ManySeriesAnomalous", "severity": "page"}
    assert told["alerts"][0]["annotations"]["series_count"] == str(SERIES)
