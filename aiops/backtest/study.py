"""Scalers side by side on many workloads: each over a grid of settings, so that they meet at equal cost.

One setting of one scaler says little: it can always buy less unmet demand with more replicas. A sweep runs each scaler
over a grid, and its Pareto curve says what it leaves unmet at any cost.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import numpy as np

from aiops.backtest.hpa import DOWN, Behavior, Hpa, Rules
from aiops.backtest.ledger import ledger
from aiops.backtest.outcome import Point, ScalingOutcome, pareto
from aiops.backtest.replay import Case, floors_of, peaks_of_all, replay_floors, replay_hpa
from aiops.forecasting.forecaster import WindowForecaster
from aiops.scaling.policy import ScalingPolicy
from aiops.series import FloatArray
from aiops.series.duration import format_duration

DEFAULT_HPA = "default HPA"
TUNED_HPA = "tuned HPA"
UNBOUNDED = 1_000_000
"""What a scaler without a maximum has as one."""


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
class Setting:
    """One setting of one scaler: an HPA, and the forecast level of the floor under it, if there is one.

    Attributes:
        text: What was set, in words.
        hpa: The HPA.
        level: Forecast level; None for the policy's own, and for a plain HPA.
    """

    text: str
    hpa: Hpa
    level: float | None = None


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


def _no_days() -> FloatArray:
    return np.zeros((0, 0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """One scaler over its settings on one workload, or in the mean over several.

    Attributes:
        scaler: Name.
        settings: What was set, in words, one a column.
        unmet: Share of demand left unmet, shape ``[n_settings]``.
        cost: Replica-hours over those of the oracle, shape ``[n_settings]``.
        unmet_by_day: Demand times hours left unmet on each UTC day, shape ``[n_settings, n_days]``; no days in a mean.
        hours_by_day: Replica-hours of each day, the same shape.
        forecast_seconds: Time that the forecaster took; 0 without one.
    """

    scaler: str
    settings: tuple[str, ...]
    unmet: FloatArray
    cost: FloatArray
    unmet_by_day: FloatArray = field(default_factory=_no_days)
    hours_by_day: FloatArray = field(default_factory=_no_days)
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
        unmet_by_day=_no_days(),
        hours_by_day=_no_days(),
        forecast_seconds=float(np.mean([sweep.forecast_seconds for sweep in sweeps])),
    )


def settings_of(contenders: Sequence[Contender], grid: Grid) -> dict[str, tuple[Setting, ...]]:
    """Return what each scaler is tried at, the two HPAs first; the bounds of the policies bind them, too."""
    bounds = [contender.policy.bounds for contender in contenders]
    within = partial(
        Hpa,
        min_replicas=min((each.min_replicas for each in bounds), default=1),
        max_replicas=max((each.max_replicas for each in bounds), default=UNBOUNDED),
    )
    default = tuple(Setting(text=f"target {target:g}", hpa=within(target=target)) for target in grid.targets)
    windows = (
        Setting(
            text=f"target {target:g}, scale-down window {format_duration(window)}",
            hpa=within(target=target, behavior=Behavior(down=Rules(stabilization=window, policies=DOWN.policies))),
        )
        for window in grid.down_windows
        for target in grid.targets
    )
    found = {DEFAULT_HPA: default, TUNED_HPA: (*default, *windows)}  # whoever tunes may also leave the behavior out
    for each in contenders:
        own = None if each.policy.prices is not None else each.policy.level  # prices choose one a workload
        found[each.name] = tuple(
            Setting(
                text=f"level {'of its prices' if level is None else f'{level:g}'}, target {target:g}",
                hpa=hpa_under(each.policy, target),
                level=level,
            )
            for level in grid.levels or (own,)
            for target in grid.floor_targets
        )
    return found


def sweep_case(case: Case, contenders: Sequence[Contender], grid: Grid) -> list[Sweep]:
    """Run the default HPA, the tuned HPA and every contender on one workload, each over the grid.

    Raises:
        DataError: If no demand is known in the scored time.
    """
    settings = settings_of(contenders, grid)
    plain = [
        _sweep(name, settings[name], (replay_hpa(case, each.hpa) for each in settings[name]))
        for name in (DEFAULT_HPA, TUNED_HPA)
    ]
    return [*plain, *(_sweep_contender(case, contender, settings[contender.name]) for contender in contenders)]


def peaks_of(case: Case, contender: Contender, settings: Sequence[Setting]) -> dict[float, FloatArray]:
    """Return what the policy reads at each level that the settings have; see ``replay.peaks_for``."""
    policies = {policy.level: policy for each in settings for policy in [contender.policy_of(case, each.level)]}
    peaks = peaks_of_all(case, list(policies.values()), contender.forecaster)
    return dict(zip(policies, peaks, strict=True))


def outcomes_of(
    case: Case, contender: Contender, settings: Sequence[Setting], peaks: Mapping[float, FloatArray]
) -> Iterator[ScalingOutcome]:
    """Replay a contender at several settings, one after the other, on forecasts by level; see ``peaks_of``."""
    policies = {each.level: contender.policy_of(case, each.level) for each in settings}
    floors = {level: floors_of(case, policy, peaks[policy.level]) for level, policy in policies.items()}
    for each in settings:
        yield replay_floors(case, floors[each.level], each.hpa, contender.name)


def _sweep_contender(case: Case, contender: Contender, settings: Sequence[Setting]) -> Sweep:
    started = time.perf_counter()
    peaks = peaks_of(case, contender, settings)
    seconds = time.perf_counter() - started
    swept = _sweep(contender.name, settings, outcomes_of(case, contender, settings, peaks))
    return replace(swept, forecast_seconds=seconds)


def hpa_under(policy: ScalingPolicy, target: float) -> Hpa:
    """Return the HPA that a policy's floor is put under: its bounds are the policy's."""
    bounds = policy.bounds
    return Hpa(target=target, min_replicas=bounds.min_replicas, max_replicas=bounds.max_replicas)


def _sweep(scaler: str, settings: Sequence[Setting], outcomes: Iterable[ScalingOutcome]) -> Sweep:
    unmet, cost, unmet_by_day, hours_by_day = [], [], [], []
    for outcome in outcomes:
        entries = ledger(outcome.record)
        unmet.append(outcome.unmet_ratio)
        cost.append(outcome.cost_ratio)
        unmet_by_day.append([entry.unmet for entry in entries])
        hours_by_day.append([entry.replica_hours for entry in entries])
    return Sweep(
        scaler=scaler,
        settings=tuple(each.text for each in settings),
        unmet=np.array(unmet),
        cost=np.array(cost),
        unmet_by_day=np.array(unmet_by_day),
        hours_by_day=np.array(hours_by_day),
    )
