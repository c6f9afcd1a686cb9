"""What is compared: five scalers over a grid of their settings, on one trace at a time."""

import time
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from aiops.backtest.hpa import DOWN, Behavior, Hpa, Rules
from aiops.backtest.outcome import Point, ScalingOutcome
from aiops.backtest.replay import Case, floors_of, peaks_at_levels, replay_floors, replay_hpa
from aiops.forecasting.catalog import window_forecaster
from aiops.scaling.policy import ScalingPolicy

TARGETS = tuple(round(0.2 + 0.05 * i, 2) for i in range(17))
DOWN_WINDOWS = (5, 15, 30, 60)
LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
FLOOR_TARGETS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
WINDOW = timedelta(minutes=4)
DEFAULT, TUNED = "HPA default", "HPA tuned"
FORECASTERS = ("last-week", "prophet-daily", "holt-winters")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One trace: for each scaler, a point a setting; in the same order for every trace."""

    name: str
    points: dict[str, list[Point]] = field(default_factory=dict)
    forecast_seconds: dict[str, float] = field(default_factory=dict)
    no_forecast_ratio: dict[str, float] = field(default_factory=dict)


def policy_of(case: Case, level: float) -> ScalingPolicy:
    """The predictor's policy: the forecast as it is, no pace and no hold, so that the forecasters are compared."""
    unlimited = {"maxStepRatio": None}
    return ScalingPolicy.model_validate(
        {
            "bounds": {"minReplicas": 1, "maxReplicas": 1_000_000},
            "load": {"capacityPerReplica": case.capacity_per_replica, "targetUtilization": 1.0},
            "forecast": {"level": level, "window": "4m"},
            "behavior": {"scaleUp": unlimited, "scaleDown": {**unlimited, "stabilizationWindow": "0s"}},
        }
    )


def measure(case: Case, forecasters: tuple[str, ...] = FORECASTERS) -> Measured:
    """Replay one trace under every scaler and setting."""
    found = Measured(name=case.name)
    found.points[DEFAULT] = [_point(replay_hpa(case, Hpa(target=target)), f"target {target}") for target in TARGETS]
    found.points[TUNED] = [
        _point(replay_hpa(case, Hpa(target=target, behavior=_slow_down(minutes))), f"target {target}, down {minutes}m")
        for minutes in DOWN_WINDOWS
        for target in TARGETS
    ]
    for name in forecasters:
        started = time.perf_counter()
        peaks = peaks_at_levels(case, WINDOW, window_forecaster(name), np.array(LEVELS))
        found.forecast_seconds[name] = time.perf_counter() - started
        found.no_forecast_ratio[name] = float(np.isnan(peaks[:, 0]).mean())
        found.points[name] = [
            point
            for i, level in enumerate(LEVELS)
            for point in _over_targets(case, policy_of(case, level), peaks[:, i])
        ]
    return found


def _over_targets(case: Case, policy: ScalingPolicy, peaks: np.ndarray) -> list[Point]:
    floors = floors_of(case, policy, peaks)  # no floor looks at the pods: it is the same for every HPA under it
    return [
        _point(
            replay_floors(case, floors, Hpa(target=target), "forecast"),
            f"level {policy.forecast.level}, target {target}",
        )
        for target in FLOOR_TARGETS
    ]


def _point(outcome: ScalingOutcome, setting: str) -> Point:
    return Point(outcome.cost_ratio, outcome.unmet_ratio, setting)


def _slow_down(minutes: int) -> Behavior:
    return Behavior(down=Rules(stabilization=timedelta(minutes=minutes), policies=DOWN.policies))
