"""Replays history through the very functions that the operator calls, against a simulated cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from aiops.backtest.cluster import Cluster, Workload, ZoneLoss
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.outcome import ScalingOutcome, Turn, judge
from aiops.errors import ConfigError, DataError
from aiops.forecasting.forecaster import WindowForecaster
from aiops.scaling.capacity import replicas_for
from aiops.scaling.loop import step
from aiops.scaling.policy import Horizon, Mode, ScalingPolicy
from aiops.scaling.state import Observation, ScalingState
from aiops.series import FloatArray, IntArray, Series
from aiops.series.grid import require_utc


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: cached_property needs a place
class Case:
    """One workload to replay.

    Attributes:
        name: The workload, for tables.
        history: Its demand, as far back as it is known: what is before ``start`` is there to learn from.
        capacity_per_replica: Demand that one ready replica serves.
        start: Begin of the scored time, on the grid of ``history``.
        end: End of the scored time.
        startup_delay: From creation of a pod to ready.
        decide_every: Time between two decisions; at least one step of ``history``.
        lead: Simulated before ``start`` and not scored, so that the state at ``start`` owes nothing to chance.
        zone_loss: Pods that are lost on the way; None: none are.
        room: Most replicas that quota and nodes let exist; None if nobody says. For the early warning: a replay is not
            bounded by it.

    Raises:
        DataError: If ``history`` does not reach over the scored time with at least one step before it.
    """

    name: str
    history: Series
    capacity_per_replica: float
    start: datetime
    end: datetime
    startup_delay: timedelta = timedelta(seconds=120)
    decide_every: timedelta = timedelta(minutes=1)
    lead: timedelta = timedelta(hours=2)
    zone_loss: ZoneLoss | None = None
    room: float | None = None

    def __post_init__(self) -> None:
        require_utc(self.start, "start")
        require_utc(self.end, "end")
        history = self.history
        if (self.start - history.start) % history.step or (self.end - history.start) % history.step:
            raise DataError(f"{self.name}: {self.start} and {self.end} must be on the grid of the demand")
        if not history.start < self.start < self.end <= history.end:
            raise DataError(
                f"{self.name}: the scored time {self.start} to {self.end} must lie within the demand, "
                f"{history.start} to {history.end}, and leave at least one step before it"
            )

    @cached_property
    def workload(self) -> Workload:
        """What is simulated: the demand from ``lead`` before ``start`` (or from the second step on) to ``end``."""
        begin = self.history.start + self._first * self.history.step
        return Workload(
            demand=self.history.between(begin, self.end),
            capacity_per_replica=self.capacity_per_replica,
            startup_delay=self.startup_delay,
            zone_loss=self.zone_loss,
        )

    @property
    def scored(self) -> int:
        """First scored step of 15 s of ``workload``."""
        return (self.start - self.workload.demand.start) // SYNC

    @cached_property
    def cutoffs(self) -> IntArray:
        """Index into ``history`` of the last value that each decision may use, shape ``[m]``.

        A decision at the stamp of index i may use what ended by then: up to index i - 1.
        """
        last = (self.end - self.history.start) // self.history.step
        return np.arange(self._first, last, self._stride) - 1

    @property
    def first_replicas(self) -> int:
        """Ready replicas at the first step: what the value before it needs."""
        before = float(self.history.values[self._first - 1])
        return 1 if math.isnan(before) else max(replicas_for(before, self.capacity_per_replica), 1)

    @property
    def covers(self) -> timedelta:
        """What one decision has to cover: pods that it starts are ready only when the next decision's could be."""
        return self.startup_delay + self.syncs_between_decisions * SYNC + SYNC

    @property
    def syncs_between_decisions(self) -> int:
        """Steps of 15 s from one decision to the next."""
        return self._stride * (self.history.step // SYNC)

    @property
    def _stride(self) -> int:
        return max(-(-self.decide_every // self.history.step), 1)

    @property
    def _first(self) -> int:
        return max((self.start - self.lead - self.history.start) // self.history.step, 1)


def replay_hpa(case: Case, hpa: Hpa, scaler: str = "HPA") -> ScalingOutcome:
    """Replay a plain HPA.

    Raises:
        DataError: If no demand is known in the scored time.
    """
    return replay_floors(case, np.full(len(case.workload.fine), hpa.min_replicas), hpa, scaler)


def replay_floors(case: Case, floors: IntArray, hpa: Hpa, scaler: str) -> ScalingOutcome:
    """Replay an HPA whose ``minReplicas`` is given for every step of 15 s of ``case.workload``, shape ``[n]``.

    In mode Floor no decision looks at the pods, so the floors of one replay are right for every other HPA under it.
    """
    cluster = Cluster(case.workload, hpa, replicas=case.first_replicas)
    cluster.follow(floors)
    return judge(case.name, scaler, case.workload, cluster.track, case.scored)


def peaks_for(case: Case, policy: ScalingPolicy, forecaster: WindowForecaster) -> FloatArray:
    """Return what each decision of a replay reads, one column for each of ``policy.horizons``; NaN for no forecast."""
    return peaks_of_all(case, [policy], forecaster)[0]


def peaks_of_all(case: Case, policies: Sequence[ScalingPolicy], forecaster: WindowForecaster) -> list[FloatArray]:
    """Return what each policy reads, as ``peaks_for``, in one walk over the history for each length of window."""
    asked = {horizon for policy in policies for horizon in policy.horizons}
    found: dict[Horizon, FloatArray] = {}
    for length in {horizon.length for horizon in asked}:
        levels = sorted(horizon.level for horizon in asked if horizon.length == length)
        peaks = peaks_at_levels(case, length, forecaster, np.array(levels))
        found |= {Horizon(length, level): peaks[:, column] for column, level in enumerate(levels)}
    return [np.column_stack([found[horizon] for horizon in policy.horizons]) for policy in policies]


def peaks_at_levels(case: Case, window: timedelta, forecaster: WindowForecaster, levels: FloatArray) -> FloatArray:
    """Return the forecasts of several levels in one walk over the history, shape ``[m, q]``."""
    steps = max(-(-window // case.history.step), 1)
    return forecaster.window_maximum(case.history, case.cutoffs, steps, levels)


def replay(
    case: Case,
    policy: ScalingPolicy,
    forecaster: WindowForecaster,
    hpa: Hpa | None,
    *,
    mode: Mode = Mode.FLOOR,
    scaler: str = "",
) -> ScalingOutcome:
    """Replay a policy on the forecasts of a model.

    Args:
        case: The workload.
        policy: What decides. Its own mode does not matter here: a replay changes nothing but itself. Nor does its
            guard: there is no SLO to read.
        forecaster: What it reads.
        hpa: What stays in charge above the floor; None in mode Direct.
        mode: FLOOR or DIRECT.
        scaler: Name for tables; the forecaster's if empty.

    Raises:
        ConfigError: If mode and HPA do not go together.
        DataError: If no demand is known in the scored time.
    """
    peaks = peaks_for(case, policy, forecaster)
    return replay_peaks(case, policy, peaks, hpa, mode=mode, scaler=scaler or forecaster.name)


def replay_peaks(
    case: Case,
    policy: ScalingPolicy,
    peaks: FloatArray,
    hpa: Hpa | None,
    *,
    mode: Mode = Mode.FLOOR,
    scaler: str = "forecast",
) -> ScalingOutcome:
    """Replay a policy on forecasts that are given; see ``peaks_for``. One column, or ``[m]``, looks no further.

    Raises:
        ConfigError: If mode and HPA do not go together.
        DataError: If no demand is known in the scored time.
    """
    if (mode, hpa is None) not in ((Mode.FLOOR, False), (Mode.DIRECT, True)):
        raise ConfigError(f"a replay in mode {mode} {'needs' if mode is Mode.FLOOR else 'goes without'} an HPA")
    cluster = Cluster(case.workload, hpa, replicas=case.first_replicas)
    turns = _decide_all(case, policy, peaks, cluster.replicas if hpa is None else hpa.min_replicas, cluster, mode)
    return judge(case.name, scaler, case.workload, cluster.track, case.scored, turns)


def floors_of(case: Case, policy: ScalingPolicy, peaks: FloatArray, min_replicas: int = 1) -> IntArray:
    """Return the floors that a replay in mode Floor sets, for ``replay_floors``: one a step of 15 s, shape ``[n]``.

    Args:
        case: The workload.
        policy: What decides.
        peaks: What each decision reads; see ``replay_peaks``.
        min_replicas: The HPA's own, before the first decision.
    """
    turns = decide_floors(case, policy, peaks, min_replicas)
    floors = np.repeat([turn.decision.desired for turn in turns], case.syncs_between_decisions)
    return np.asarray(floors[: len(case.workload.fine)])


def decide_floors(case: Case, policy: ScalingPolicy, peaks: FloatArray, min_replicas: int = 1) -> list[Turn]:
    """Return every decision of a replay in mode Floor, from ``lead`` before the scored time on; see ``floors_of``."""
    return _decide_all(case, policy, peaks, min_replicas, None, Mode.FLOOR)


def _decide_all(
    case: Case, policy: ScalingPolicy, peaks: FloatArray, current: int, cluster: Cluster | None, mode: Mode
) -> list[Turn]:
    if len(peaks) != len(case.cutoffs):
        raise DataError(f"expected one forecast a decision, {len(case.cutoffs)}, got {len(peaks)}")
    # A replay has no SLO to read, and a guard without answers would never let go of anything. It starts trusted.
    trust = policy.trust.model_copy(update={"proving": timedelta()})
    policy = policy.model_copy(update={"mode": mode, "guard": None, "suspend": False, "trust": trust})
    state, now = ScalingState(), case.workload.demand.start
    syncs, interval = case.syncs_between_decisions, case.syncs_between_decisions * SYNC
    turns = []
    demands, read = case.history.values[case.cutoffs].tolist(), peaks.reshape(len(peaks), -1).tolist()
    for demand, (peak, *further) in zip(demands, read, strict=True):
        ready = None if cluster is None else cluster.ready
        seen = Observation(current=current, ready=ready, demand=demand)
        decision, state = step(state, seen, peak, policy, now, later=further[0] if further else None)
        turns.append(Turn(now, decision))
        current = decision.desired
        if cluster is not None:
            cluster.advance(syncs, current)
        now += interval
    return turns
