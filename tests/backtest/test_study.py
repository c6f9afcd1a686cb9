"""A sweep is nothing but single replays, each with its own setting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.backtest.hpa import DOWN, Behavior, Hpa, Rules
from aiops.backtest.replay import Case, replay, replay_hpa
from aiops.backtest.study import DEFAULT_HPA, TUNED_HPA, Contender, Grid, mean, sweep_case
from aiops.forecasting.catalog import window_forecaster
from aiops.scaling.policy import ScalingPolicy
from aiops.series import Series, SeriesKey

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GRID = Grid(
    targets=(0.5, 0.9), down_windows=(5 * MINUTE, 30 * MINUTE), floor_targets=(0.7, 1.0), levels=(0.5, 0.9, 0.99)
)


def case(n: int = 1800) -> Case:
    random = np.random.default_rng(0)
    wave = 150 + 100 * np.sin(np.arange(n) * 2 * np.pi / 360)
    values = np.maximum(wave + random.normal(0, 25, n), 0)
    history = Series(key=SeriesKey("shop"), start=START, step=MINUTE, values=values)
    return Case(name="shop", history=history, capacity_per_replica=10.0, start=START + 1440 * MINUTE, end=history.end)


def contender() -> Contender:
    policy = ScalingPolicy.model_validate(
        {
            "bounds": {"maxReplicas": 500},
            "load": {"capacityPerReplica": 1},
            "behavior": {"scaleDown": {"stabilizationWindow": "5m", "tolerance": 0.0}},
        }
    )
    return Contender(name="ours", policy=policy, forecaster=window_forecaster("holt-winters"))


def test_every_point_of_a_sweep_is_the_replay_of_its_setting():
    shop, ours = case(), contender()

    default, tuned, forecast = sweep_case(shop, [ours], GRID)

    assert [default.scaler, tuned.scaler, forecast.scaler] == [DEFAULT_HPA, TUNED_HPA, "ours"]
    singles = [replay_hpa(shop, Hpa(target=target)) for target in GRID.targets]
    assert default.unmet.tolist() == [each.unmet_ratio for each in singles]
    assert default.cost.tolist() == [each.cost_ratio for each in singles]
    singles = [
        replay_hpa(
            shop, Hpa(target=target, behavior=Behavior(down=Rules(stabilization=window, policies=DOWN.policies)))
        )
        for window in GRID.down_windows
        for target in GRID.targets
    ]
    assert tuned.cost.tolist() == [*default.cost.tolist(), *(each.cost_ratio for each in singles)]
    assert tuned.settings[len(GRID.targets) + 1] == "target 0.9, scale-down window 5m"
    singles = [
        replay(shop, ours.policy_of(shop, level), ours.forecaster, Hpa(target=target))
        for level in GRID.levels
        for target in GRID.floor_targets
    ]
    assert forecast.unmet.tolist() == [each.unmet_ratio for each in singles]
    assert forecast.cost.tolist() == [each.cost_ratio for each in singles]
    assert forecast.settings[2] == "level 0.9, target 0.7"
    assert len(set(forecast.cost.tolist())) == len(singles), "settings that cost the same would prove nothing"


def test_a_mean_is_taken_setting_by_setting():
    whole, half = (sweep_case(each, [], GRID)[0] for each in (case(), case(1620)))

    both = mean([whole, half])

    assert both.settings == whole.settings
    assert both.cost.tolist() == pytest.approx(((whole.cost + half.cost) / 2).tolist())
    assert both.unmet.tolist() == pytest.approx(((whole.unmet + half.unmet) / 2).tolist())


def test_the_bounds_of_a_policy_bind_its_hpa_and_the_plain_ones():
    shop, ours = case(), contender()
    bounds = ours.policy.bounds.model_copy(update={"max_replicas": 3})
    tight = replace(ours, policy=ours.policy.model_copy(update={"bounds": bounds}))
    for sweep in sweep_case(shop, [tight], GRID):
        assert sweep.unmet.min() > 0.2, sweep.scaler
