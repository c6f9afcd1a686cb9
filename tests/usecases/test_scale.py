"""One scaling turn against ports: what is read, decided and applied, and what happens when something is missing."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters.local_forecasts import LocalForecasts
from aiops.adapters.memory import MemorySource
from aiops.errors import ConfigError, UpstreamUnavailableError
from aiops.ports import Obstacle, Peak, Replicas
from aiops.scaling.policy import Bounds, ForecastRules, Guard, Load, Mode, ScalingPolicy, Slo, Trust
from aiops.scaling.reason import Reason
from aiops.scaling.state import ScalingState, Trial
from aiops.series import Series, SeriesKey
from aiops.usecases import scale

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
N = 3 * 1440
NOW = START + N * MINUTE
AT_ONCE = Trust(proving=timedelta())


@dataclass
class Target:
    """A workload in memory."""

    replicas: int = 5
    applied: list[int] = field(default_factory=list)

    async def read(self):
        return Replicas(current=self.replicas, ready=self.replicas)

    async def apply(self, desired):
        self.applied.append(desired)
        self.replicas = desired


class Forgetful:
    """Knows what the window brings, and not what comes after."""

    async def peak(self, asked, now):
        if asked.window > timedelta(minutes=4):
            raise UpstreamUnavailableError("no answer from the service")
        return Peak(value=100.0, cutoff=now - MINUTE, model="told")

    async def exhaustion(self, asked, now):
        raise UpstreamUnavailableError("no answer from the service")


class DownSource:
    """A source that does not answer."""

    async def range(self, query, start, end, step):
        raise UpstreamUnavailableError("no answer from Prometheus")


def demand(name="load", level=1000.0, last=None):
    values = level + 50 * np.sin(np.arange(N) * 2 * np.pi / 1440)
    if last is not None:
        values[-3:] = last
    return Series(key=SeriesKey.of(name), start=START, step=MINUTE, values=values)


def turn(source, target, mode=Mode.FLOOR, query="load", state=None, now=NOW):
    policy = ScalingPolicy(
        mode=mode, bounds=Bounds(max_replicas=100), load=Load(capacity_per_replica=50), trust=AT_ONCE
    )
    asked = scale.DemandQuery(query=query, history=timedelta(days=3))
    forecasts = LocalForecasts(source)
    return asyncio.run(scale.scale(source, target, forecasts, policy, asked, state or ScalingState(), now))


def test_a_floor_is_raised_to_what_the_forecast_needs():
    target = Target()
    found = turn(MemorySource([demand()]), target)
    assert found.decision.wanted is not None
    assert 19 <= found.decision.wanted <= 23
    assert target.applied == [found.decision.desired]
    assert found.decision.desired > 5


def test_without_a_forecast_to_look_ahead_nothing_goes_and_why_is_said():
    target, policy = (
        Target(replicas=40),
        ScalingPolicy(bounds=Bounds(max_replicas=100), load=Load(capacity_per_replica=50)),
    )
    asked, state = scale.DemandQuery(query="load", history=timedelta(days=3)), ScalingState()
    for minute in range(8):  # longer than the stabilization window
        now = NOW + minute * MINUTE
        source = MemorySource([replace(demand(), start=START + minute * MINUTE)])
        found = asyncio.run(scale.scale(source, target, Forgetful(), policy, asked, state, now))
        state = found.state
    assert (found.no_forecast, found.no_later) == ("", "no answer from the service")
    assert (found.decision.desired, found.decision.reason) == (40, Reason.NEEDED_SOON)
    assert found.decision.message.endswith("what may be needed soon after is not known")


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.RECOMMEND])
def test_shadow_and_recommend_decide_and_change_nothing(mode):
    target = Target()
    found = turn(MemorySource([demand()]), target, mode)
    assert found.decision.desired > 5
    assert target.applied == []


def test_a_source_that_does_not_answer_changes_nothing_and_says_why():
    target = Target(replicas=40)
    found = turn(DownSource(), target)
    assert (found.decision.desired, found.decision.reason) == (40, Reason.FORECAST_MISSING)
    assert found.trouble == "no answer from Prometheus"
    assert target.applied == []


def test_missing_newest_demand_never_scales_down():
    target = Target(replicas=60)
    state = ScalingState()
    for minute in range(18):  # longer than the stabilization window
        found = turn(MemorySource([demand(last=np.nan)]), target, state=state, now=NOW + minute * MINUTE)
        state = found.state
    assert target.applied == []


def test_the_same_demand_in_full_does_scale_down_after_the_stabilization_window():
    target = Target(replicas=60)
    state = ScalingState()
    source = MemorySource([Series(key=SeriesKey.of("load"), start=START, step=MINUTE, values=np.full(N + 60, 1000.0))])
    for minute in range(18):
        found = turn(source, target, state=state, now=NOW + minute * MINUTE)
        state = found.state
    assert target.replicas < 60


class Recorder:
    """A window forecaster that only remembers how many steps it was asked for."""

    name = "recorder"

    def __init__(self):
        self.windows = set()

    def window_maximum(self, series, cutoffs, window, levels):
        self.windows.add(window)
        return np.full((len(cutoffs), len(levels)), 1000.0)


@pytest.mark.parametrize(("seconds", "steps"), [(0, 4), (1, 5), (59, 5), (60, 4)])
def test_the_window_counts_from_now_and_not_from_the_step_before(seconds, steps):
    forecaster = Recorder()
    policy = ScalingPolicy(bounds=Bounds(max_replicas=100), load=Load(capacity_per_replica=50))
    asked = scale.DemandQuery(query="load", history=timedelta(days=1))
    source, now = MemorySource([demand()]), NOW - MINUTE + timedelta(seconds=seconds)

    forecasts = LocalForecasts(source, lambda name: forecaster)
    asyncio.run(scale.scale(source, Target(), forecasts, policy, asked, ScalingState(), now))

    assert forecaster.windows == {steps, steps + 11}  # and what is looked ahead, eleven minutes longer


def test_two_series_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"returns 2 series, such as load_a and load_b: sum them up"):
        turn(MemorySource([demand("load_a"), demand("load_b")]), Target(), query="load_*")


def test_a_series_that_ended_long_ago_is_no_demand():
    target = Target(replicas=60)
    found = turn(MemorySource([demand()]), target, now=NOW + timedelta(hours=6))
    assert found.decision.desired == 60
    assert found.trouble.startswith(
        "query 'load' matches nothing from 2026-03-05T05:59:00+00:00 to 2026-03-05T06:00:00"
    )
    assert target.applied == []


@dataclass
class Told:
    """A forecast source that says what it is told to."""

    cutoff: datetime
    value: float = 1000.0

    async def peak(self, asked, now):
        return Peak(value=self.value, cutoff=self.cutoff, model="told")


def turn_with(forecasts, target, *, keep=None, source=None, **changes):
    rules = ForecastRules(stale_after=5 * MINUTE)
    policy = ScalingPolicy(
        mode=Mode.FLOOR,
        bounds=Bounds(max_replicas=100),
        load=Load(capacity_per_replica=50),
        forecast=rules,
        trust=AT_ONCE,
        **changes,
    )
    asked = scale.DemandQuery(query="load", history=timedelta(days=1))
    given = {} if keep is None else {"keep": keep}
    source = source or MemorySource([demand()])
    return asyncio.run(scale.scale(source, target, forecasts, policy, asked, ScalingState(), NOW, **given))


@pytest.mark.parametrize(("age_seconds", "used"), [(300, True), (301, False)])
def test_a_forecast_counts_until_stale_after_is_over(age_seconds, used):
    """What the last observation's step brought is known at its end; its age counts from there."""
    target = Target(replicas=5)
    found = turn_with(Told(cutoff=NOW - MINUTE - timedelta(seconds=age_seconds)), target)
    assert (found.peak is not None) is used
    assert bool(target.applied) is used
    if not used:
        assert found.no_forecast == "the forecast by told is 301 s old, and forecast.staleAfter is 300 s"


def test_the_outcome_is_kept_before_it_is_applied():
    target, kept = Target(replicas=5), []

    async def keep(scaled):
        kept.append((scaled.decision.desired, list(target.applied)))

    turn_with(Told(cutoff=NOW - MINUTE), target, keep=keep)
    assert kept == [(target.replicas, [])]


def test_nothing_is_applied_that_could_not_be_kept():
    target = Target(replicas=5)

    async def keep(scaled):
        raise UpstreamUnavailableError("no answer from the keeper")

    with pytest.raises(UpstreamUnavailableError, match="keeper"):
        turn_with(Told(cutoff=NOW - MINUTE), target, keep=keep)
    assert target.applied == []


class Blocked(Target):
    """A workload that somebody else holds."""

    async def read(self):
        return Replicas(current=5, obstacle=Obstacle(reason="Conflict", message="somebody else has it"))


def test_what_is_in_the_way_leaves_the_decision_and_no_deed():
    target = Blocked()
    found = turn_with(Told(cutoff=NOW - MINUTE), target)
    assert found.decision.desired > 5
    assert found.state.effective_mode is Mode.RECOMMEND
    assert target.applied == []


def test_slo_queries_are_read_and_those_without_an_answer_are_named():
    guard = Guard(
        slos=(
            Slo(name="errors", query="errors", threshold=0.01),
            Slo(name="latency", query="latency", threshold=1.0),
        )
    )
    source = MemorySource([demand(), demand("errors", level=0.5)])
    found = turn_with(Told(cutoff=NOW - MINUTE), Target(), source=source, guard=guard)
    assert found.readings["errors"] == pytest.approx(0.5, abs=51)
    assert found.readings["latency"] is None
    assert found.no_reading.startswith("latency: query 'latency' matches nothing")


@pytest.mark.parametrize(
    ("short", "long", "reading"), [(0.5, 0.1, 0.1), (0.001, 0.1, 0.001), (0.5, None, None), (None, 0.1, None)]
)
def test_an_slo_of_two_windows_is_as_bad_as_the_better_of_them(short, long, reading):
    """Both have to burn; one that has no answer leaves the SLO without one."""
    windows = {"errors_5m": short, "errors_1h": long}
    found = [
        Series(key=SeriesKey.of(name), start=START, step=MINUTE, values=np.full(N, level))
        for name, level in windows.items()
        if level is not None
    ]
    slo = Slo(name="errors", query="errors_$window", threshold=0.01, windows=(5 * MINUTE, 60 * MINUTE))
    turn = turn_with(
        Told(cutoff=NOW - MINUTE), Target(), source=MemorySource([demand(), *found]), guard=Guard(slos=(slo,))
    )
    assert turn.readings == {"errors": reading}
    assert bool(turn.no_reading) is (reading is None)


def test_a_model_that_nobody_has_is_no_forecast_and_harm_is_still_taken_back():
    """The image of the service may lack the model of the spec; the guard does not need it."""
    flat = np.full(N, 1000.0)
    source = MemorySource(
        [Series(key=SeriesKey.of(name), start=START, step=MINUTE, values=flat) for name in ("load", "errors")]
    )
    policy = ScalingPolicy(
        mode=Mode.FLOOR,
        bounds=Bounds(max_replicas=100),
        load=Load(capacity_per_replica=50),
        forecast=ForecastRules(model="tarot"),
        trust=AT_ONCE,
        guard=Guard(slos=(Slo(name="errors", query="errors", threshold=0.01),), failure_limit=2),
    )
    asked = scale.DemandQuery(query="load", history=timedelta(days=1))
    target, before = Target(replicas=22), NOW - MINUTE
    trial = Trial(before=40, after=22, started=before)
    state = ScalingState(decided_at=before, needs=((before, 22),), trial=trial, effective_mode=Mode.FLOOR)
    found = []
    for minute in range(2):
        turn = scale.scale(
            source, target, LocalForecasts(source), policy, asked, state, NOW + minute * timedelta(seconds=30)
        )
        found.append(asyncio.run(turn))
        state = found[-1].state
    assert found[0].no_forecast.startswith("no forecaster is called 'tarot': choose one of ")
    assert found[0].decision.reason is not Reason.ROLLED_BACK
    assert found[1].decision.reason is Reason.ROLLED_BACK
    assert target.applied[-1] == 40
