"""From what was read to cases: what an index may say, and what is left out with its reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from aiops.adapters.local_mapper import LocalMapper
from aiops.backtest.study import Grid
from aiops.errors import ConfigError, DataError
from aiops.forecasting.catalog import path_forecaster
from aiops.series import Series, SeriesKey
from aiops.usecases.backtest import Replay, cases_from, evaluate_all, frames_of, sweep_all

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 2, tzinfo=UTC)


def series(name="load", n=2880, step=MINUTE, start=START, level=100.0):
    values = level * (1.5 + np.sin(np.arange(n) * 2 * np.pi * (step / timedelta(days=1))))
    return Series(key=SeriesKey.of(name), start=start, step=step, values=values)


def test_the_index_says_capacity_and_window():
    each = series()
    said = {
        "capacity_per_replica": "12.5",
        "eval_start": str((START + timedelta(hours=30)).timestamp()),
        "eval_end": str((START + timedelta(hours=40)).timestamp()),
    }
    (case,), skipped = cases_from([each], {each.key: said}, Replay(capacity_per_replica=99))
    assert (case.capacity_per_replica, skipped) == (12.5, [])
    assert (case.start, case.end) == (START + timedelta(hours=30), START + timedelta(hours=40))


def test_without_an_index_the_later_half_is_scored_at_most():
    (case,), _ = cases_from([series()], {}, Replay(capacity_per_replica=10))
    assert (case.start, case.end) == (START + timedelta(days=1), START + timedelta(days=2))


def test_a_capacity_that_nobody_knows_is_asked_for():
    with pytest.raises(ConfigError, match="--capacity-per-replica"):
        cases_from([series()], {}, Replay())


def test_a_capacity_that_is_no_number_is_named():
    each = series()
    with pytest.raises(DataError, match=r"column capacity_per_replica of index\.csv says 'many'"):
        cases_from([each], {each.key: {"capacity_per_replica": "many"}}, Replay())


def test_one_bad_series_is_left_out_and_the_others_are_replayed():
    bad = Series(key=SeriesKey.of("negative"), start=START, step=MINUTE, values=np.full(2880, -1.0))
    cases, skipped = cases_from([series(), bad], {}, Replay(capacity_per_replica=10))
    assert [case.name for case in cases] == ["load"]
    assert skipped[0][0] == "negative"
    assert "negative" in skipped[0][1]
    grid = Grid(targets=(0.5, 0.9), down_windows=(timedelta(minutes=5),))
    told = []
    sweeps, failed = sweep_all(cases, [], grid, LocalMapper(), lambda done, total: told.append((done, total)))
    assert list(sweeps) == ["load"]
    assert failed == []
    assert told == [(0, 1), (1, 1)]
    assert "workload" not in vars(cases[0]), "hundreds of workloads would keep what each computed"


def test_series_of_one_grid_and_span_share_a_frame():
    frames = frames_of([series("a"), series("b"), series("c", n=100), series("d", step=5 * MINUTE, n=576)])
    assert [[key.name for key in frame.keys] for frame in frames] == [["a", "b"], ["c"], ["d"]]


def test_series_of_different_steps_are_compared_over_the_same_horizon():
    both = [series("fine", n=12 * 288, step=5 * MINUTE), series("coarse", n=12 * 24, step=60 * MINUTE)]
    names = ("seasonal-naive", "weekly-naive")
    found = evaluate_all(
        both,
        {name: path_forecaster(name) for name in names},
        timedelta(days=1),
        2,
        timedelta(days=28),
        np.array([0.1, 0.5, 0.9]),
        LocalMapper(),
        lambda done, total: None,
    )
    assert {each.series_id for each in found.accuracies} == {"fine", "coarse"}
    assert all(each.origins == 2 for each in found.accuracies)


def test_a_horizon_shorter_than_a_step_is_refused():
    with pytest.raises(ConfigError, match="a horizon of 0:01:00 is shorter than the step of load"):
        evaluate_all(
            [series(step=5 * MINUTE)],
            {"seasonal-naive": path_forecaster("seasonal-naive")},
            MINUTE,
            2,
            timedelta(days=28),
            np.array([0.5]),
            LocalMapper(),
            lambda done, total: None,
        )


def test_the_early_warning_is_about_what_there_is_room_for():
    """A wave up to 250, where ten are served by a replica: 8 were never enough, 30 always are."""
    found: dict[str, Any] = {}
    for name, said in (("tight", {"room_replicas": "8"}), ("wide", {})):
        each = series(name, n=21 * 96, step=15 * MINUTE)
        cases, _ = cases_from([each], {each.key: said}, Replay(capacity_per_replica=10, room=30))
        swept, _ = sweep_all(cases, [], Grid(targets=(0.5,), down_windows=(MINUTE,)), LocalMapper(), lambda *_: None)
        found[name] = swept[name].exhaustion
    assert (found["tight"].limit, found["wide"].limit) == (80, 300)
    assert found["tight"].chances == (0.99, 0.99)
    assert found["wide"].chances == (0.0, 0.0)
