"""The DAG ``backtest_capacity`` on a real Airflow and a real Prometheus."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from aiops.adapters.remote_write import RemoteWriter
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings

STEP = timedelta(minutes=5)
DAY = 288


def last_monday():
    """The latest Monday 03:00 UTC that is over."""
    now = datetime.now(UTC)
    monday = (now - timedelta(days=now.weekday())).replace(hour=3, minute=0, second=0, microsecond=0)
    return monday if monday <= now else monday - timedelta(days=7)


def demand(name, end, days, level):
    hours = np.arange(days * DAY) / 12
    noise = np.random.default_rng(round(level)).lognormal(0, 0.05, len(hours))
    values = level * (1.5 + np.sin(hours * np.pi / 12)) * noise
    start = end - len(hours) * STEP
    return Series(key=SeriesKey.of("weekly_demand", {"app": name}), start=start, step=STEP, values=values)


def findings(report):
    """What a report says, but for the time that its making took."""
    found = json.loads(report.with_suffix(".json").read_text())
    for row in [row for section in found["sections"] for table in section["tables"] for row in table["rows"]]:
        row.pop("forecast_seconds", None)
    return found


def test_a_week_gives_the_same_findings_however_often_it_is_made(airflow, prometheus, tmp_path):
    writer = RemoteWriter(PrometheusSettings(url=prometheus.url))
    writer.write([demand("shop", last_monday(), 6, 300.0), demand("mail", last_monday(), 6, 90.0)])
    asked = {
        "source": prometheus.url,
        "query": "weekly_demand",
        "step": "5m",
        "history": "6d",
        "forecasters": ["holt-winters"],
        "capacity_per_replica": 10,
        "scored": "1d",
        "folder": str(tmp_path),
    }
    ended = airflow.run("backtest_capacity", last_monday(), asked)
    assert ended.state == "success"
    assert ended.interval_end == last_monday()
    made = ended.tasks["report"].value
    assert (made["workloads"], made["left_out"]) == (2, 0)
    report = Path(made["report"])
    page, numbers = report.read_text(), findings(report)
    assert numbers["made_at"][:16] == f"{last_monday():%Y-%m-%dT%H:%M}"
    assert numbers["verdict"] == made["verdict"]
    assert "holt-winters" in made["verdict"] or "HPA" in made["verdict"]
    assert 'weekly_demand{app="shop"}' in page.replace("&#34;", '"').replace("&quot;", '"')

    writer.write([demand("new", last_monday(), 6, 50.0)])
    again = airflow.run("backtest_capacity", last_monday(), asked)
    assert again.tasks["report"].value == made
    assert findings(report) == numbers, "from the same snapshot"


def test_without_a_capacity_nothing_is_read(airflow, tmp_path):
    asked = {"query": "weekly_demand", "folder": str(tmp_path)}
    ended = airflow.run("backtest_capacity", last_monday(), asked)
    assert (ended.state, ended.tasks["plan"].tries) == ("failed", 1)
    assert list(tmp_path.iterdir()) == []
