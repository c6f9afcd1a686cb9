"""One turn of scaling: read the world, ask for a forecast, let the loop decide, apply. Called every interval."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiops.errors import ConfigError, DataError, ModelError, UpstreamError
from aiops.ports import ForecastSource, MetricSource, Obstacle, Peak, PeakQuery, Replicas, Workload
from aiops.scaling.decide import ScalingDecision
from aiops.scaling.loop import acts, step
from aiops.scaling.policy import Horizon, Mode, ScalingPolicy, Slo
from aiops.scaling.state import Observation, ScalingState
from aiops.series import Series
from aiops.series.grid import floor


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandQuery:
    """Where the demand of a workload is read.

    Attributes:
        query: PromQL that returns one series, in the unit of ``capacityPerReplica``.
        step: Grid on which it is read.
        history: How much of it a forecast is made from.
    """

    query: str
    step: timedelta = timedelta(minutes=1)
    history: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """What one turn came to.

    Attributes:
        at: When.
        replicas: What was there.
        demand: The newest; None if it is not known.
        peak: The forecast that was used; None if there was none.
        readings: Answer to each SLO query by its name; None if there was none.
        decision: What was decided, and why.
        state: For the next turn.
        trouble: Why the newest demand is not known; empty if it is.
        no_forecast: Why there is no forecast; empty if there is.
        no_later: Why there is none for as far as ``scaleDown.lookAhead``; empty if there is, or none was asked for.
        no_reading: Why an SLO is not known; empty if all are.
        changes: Whether the world has to change for it.
    """

    at: datetime
    replicas: Replicas
    demand: float | None
    peak: Peak | None
    readings: dict[str, float | None]
    decision: ScalingDecision
    state: ScalingState
    trouble: str = ""
    no_forecast: str = ""
    no_later: str = ""
    no_reading: str = ""
    changes: bool = False

    @property
    def obstacle(self) -> Obstacle | None:
        """Why the world is left as it is, though the decision may differ from it."""
        return self.replicas.obstacle


async def _keep_nothing(scaled: Scaled) -> None:
    """Keep no record: for callers whose state cannot be lost between a decision and its effect."""


async def scale(
    source: MetricSource,
    workload: Workload,
    forecasts: ForecastSource,
    policy: ScalingPolicy,
    asked: DemandQuery,
    state: ScalingState,
    now: datetime,
    *,
    keep: Callable[[Scaled], Awaitable[None]] = _keep_nothing,
) -> Scaled:
    """Take one turn.

    Demand that cannot be read, is missing or is older than one step is no demand, and a forecast that cannot be had,
    whatever the reason, or is older than ``forecast.staleAfter`` is no forecast: the decision then never scales down.

    Args:
        keep: Given the outcome before anything is changed; only when it returns is the decision applied. Whoever is
            killed in between finds there what was under way.

    Raises:
        ConfigError: If the load query or an SLO query returns more than one series.
        UpstreamError: If the workload could not be read or set.
    """
    replicas = await workload.read()
    slos = () if policy.guard is None else policy.guard.slos
    (demand, trouble), ((peak, no_forecast), *further), answers = await asyncio.gather(
        _newest(source, "load", asked.query, asked.step, now),
        asyncio.gather(*(_peak(forecasts, policy, horizon, asked, now) for horizon in policy.horizons)),
        asyncio.gather(*(_reading(source, slo, asked.step, now) for slo in slos)),
    )
    readings, no_reading = _by_name(slos, answers)
    observation = Observation(
        current=replicas.current,
        ready=replicas.ready,
        demand=demand,
        replicas=replicas.asked,
        ceiling=replicas.ceiling,
        readings=readings,
    )
    if replicas.obstacle is not None and policy.mode.applies:
        policy = policy.model_copy(update={"mode": Mode.RECOMMEND})
    state = replace(state, baseline=replicas.baseline)
    later = next((math.nan if found is None else found.value for found, _ in further), None)
    no_later = next((why for _, why in further), "")
    decision, state = step(state, observation, None if peak is None else peak.value, policy, now, later=later)
    scaled = Scaled(
        at=now,
        replicas=replicas,
        demand=demand,
        peak=peak,
        readings=readings,
        decision=decision,
        state=state,
        trouble=trouble,
        no_forecast=no_forecast,
        no_later=no_later,
        no_reading=no_reading,
        changes=acts(policy.mode, state.skill) and decision.desired != decision.current,
    )
    await keep(scaled)
    if scaled.changes:
        await workload.apply(decision.desired)
    return scaled


async def _newest(
    source: MetricSource, what: str, query: str, grid: timedelta, now: datetime
) -> tuple[float | None, str]:
    """Return the value of the step that ended last, or None and why there is none."""
    end = floor(now, grid)
    try:
        found = (await source.range(query, end - grid, end, grid)).series
    except (DataError, UpstreamError) as error:
        return None, str(error)
    series = _only(found, what, query)
    value = float(series.values[-1])
    if math.isnan(value):
        return None, f"{series.key} has no value for the step that ended at {end.isoformat()}"
    return value, ""


async def _reading(source: MetricSource, slo: Slo, grid: timedelta, now: datetime) -> tuple[float | None, str]:
    """Return the lowest of an SLO's windows, which is bad only if all are, or None and why one has no answer."""
    answers = await asyncio.gather(*(_newest(source, f"SLO {slo.name}", query, grid, now) for query in slo.queries))
    values = [value for value, _ in answers if value is not None]
    if len(values) < len(answers):
        return None, next(why for value, why in answers if value is None)
    return min(values), ""


def _only(found: tuple[Series, ...], what: str, query: str) -> Series:
    if len(found) > 1:
        raise ConfigError(
            f"the {what} query {query!r} returns {len(found)} series, such as {found[0].key} and {found[1].key}: "
            "sum them up, or select one"
        )
    (series,) = found
    return series


async def _peak(
    forecasts: ForecastSource, policy: ScalingPolicy, horizon: Horizon, asked: DemandQuery, now: datetime
) -> tuple[Peak | None, str]:
    rules = policy.forecast
    question = PeakQuery(
        query=asked.query,
        step=asked.step,
        history=asked.history,
        window=horizon.length,
        model=rules.model,
        level=horizon.level,
    )
    try:
        peak = await forecasts.peak(question, now)
    except (ConfigError, DataError, ModelError, UpstreamError) as error:
        # A service that does not know the model is no reason to leave a change that does harm in place.
        return None, str(error)
    # What is known of the last observation's step is known at its end.
    age = now - (peak.cutoff + asked.step)
    if age > rules.stale_after:
        return None, (
            f"the forecast by {peak.model} is {age.total_seconds():.0f} s old, and forecast.staleAfter is "
            f"{rules.stale_after.total_seconds():.0f} s"
        )
    return peak, ""


def _by_name(slos: tuple[Slo, ...], answers: list[tuple[float | None, str]]) -> tuple[dict[str, float | None], str]:
    readings = {slo.name: value for slo, (value, _) in zip(slos, answers, strict=True)}
    missing = [f"{slo.name}: {why}" for slo, (_, why) in zip(slos, answers, strict=True) if why]
    return readings, "; ".join(missing)
