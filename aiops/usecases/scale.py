"""One turn of scaling: read the world, ask for a forecast, let the loop decide, apply. Called every interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from aiops.errors import ConfigError, DataError, UpstreamError
from aiops.forecasting.forecaster import WindowForecaster
from aiops.ports import MetricSource, Workload
from aiops.scaling.decide import ScalingDecision
from aiops.scaling.loop import step
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.scaling.state import Observation, ScalingState
from aiops.series import Series
from aiops.series.grid import floor

_CHANGES_THE_WORLD: Final = frozenset({Mode.FLOOR, Mode.DIRECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandQuery:
    """Where the demand of a workload is read.

    Attributes:
        query: PromQL that returns one series, in the unit of ``capacityPerReplica``.
        step: Grid on which it is read.
        history: How much of it the forecaster is given.
    """

    query: str
    step: timedelta = timedelta(minutes=1)
    history: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """What one turn came to.

    Attributes:
        at: When.
        decision: What was decided, and why.
        state: For the next turn.
        trouble: Why the newest demand is not known; empty if it is.
    """

    at: datetime
    decision: ScalingDecision
    state: ScalingState
    trouble: str = ""


async def scale(
    source: MetricSource,
    workload: Workload,
    forecaster: WindowForecaster,
    policy: ScalingPolicy,
    asked: DemandQuery,
    state: ScalingState,
    now: datetime,
) -> Scaled:
    """Take one turn.

    Demand that cannot be read, is missing or is older than one step is no demand: the decision then never scales down.

    Raises:
        ConfigError: If the load query returns more than one series.
        UpstreamError: If the workload could not be read or set.
    """
    replicas = await workload.read()
    series, trouble = await _demand(source, asked, now)
    demand = None if series is None or math.isnan(series.values[-1]) else float(series.values[-1])
    peak = None if series is None else _peak(series, forecaster, policy, now)
    observation = Observation(current=replicas.current, ready=replicas.ready, demand=demand)
    decision, state = step(state, observation, peak, policy, now)
    if policy.mode in _CHANGES_THE_WORLD and decision.desired != decision.current:
        await workload.apply(decision.desired)
    return Scaled(at=now, decision=decision, state=state, trouble=trouble)


async def _demand(source: MetricSource, asked: DemandQuery, now: datetime) -> tuple[Series | None, str]:
    end = floor(now, asked.step)
    try:
        found = (await source.range(asked.query, end - asked.history, end, asked.step)).series
    except (DataError, UpstreamError) as error:
        return None, str(error)
    if len(found) > 1:
        raise ConfigError(
            f"the load query {asked.query!r} returns {len(found)} series, such as {found[0].key} and {found[1].key}: "
            "sum them up, or select one"
        )
    (series,) = found
    missing = math.isnan(series.values[-1])
    return series, f"{series.key} has no value for the step that ended at {end.isoformat()}" if missing else ""


def _peak(series: Series, forecaster: WindowForecaster, policy: ScalingPolicy, now: datetime) -> float:
    # The window starts now, its first step where the series ends: up to a step earlier.
    steps = -(-(now + policy.forecast.window - series.end) // series.step)
    last = np.array([len(series) - 1])
    return float(forecaster.window_maximum(series, last, steps, np.array([policy.forecast.level]))[0, 0])
