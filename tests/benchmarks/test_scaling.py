"""The benchmark's traces survive a real Prometheus, and its numbers do not depend on where they were read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from aiops.backtest.hpa import Hpa
from aiops.backtest.replay import Case, replay, replay_hpa
from aiops.backtest.study import Grid, Sweep
from aiops.series import Series, SeriesKey
from benchmarks.scaling.cold_start import BEGINS, Young, first_days, times_less
from benchmarks.scaling.contenders import FORECASTERS, GRID, VARIANTS, contender
from benchmarks.scaling.traces import cases, shifted_to, through_prometheus
from testbed.server import Server


def test_a_trace_read_back_from_prometheus_replays_to_the_same_numbers(data_dir: Path, prometheus: Server) -> None:
    found = [case for case in cases(data_dir / "workload") if case.name == "ms_ingress_04"]

    (back,) = through_prometheus(found, prometheus.url)

    now = datetime.now(UTC)
    assert timedelta() <= now - back.history.end < timedelta(weeks=1)
    assert (back.start - found[0].start) % timedelta(weeks=1) == timedelta()
    ours = contender("holt-winters")
    for case in (found[0], back):
        assert np.array_equal(case.history.values, found[0].history.values, equal_nan=True)
    plain, floor = (
        [run(case).summary() for case in (found[0], back)]
        for run in (
            lambda case: replay_hpa(case, Hpa(target=0.7)),
            lambda case: replay(case, ours.policy_of(case, 0.95), ours.forecaster, Hpa(target=0.9)),
        )
    )
    assert plain[0] == plain[1]
    assert floor[0] == floor[1]


def test_there_are_at_least_ten_traces_and_each_keeps_its_hours(data_dir: Path) -> None:
    found = cases(data_dir / "workload")
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    assert len(found) >= 10
    for case in found:
        moved = shifted_to(case, now)
        assert moved.start.time() == case.start.time()
        assert moved.start.weekday() == case.start.weekday()
        assert moved.history.end <= now


def test_the_grid_is_the_protocols() -> None:
    assert (GRID.targets[0], GRID.targets[-1]) == (0.2, 1.0)
    assert [window / timedelta(minutes=1) for window in GRID.down_windows] == [5, 15, 30, 60]
    for name in (*FORECASTERS, *VARIANTS):
        assert contender(name).policy.forecast.window == timedelta(minutes=4)


def test_the_first_days_of_a_workload_know_nothing_of_what_follows_them() -> None:
    random = np.random.default_rng(2)
    minute = np.arange(4 * 1440)
    calm = 200 + 80 * np.sin(2 * np.pi * minute / 1440) + random.gamma(2.0, 4.0, len(minute))
    wild = np.where(minute < 1440, calm, calm * random.uniform(0.5, 2.0, len(minute)))
    born, grid = datetime(2026, 3, 2, tzinfo=UTC), Grid(targets=(0.5,), down_windows=())

    def young(values: np.ndarray) -> list[tuple[float, float]]:
        case = Case(
            name="shop",
            history=Series(key=SeriesKey("shop"), start=born, step=timedelta(minutes=1), values=values),
            capacity_per_replica=10.0,
            start=born + timedelta(days=3),
            end=born + timedelta(days=4),
        )
        found = first_days(case, contender("holt-winters"), Hpa(target=0.95), grid)
        return [(each.cost, each.unmet) for each in found]

    quiet, torn = young(calm), young(wild)
    assert len(quiet) == len(BEGINS)
    assert quiet[0] == torn[0]
    assert quiet[1] != torn[1]


def test_young_workloads_are_compared_at_equal_cost_even_where_nothing_is_left_unmet() -> None:
    plain = Sweep(scaler="HPA", settings=("0.8", "0.5"), unmet=np.array([0.04, 0.01]), cost=np.array([1.0, 2.0]))

    assert np.isclose(times_less([Young(plain=plain, cost=cost, unmet=0.005) for cost in (1.0, 2.0)]), 4)
    assert times_less([Young(plain=plain, cost=1.5, unmet=0.0)]) > 1e6
