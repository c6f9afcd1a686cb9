"""Scalers side by side on many workloads: each over a grid of settings, so that they meet at equal cost.

One setting of one scaler says little: it can always buy less unmet demand with more replicas. A sweep runs each scaler
over a grid, and its Pareto curve says what it leaves unmet at any cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from aiops.backtest.hpa import DOWN, Behavior, Hpa
from aiops.backtest.outcome import Point, ScalingOutcome, pareto
from aiops.backtest.replay import Case, peaks_for, replay_floors, replay_hpa, replay_peaks
from aiops.forecasting.forecaster import WindowForecaster
from aiops.scaling.capacity import replicas_for
from aiops.scaling.policy import ScalingPolicy
from aiops.series import FloatArray

TARGETS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Target utilizations of the HPA, alone or above a floor."""

DOWN_WINDOWS = tuple(timedelta(minutes=count) for count in (5, 15, 30, 60))
"""Scale-down stabilization windows of the tuned HPA."""

DEFAULT_HPA = "default HPA"
TUNED_HPA = "tuned HPA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A scaler of ours: a policy as a floor under an HPA, on the forecasts of one model.

    Attributes:
        name: For tables.
        policy: What decides; ``load.capacity_per_replica`` is replaced by each workload's own.
        forecaster: What it reads.
    """

    name: str
    policy: ScalingPolicy
    forecaster: WindowForecaster


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """One scaler over its settings on one workload, or in the mean over several.

    Attributes:
        scaler: Name.
        settings: What was set, in words, one a column.
        unmet: Share of demand left unmet, shape ``[n_settings]``.
        cost: Replica-hours over those of the oracle, shape ``[n_settings]``.
    """

    scaler: str
    settings: tuple[str, ...]
    unmet: FloatArray
    cost: FloatArray

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
    )


def sweep_case(case: Case, contenders: Sequence[Contender]) -> list[Sweep]:
    """Run the default HPA, the tuned HPA and every contender on one workload, each over its grid.

    Raises:
        DataError: If no demand is known in the scored time.
    """
    default = [Hpa(target=target) for target in TARGETS]
    tuned = [
        Hpa(target=target, behavior=Behavior(down=replace(DOWN, stabilization=window)))
        for window in DOWN_WINDOWS
        for target in TARGETS
    ]
    sweeps = [
        _sweep(DEFAULT_HPA, default, [replay_hpa(case, hpa) for hpa in default]),
        _sweep(TUNED_HPA, tuned, [replay_hpa(case, hpa) for hpa in tuned]),
    ]
    for contender in contenders:
        first = replay_contender(case, contender, default[0])
        floors = first.track.floors
        sweeps.append(_sweep(contender.name, default, [replay_floors(case, floors, hpa, "") for hpa in default]))
    return sweeps


def replay_contender(case: Case, contender: Contender, hpa: Hpa) -> ScalingOutcome:
    """Replay one contender above one HPA, with its decisions."""
    load = contender.policy.load.model_copy(update={"capacity_per_replica": case.capacity_per_replica})
    policy = contender.policy.model_copy(update={"load": load})
    return replay_peaks(case, policy, peaks_for(case, policy, contender.forecaster), hpa, scaler=contender.name)
