"""Scalers side by side on many workloads: each over a grid of settings, so that they meet at equal cost.

One setting of one scaler says little: it can always buy less unmet demand with more replicas. A sweep runs each scaler
over a grid, and its Pareto curve says what it leaves unmet at any cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import numpy as np

from aiops.backtest.hpa import DOWN, Behavior, Hpa, Rules
from aiops.backtest.outcome import Point, ScalingOutcome, pareto
from aiops.backtest.replay import Case, floors_of, peaks_at_levels, replay_floors, replay_hpa
from aiops.forecasting.forecaster import WindowForecaster
from aiops.scaling.policy import ScalingPolicy
from aiops.series import FloatArray, IntArray
from aiops.series.duration import format_duration

DEFAULT_HPA = "default HPA"
TUNED_HPA = "tuned HPA"
_UNBOUNDED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The settings that are tried, the same for every workload.

    Attributes:
        targets: Target utilizations of the HPA alone.
        down_windows: Scale-down stabilization windows of the tuned HPA, beside no ``behavior`` at all.
        floor_targets: Target utilizations of the HPA above a floor.
        levels: Forecast levels of a floor; empty for the policy's own.
    """

    targets: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    down_windows: tuple[timedelta, ...] = tuple(timedelta(minutes=count) for count in (5, 15, 30, 60))
    floor_targets: tuple[float, ...] = (0.5, 0.7, 0.9, 1.0)
    levels: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A scaler of ours: a policy as a floor under an HPA, on the forecasts of one model.

    Attributes:
        name: For tables.
        policy: What decides; its capacity is replaced by each workload's own.
        forecaster: What it reads.
        own_window: Whether the policy's window is its owner's. If not, it is made as long as a decision of each
            workload has to cover: long steps and slow starts ask for more.
    """

    name: str
    policy: ScalingPolicy
    forecaster: WindowForecaster
    own_window: bool = False

    def policy_of(self, case: Case, level: float | None = None) -> ScalingPolicy:
        """Return the policy for one workload, at another level if one is given."""
        load = self.policy.load.model_copy(update={"capacity_per_replica": case.capacity_per_replica})
        forecast, prices = self.policy.forecast, self.policy.prices
        if level is not None:
            forecast, prices = forecast.model_copy(update={"level": level}), None
        if not self.own_window:
            forecast = forecast.model_copy(update={"window": max(forecast.window, case.covers)})
        return self.policy.model_copy(update={"load": load, "forecast": forecast, "prices": prices})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """One scaler over its settings on one workload, or in the mean over several.

    Attributes:
        scaler: Name.
        settings: What was set, in words, one a column.
        unmet: Share of demand left unmet, shape ``[n_settings]``.
        cost: Replica-hours over those of the oracle, shape ``[n_settings]``.
        forecast_seconds: Time that the forecaster took; 0 without one.
    """

    scaler: str
    settings: tuple[str, ...]
    unmet: FloatArray
    cost: FloatArray
    forecast_seconds: float = 0.0

    def curve(self) -> list[Point]:
        """Return the settings that no other beats on both axes, cheapest first."""
        points = zip(self.cost.tolist(), self.unmet.tolist(), self.settings, strict=True)
        return pareto(Point(*point) for point in points)


def mean(sweeps: Sequence[Sweep]) -> Sweep:
    """Return the mean over workloads of the sweeps of one scaler, setting by setting."""
    return replace(
        sweeps[0],
        unmet=np.mean([sweep.unmet for sweep in sweeps], axis=0),
        cost=np.mean([sweep.cost for sweep in sweeps], axis=0),
        forecast_seconds=float(np.mean([sweep.forecast_seconds for sweep in sweeps])),
    )


def sweep_case(case: Case, contenders: Sequence[Contender], grid: Grid) -> list[Sweep]:
    """Run the default HPA, the tuned HPA and every contender on one workload, each over the grid.

    Raises:
        DataError: If no demand is known in the scored time.
    """
    bounds = [contender.policy.bounds for contender in contenders]
    within = partial(
        Hpa,
        min_replicas=min((each.min_replicas for each in bounds), default=1),
        max_replicas=max((each.max_replicas for each in bounds), default=_UNBOUNDED),
    )
    default = {f"target {target:g}": within(target=target) for target in grid.targets}
    windows = {
        f"target {target:g}, scale-down window {format_duration(window)}": within(
            target=target, behavior=Behavior(down=Rules(stabilization=window, policies=DOWN.policies))
        )
        for window in grid.down_windows
        for target in grid.targets
    }
    tuned = {**default, **windows}  # whoever tunes may also leave the behavior out
    plain = [
        _sweep(name, hpas, partial(replay_hpa, case)) for name, hpas in ((DEFAULT_HPA, default), (TUNED_HPA, tuned))
    ]
    return [*plain, *(_sweep_contender(case, contender, grid) for contender in contenders)]


def _sweep_contender(case: Case, contender: Contender, grid: Grid) -> Sweep:
    levels = np.array(grid.levels or (contender.policy_of(case).level,))
    started = time.perf_counter()
    window = contender.policy_of(case).forecast.window
    peaks = peaks_at_levels(case, window, contender.forecaster, levels)
    seconds = time.perf_counter() - started
    parts = []
    for index, level in enumerate(levels.tolist()):
        floors = floors_of(case, contender.policy_of(case, level), peaks[:, index])
        hpas = {
            f"level {level:g}, target {target:g}": hpa_under(contender.policy, target) for target in grid.floor_targets
        }
        parts.append(_sweep(contender.name, hpas, partial(_under, case, floors)))
    return Sweep(
        scaler=contender.name,
        settings=tuple(setting for part in parts for setting in part.settings),
        unmet=np.concatenate([part.unmet for part in parts]),
        cost=np.concatenate([part.cost for part in parts]),
        forecast_seconds=seconds,
    )


def hpa_under(policy: ScalingPolicy, target: float) -> Hpa:
    """Return the HPA that a policy's floor is put under: its bounds are the policy's."""
    bounds = policy.bounds
    return Hpa(target=target, min_replicas=bounds.min_replicas, max_replicas=bounds.max_replicas)


def _under(case: Case, floors: IntArray, hpa: Hpa) -> ScalingOutcome:
    return replay_floors(case, floors, hpa, "")


def _sweep(scaler: str, hpas: Mapping[str, Hpa], run: Callable[[Hpa], ScalingOutcome]) -> Sweep:
    outcomes = [run(hpa) for hpa in hpas.values()]
    return Sweep(
        scaler=scaler,
        settings=tuple(hpas),
        unmet=np.array([outcome.unmet_ratio for outcome in outcomes]),
        cost=np.array([outcome.cost_ratio for outcome in outcomes]),
    )
