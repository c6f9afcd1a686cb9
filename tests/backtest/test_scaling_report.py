import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.backtest.charts import TimeChart
from aiops.backtest.comparison import compare, verdict
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.replay import Case, replay
from aiops.backtest.report import to_html, to_json
from aiops.backtest.scaling_report import replica_chart, scaling_report, worst_day
from aiops.backtest.study import Contender, Grid, Sweep, sweep_case
from aiops.demo.fleet import CHECKOUT, SEARCH, generate
from aiops.forecasting.catalog import window_forecaster
from aiops.scaling.policy import Bounds, Load, ScalingPolicy

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
POLICY = ScalingPolicy(bounds=Bounds(min_replicas=1, max_replicas=500), load=Load(capacity_per_replica=1))
OURS = Contender(name="holt-winters", policy=POLICY, forecaster=window_forecaster("holt-winters"))
GRID = Grid(
    targets=(0.4, 0.7, 1.0), down_windows=(timedelta(minutes=30),), floor_targets=(0.7, 1.0), levels=(0.5, 0.95)
)


def case(key) -> Case:
    frame = generate(NOW, weeks=2).frame
    history = frame.row(frame.keys.index(key))
    return Case(name=key.series_id, history=history, capacity_per_replica=40.0, start=NOW - timedelta(days=3), end=NOW)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [case(CHECKOUT), case(SEARCH)]


@pytest.fixture(scope="module")
def sweeps(cases) -> dict[str, list[Sweep]]:
    return {each.name: sweep_case(each, [OURS], GRID) for each in cases}


@pytest.fixture(scope="module")
def outcome(cases):
    return replay(cases[0], OURS.policy_of(cases[0]), OURS.forecaster, Hpa(target=0.9), scaler=OURS.name)


def test_a_real_backtest_becomes_one_page_and_one_document(sweeps, outcome):
    skipped = [("quiet", "needs at least two days")]
    made = scaling_report(sweeps, command="aiops backtest", made_at=NOW, examples=[outcome], skipped=skipped)
    assert made.verdict == verdict(compare(sweeps, 1.5))
    html, document = to_html(made), json.loads(to_json(made))
    for expected in (made.verdict.split(",")[0], "What is missed, against what it costs", "needs at least two days"):
        assert expected in html
    tables = {table["name"]: table["rows"] for section in document["sections"] for table in section["tables"]}
    settings = tables["Settings"]
    assert len(settings) == sum(len(each.settings) for each in next(iter(sweeps.values())))
    compared = compare(sweeps, 1.5)
    for row in tables["Unmet demand at equal cost"]:
        unmet = compared.unmet[row["scaler"]]
        assert row["unmet_percent_at_1_5"] == (None if np.isnan(unmet) else 100 * unmet)
    each_workload = tables["Unmet demand at 1.5 times the oracle's replica-hours"]
    assert {row["series_id"] for row in each_workload} == set(sweeps)
    decisions = tables[f"Decisions for {outcome.name}"]
    assert decisions
    assert all(row["current"] != row["desired"] for row in decisions)


def test_the_worst_day_is_the_day_with_most_missing_replicas(outcome):
    begin, end = worst_day(outcome)
    assert end - begin == timedelta(days=1)
    missing = np.maximum(outcome.needed - outcome.track.ready, 0)
    assert missing.sum() > 0

    def within(first: int) -> int:
        return int(missing[first : first + 5760].sum())

    assert within((begin - outcome.start) // SYNC) == max(within(first) for first in range(len(missing) - 5760 + 1))


def test_the_chart_shows_the_replicas_of_the_replay_and_marks_each_kind_of_miss(outcome):
    begin, end = worst_day(outcome)
    chart = replica_chart(outcome, begin, end)
    assert isinstance(chart, TimeChart)
    first = (begin - outcome.start) // SYNC
    lines = {line.name: line.values for line in chart.lines}
    np.testing.assert_array_equal(lines["Ready"], outcome.track.ready[first : first + 5760])
    np.testing.assert_array_equal(lines["Floor from the forecast"], outcome.track.floors[first : first + 5760])
    assert chart.marks
    for mark in chart.marks:
        step = (mark.at - outcome.start) // SYNC
        assert outcome.needed[step] > outcome.track.ready[step]
        assert mark.value == outcome.needed[step]


def test_a_chart_reaches_no_further_than_its_replay(outcome):
    chart = replica_chart(outcome, outcome.start - timedelta(days=1), outcome.end + timedelta(days=1))
    assert chart.start == outcome.start
    assert len(chart.lines[0].values) == len(outcome.demand)
