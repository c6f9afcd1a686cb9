"""Detection on one's own history: the service's code, its budget, and nothing of the future."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pytest

from aiops.alerting.rules import AlertRule
from aiops.backtest.detection_report import detection_report
from aiops.backtest.report import to_html
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.errors import DataError
from aiops.series import Series, SeriesKey
from aiops.usecases.backtest_detection import backtest_detection
from tests.cli import program

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 4


def series(name: str, *troubles: int, pod: str = "a", seed: int = 0) -> Series:
    """Return days of noise, ten times as high for 20 minutes from each of these minutes on."""
    values = np.random.default_rng(seed).normal(100, 2, DAYS * 1440)
    for minute in troubles:
        values[minute : minute + 20] *= 10
    return Series(key=SeriesKey.of("load", {"service": name, "pod": pod}), start=START, step=MINUTE, values=values)


def scored(given, days=2, **rule):
    return backtest_detection(given, Scorer([detector("fleet")]), AlertRule(**rule), days * DAY)


def test_incidents_are_found_when_they_begin_and_are_counted_by_service():
    first, second = 2 * 1440 + 300, 3 * 1440 + 700
    found = scored([series("shop", first, second), series("shop", first, pod="b", seed=1), series("calm", seed=2)])
    assert [each.alert.labels["service"] for each in found.told] == ["shop", "shop"]
    assert [each.alert.starts_at for each in found.told] == [START + first * MINUTE, START + second * MINUTE]
    assert [int(each.alert.annotations["series_count"]) for each in found.told] == [2, 1]
    (row,) = found.rows()
    assert (row["concerns"], row["incidents"], row["pages_per_week"]) == ("service=shop", 2, 7.0)
    assert row["median_delay_minutes"] == pytest.approx(3.2, abs=0.1), "three points, and ten seconds"
    assert {each.key.labels[1][1]: each.pages for each in found.tallies if each.key.labels[0][1] == "a"} == {
        "shop": 2,
        "calm": 0,
    }


def test_what_comes_later_changes_nothing_of_what_was_told_before():
    trouble, cut = 2 * 1440 + 300, 3 * 1440
    before = series("shop", trouble)
    values = before.values.copy()
    values[cut:] = np.random.default_rng(9).lognormal(0, 5, len(values) - cut)
    later = Series(key=before.key, start=START, step=MINUTE, values=values)

    def early(found):
        return [
            (each.at, each.first.labels, each.first.annotations["summary"])
            for each in found.told
            if each.at < START + cut * MINUTE
        ]

    assert early(scored([before])) == early(scored([later])) != []


def test_the_budget_withholds_and_the_report_says_so():
    often = range(2 * 1440 + 100, 4 * 1440 - 100, 240)
    free, kept = (
        scored([series("shop", *often)], alerts_a_week=100.0),
        scored([series("shop", *often)], alerts_a_week=2.0),
    )
    assert len(kept.told) < len(free.told)
    assert kept.withheld == len(free.told) - len(kept.told)
    made = detection_report(kept, AlertRule(alerts_a_week=2.0), command="aiops", made_at=START)
    assert f"The budget of 2 a week and service would have kept back {kept.withheld} more." in made.verdict
    assert "<svg" in to_html(made)


def test_series_of_different_grids_and_lengths_are_replayed_together():
    hourly = Series(
        key=SeriesKey("slow"), start=START, step=60 * MINUTE, values=np.random.default_rng(1).normal(5, 1, DAYS * 24)
    )
    short = Series(key=SeriesKey("short"), start=START, step=MINUTE, values=np.full(10, 1.0))
    found = scored([series("shop", 3 * 1440), hourly, short])
    assert len(found.tallies) == 3
    assert len(found.told) == 1
    with pytest.raises(DataError, match="no series"):
        scored([])


def test_the_command_writes_a_table_and_a_page(tmp_path):
    folder = tmp_path / "telemetry"
    folder.mkdir()
    rows = [
        f"{START.timestamp() + 60 * n:.0f},{value}" for n, value in enumerate(series("x", 3 * 1440).values.tolist())
    ]
    (folder / "load.csv").write_text("\n".join(["timestamp,value", *rows]))
    (tmp_path / "two.yaml").write_text("")
    run = partial(program.run, "backtest", "detection", "--source", folder, "--days", 2, cwd=tmp_path)
    done = run("--format", "json", "--report", "out.html")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["concerns"], row["incidents"]) == ("metric=load", 1)
    assert "would have been paged 1 time " in done.stderr
    assert (tmp_path / "out.html").read_text().count("<svg") >= 2
    assert json.loads((tmp_path / "out.json").read_text())["kind"] == "detection"
    wrong = run("--monitor", "two.yaml")
    assert wrong.returncode == 2
    assert "holds 0 monitors: give a file with the one to try" in wrong.stderr
