import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from aiops.backtest.charts import TimeChart
from aiops.backtest.comparison import compare, verdict
from aiops.backtest.explorer import explore
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.prices import choose
from aiops.backtest.profile import profile
from aiops.backtest.replay import Case
from aiops.backtest.replica_chart import replica_chart, worst_day
from aiops.backtest.report import Report, to_html, to_json
from aiops.backtest.scaling_report import Closer, scaling_report
from aiops.backtest.study import Contender, Grid, Setting, Sweep, sweep_case
from aiops.demo.fleet import CHECKOUT, SEARCH, generate
from aiops.forecasting.catalog import window_forecaster
from aiops.scaling.policy import Bounds, Load, Prices, ScalingPolicy

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
def explored(cases):
    setting = Setting(text="level 0.8, target 0.9", hpa=Hpa(target=0.9), level=0.8)
    return explore(cases[0], OURS, setting)


@pytest.fixture(scope="module")
def outcome(explored):
    return explored.outcome


def tables_of(made: Report) -> dict[str, list[dict[str, Any]]]:
    document = json.loads(to_json(made))
    return {table["name"]: table["rows"] for section in document["sections"] for table in section["tables"]}


def test_a_real_backtest_becomes_one_page_and_one_document(sweeps, cases, explored):
    skipped = [("quiet", "needs at least two days")]
    closer = Closer(
        profiles={each.name: profile(each) for each in cases},
        chosen=choose(compare(sweeps, 1.5).means, 1.5),
        explored=[explored],
    )
    made = scaling_report(sweeps, command="aiops backtest", made_at=NOW, closer=closer, skipped=skipped)
    assert made.verdict == verdict(compare(sweeps, 1.5))
    html, tables = to_html(made), tables_of(made)
    for expected in (made.verdict.split(",")[0], "What is missed, against what it costs", "needs at least two days"):
        assert expected in html
    assert len(tables["Settings"]) == sum(len(each.settings) for each in next(iter(sweeps.values())))
    compared = compare(sweeps, 1.5)
    for row in tables["Unmet demand at equal cost"]:
        unmet = compared.unmet[row["scaler"]]
        assert row["unmet_percent_at_1_5"] == (None if np.isnan(unmet) else 100 * unmet)
    each_workload = tables["Unmet demand at 1.5 times the oracle's replica-hours"]
    assert {row["series_id"] for row in each_workload} == set(sweeps)
    (worst,) = tables["Worst workloads"]
    assert (worst["misses"], worst["unmet_percent"]) == (
        len(explored.misses),
        pytest.approx(100 * explored.outcome.unmet_ratio),
    )
    assert html.count('<details class="walk"') == len(explored.walks) > 0


def test_the_ledger_adds_up_to_what_was_measured(sweeps, cases):
    """What the days say is what the sweeps say, for every scaler, and the oracle's days are those of its plan."""
    compared = compare(sweeps, 1.5)
    closer = Closer(profiles={each.name: profile(each) for each in cases}, chosen=choose(compared.means, 1.5))
    made = scaling_report(sweeps, command="aiops backtest", made_at=NOW, closer=closer)
    for case in cases:
        rows = [row for row in tables_of(made)["Ledger"] if row["series_id"] == case.name]
        first, last = (case.end - timedelta(days=3)).date(), (case.end - timedelta(minutes=1)).date()
        assert (rows[0]["day"], rows[-1]["day"]) == (str(first), str(last))
        demand = sum(row["demand"] for row in rows)
        oracle = sum(row["oracle_replica_hours"] for row in rows)
        for sweep in sweeps[case.name]:
            word, at = sweep.scaler.lower().replace(" ", "_").replace("-", "_"), closer.chosen[sweep.scaler]
            assert sum(row[f"{word}_unmet"] for row in rows) / demand == pytest.approx(sweep.unmet[at])
            assert sum(row[f"{word}_replica_hours"] for row in rows) / oracle == pytest.approx(sweep.cost[at])


def test_prices_choose_the_cheapest_setting_of_each_and_say_whose_bill_is_lowest(sweeps, cases):
    profiles, chosen = {each.name: profile(each) for each in cases}, []
    for prices in (Prices(replica_hour=1.0, unmet_request=1e-12), Prices(replica_hour=0.01, unmet_request=1.0)):
        made = scaling_report(sweeps, command="aiops", made_at=NOW, closer=Closer(profiles=profiles, prices=prices))
        rows = {row["scaler"]: row for row in tables_of(made)["The bill"]}
        for name, row in rows.items():
            hours, requests = row["replica_hours"], row["unmet_requests"]
            assert row["money"] == pytest.approx(prices.replica_hour * hours + prices.unmet_request * requests), name
        best = min((name for name in rows if name != "oracle"), key=lambda name: rows[name]["money"])
        assert best in made.verdict.split(":")[0]
        chosen.append(rows["default HPA"]["setting"])
    # Where unmet requests are worth nothing the fewest replicas are best, where they are worth much the most.
    assert chosen == ["target 1", "target 0.4"]


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
