"""Replays: pods, start-up, scoring, prefix equality, and what a replay costs."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.adapters.folder import FolderSource
from aiops.backtest.cluster import Cluster, Workload
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.outcome import SCHEMA, Point, cost_at, pareto, unmet_at
from aiops.backtest.replay import Case, floors_of, peaks_for, replay, replay_floors, replay_hpa, replay_peaks
from aiops.errors import ConfigError, DataError
from aiops.forecasting.catalog import window_forecaster
from aiops.scaling.loop import step
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, ScalingState
from aiops.series import FloatArray, Series, SeriesKey

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = SeriesKey.of("demand")


def series(values: FloatArray | list[float], step: timedelta = MINUTE) -> Series:
    return Series(key=KEY, start=START, step=step, values=np.asarray(values, dtype=np.float64))


def case_of(values: FloatArray | list[float], *, scored_from: int = 1, **changes) -> Case:
    history = series(values)
    given = {
        "name": "shop", "history": history, "capacity_per_replica": 10.0,
        "start": history.start + scored_from * MINUTE, "end": history.end,
    }  # fmt: skip
    return Case(**{**given, **changes})


def policy(**behavior) -> ScalingPolicy:
    return ScalingPolicy.model_validate(
        {
            "bounds": {"minReplicas": 1, "maxReplicas": 500},
            "load": {"capacityPerReplica": 10},
            "forecast": {"model": "holt-winters", "level": 0.9, "window": "4m"},
            "behavior": {"scaleDown": {"stabilizationWindow": "5m"}, **behavior},
        }
    )


def bumpy(n: int, seed: int = 0) -> FloatArray:
    """A daily wave with noise and a few launches, in demand of up to some 40 replicas."""
    random = np.random.default_rng(seed)
    wave = 150 + 100 * np.sin(np.arange(n) * 2 * np.pi / 1440)
    launches = np.repeat(random.random(n // 30 + 1) < 0.05, 30)[:n] * 120
    return np.asarray(np.maximum(wave + launches + random.normal(0, 12, n), 0))


def direct(plan: list[int], delay: int, replicas: int) -> Cluster:
    workload = Workload(demand=series([0.0] * len(plan), SYNC), capacity_per_replica=10.0, startup_delay=delay * SYNC)
    cluster = Cluster(workload, None, replicas=replicas)
    cluster.follow(np.array(plan))
    return cluster


def test_a_pod_is_paid_for_at_once_and_serves_after_the_delay() -> None:
    cluster = direct([5, 5, 5, 5], delay=2, replicas=3)

    assert cluster.track.replicas.tolist() == [5, 5, 5, 5]
    assert cluster.track.ready.tolist() == [3, 3, 5, 5]


def test_a_scale_down_takes_starting_pods_first_and_the_newest_of_them_first() -> None:
    cluster = direct([4, 6, 5, 3, 3], delay=3, replicas=3)

    # Created: 1 at step 0, 2 at step 1. Removed: the newest at step 2; then the other of step 1 and that of step 0.
    assert cluster.track.ready.tolist() == [3, 3, 3, 3, 3]
    assert direct([4, 6, 5, 5, 5], delay=3, replicas=3).track.ready.tolist() == [3, 3, 3, 4, 5]
    assert direct([2, 4], delay=3, replicas=3).track.ready.tolist() == [2, 2]


def test_the_hpa_sees_the_mean_of_a_minute_that_ended_fifteen_seconds_ago() -> None:
    workload = Workload(demand=series([60.0, 120.0, np.nan]), capacity_per_replica=10.0)

    # Steps of 15 s: nothing is known before step 2; step 5 sees 4 quarters of the first minute.
    assert workload.metric[:2].tolist() == pytest.approx([np.nan, np.nan], nan_ok=True)
    assert workload.metric[2:].tolist() == pytest.approx([60, 60, 60, 60, 75, 90, 105, 120, 120, 120])


def test_pods_that_start_count_as_replicas_for_the_hpa() -> None:
    case = case_of([40.0] * 5 + [80.0] * 20)

    outcome = replay_hpa(case, Hpa(target=1.0))

    assert outcome.track.replicas.max() == 8  # not more while 4 of them are starting
    assert outcome.track.ready.tolist().count(4) == outcome.track.replicas.tolist().count(4) + 120 // 15


def test_what_a_replay_counts() -> None:
    # One replica serves 10. The first minute is history; then 2 minutes of 10, 2 of 30 and one unknown.
    case = case_of([10, 10, 10, 30, 30, np.nan], startup_delay=timedelta(seconds=30))
    floors = np.array([1] * 8 + [3] * 12)

    outcome = replay_floors(case, floors, Hpa(target=2.0), "by hand")

    assert outcome.demand_total == pytest.approx((2 * 10 + 2 * 30) / 60)
    assert outcome.unmet_total == pytest.approx(20 * 0.5 / 60)  # two pods start for 30 s
    assert outcome.unmet_ratio == pytest.approx(10 / 80)
    assert outcome.short_minutes == pytest.approx(0.5)
    assert outcome.replica_hours == pytest.approx((2 * 1 + 2 * 3) / 60)  # the unknown minute costs nobody
    assert outcome.oracle_hours == pytest.approx((1.5 * 1 + 0.5 * 3 + 2 * 3) / 60)
    assert outcome.scale_events == 1


def test_a_change_in_the_first_scored_step_is_a_scale_event() -> None:
    case = case_of([10.0] * 4, scored_from=2)  # the second minute is simulated and not scored

    outcome = replay_floors(case, np.array([1] * 4 + [3] * 8), Hpa(target=2.0), "by hand")

    assert outcome.track.replicas[0] == 3
    assert outcome.scale_events == 1


def test_a_plain_hpa_leaves_more_unmet_at_a_higher_target_and_costs_less() -> None:
    case = case_of(bumpy(2 * 1440), scored_from=1440)

    outcomes = [replay_hpa(case, Hpa(target=target)) for target in (0.5, 0.7, 0.9)]

    assert [o.unmet_ratio for o in outcomes] == sorted(o.unmet_ratio for o in outcomes)
    assert [o.cost_ratio for o in outcomes] == sorted((o.cost_ratio for o in outcomes), reverse=True)


def test_perfect_forecasts_leave_nothing_unmet() -> None:
    values = bumpy(2 * 1440)
    case = case_of(values, scored_from=1440)
    ahead = np.array([values[cutoff + 1 : cutoff + 5].max() for cutoff in case.cutoffs])

    trusting = policy(scaleUp={"maxStepRatio": 1000}).to_spec()
    trusting["forecast"]["historyCap"] = 1000
    outcome = replay_peaks(case, ScalingPolicy.model_validate(trusting), ahead, None, mode=Mode.DIRECT)

    assert outcome.unmet_total == 0
    assert 1.0 <= outcome.cost_ratio < 1.2


def test_a_guard_and_suspend_belong_to_the_operator_and_leave_a_replay_alone() -> None:
    case = case_of(bumpy(1500), scored_from=1440)
    slo = {"name": "errors", "query": "error_ratio", "threshold": 0.01}
    whole = ScalingPolicy.model_validate(
        {**policy().to_spec(), "mode": "Floor", "guard": {"slos": [slo]}, "suspend": True}
    )
    peaks = peaks_for(case, whole, window_forecaster("holt-winters"))

    watched, plain = (replay_peaks(case, each, peaks, Hpa(target=0.9)) for each in (whole, policy()))

    assert watched.turns
    assert [turn.decision for turn in watched.turns] == [turn.decision for turn in plain.turns]


def test_a_replay_takes_the_very_decisions_of_the_loop_and_a_log_replayed_gives_them_again() -> None:
    case = case_of(bumpy(1500), scored_from=1440)
    peaks = peaks_for(case, policy(), window_forecaster("holt-winters"))
    outcome = replay_peaks(case, policy(), peaks, Hpa(target=0.9))
    first = len(case.cutoffs) - len(outcome.turns)

    state, current, again = ScalingState(), 1, []
    for i, cutoff in enumerate(case.cutoffs):
        seen = Observation(current=current, demand=float(case.history.values[cutoff]))
        at = case.workload.demand.start + i * MINUTE
        peak, later = peaks[i].tolist()
        decision, state = step(state, seen, peak, policy(), at, later=later)
        state = ScalingState.from_json(json.loads(json.dumps(state.to_json())))  # a restart at every turn
        current = decision.desired
        again.append(decision)

    assert again[first:] == [turn.decision for turn in outcome.turns]


def test_floors_can_be_planned_once_and_followed_under_any_hpa() -> None:
    case = case_of(bumpy(3000), scored_from=1440)
    peaks = peaks_for(case, policy(), window_forecaster("last-week"))

    for hpa in (Hpa(target=0.6), Hpa(target=0.9)):
        whole = replay(case, policy(), window_forecaster("last-week"), hpa)
        planned = replay_floors(case, floors_of(case, policy(), peaks), hpa, "planned")
        assert whole.track.replicas.tolist() == planned.track.replicas.tolist()


def test_without_a_forecast_the_hpa_works_on() -> None:
    case = case_of(bumpy(1600), scored_from=1440)
    nothing = np.full(case.cutoffs.shape, np.nan)

    outcome = replay_peaks(case, policy(), nothing, Hpa(target=0.7))

    assert all(Reason.FORECAST_MISSING in (turn.decision.reason, *turn.decision.limits) for turn in outcome.turns)
    plain = replay_hpa(case, Hpa(target=0.7))
    assert outcome.track.replicas.tolist() == plain.track.replicas.tolist()


def test_replicas_never_fall_while_demand_is_unknown() -> None:
    values = bumpy(1600)
    values[1500:1530] = np.nan
    case = case_of(values, scored_from=1440)
    outcome = replay(case, policy(), window_forecaster("holt-winters"), None, mode=Mode.DIRECT)

    gap = slice((1501 - 1440) * 4, (1531 - 1440) * 4)

    assert (np.diff(outcome.track.replicas[gap]) >= 0).all()


@settings(max_examples=15)
@given(
    at=st.integers(1450, 1595),
    damage=st.sampled_from(["nan", "zero", "spike", "noise"]),
    name=st.sampled_from(["holt-winters", "last-week"]),
    mode=st.sampled_from([Mode.FLOOR, Mode.DIRECT]),
)
def test_no_decision_changes_when_demand_after_it_is_corrupted(at: int, damage: str, name: str, mode: Mode) -> None:
    values = bumpy(1600)
    corrupted = values.copy()
    noise = np.random.default_rng(at).uniform(0, 400, len(values) - at)
    corrupted[at:] = noise if damage == "noise" else {"nan": np.nan, "zero": 0.0, "spike": 4000.0}[damage]
    hpa = Hpa(target=0.8) if mode is Mode.FLOOR else None

    outcomes = [
        replay(case_of(demand, scored_from=1440), policy(), window_forecaster(name), hpa, mode=mode)
        for demand in (values, corrupted)
    ]

    # A decision at the start of minute ``at`` knows what ended by then: nothing of what was corrupted.
    decided = at - 1440 + 1
    assert outcomes[0].turns[:decided] == outcomes[1].turns[:decided]
    # The HPA sees demand of 15 s ago: the first 15 s of minute ``at`` come before the first sync that can see them.
    seen = (at - 1440) * 4 + 2
    for track in ("replicas", "ready"):
        before, after = (getattr(outcome.track, track)[:seen].tolist() for outcome in outcomes)
        assert before == after


def test_what_a_replay_refuses() -> None:
    with pytest.raises(ConfigError, match="whole number of 15 s syncs"):
        replay_hpa(case_of([1.0] * 9, startup_delay=timedelta(seconds=20)), Hpa(target=0.5))
    with pytest.raises(ConfigError, match="capacity per replica must be positive"):
        replay_hpa(case_of([1.0] * 9, capacity_per_replica=0.0), Hpa(target=0.5))
    with pytest.raises(ConfigError, match="goes without an HPA"):
        replay_peaks(case_of([1.0] * 9), policy(), np.ones(8), Hpa(target=0.5), mode=Mode.DIRECT)
    with pytest.raises(ConfigError, match="needs an HPA"):
        replay_peaks(case_of([1.0] * 9), policy(), np.ones(8), None)
    with pytest.raises(DataError, match="one forecast a decision"):
        replay_peaks(case_of([1.0] * 9), policy(), np.ones(7), Hpa(target=0.5))
    with pytest.raises(DataError, match="negative"):
        replay_hpa(case_of([1.0, -2.0, 1.0]), Hpa(target=0.5))
    with pytest.raises(DataError, match="more than a million replicas"):
        replay_hpa(case_of([1.0, 1e9, 1.0]), Hpa(target=0.5))
    with pytest.raises(DataError, match="no demand is known"):
        replay_hpa(case_of([1.0, np.nan, np.nan]), Hpa(target=0.5))
    with pytest.raises(DataError, match="at least one step before it"):
        case_of([1.0, 2.0], scored_from=0)
    with pytest.raises(DataError, match="on the grid"):
        case_of([1.0] * 9, start=START + timedelta(seconds=90))
    with pytest.raises(DataError, match="resample"):
        Workload(demand=series([1.0], timedelta(seconds=10)), capacity_per_replica=1.0)


def test_an_outcome_is_json_with_a_schema_version() -> None:
    outcome = replay(case_of(bumpy(1500), scored_from=1490), policy(), window_forecaster("last-week"), Hpa(target=0.8))

    whole = json.loads(json.dumps(outcome.to_json(), allow_nan=False))
    short = outcome.to_json(series=False)

    assert whole["schema"] == SCHEMA
    assert len(whole["turns"]) == 10
    assert len(whole["series"]["ready"]) == 40
    assert whole["cost_ratio"] == outcome.cost_ratio
    assert all(turn["reason"] and turn["message"] for turn in whole["turns"])
    assert "series" not in short


def test_a_pareto_curve_is_interpolated_in_the_logarithm_of_unmet_demand() -> None:
    curve = pareto([Point(2.0, 0.001), Point(1.0, 0.1), Point(1.5, 0.2), Point(2.5, 0.0001), Point(3.0, 0.0005)])

    assert curve == [Point(1.0, 0.1), Point(2.0, 0.001), Point(2.5, 0.0001)]
    assert unmet_at(curve, 1.5) == pytest.approx(0.01)
    assert cost_at(curve, 0.01) == pytest.approx(1.5)
    assert unmet_at(curve, 9.0) == 0.0001
    assert np.isnan(unmet_at(curve, 0.9))
    assert np.isnan(cost_at(curve, 1e-9))
    assert cost_at(curve, 0.5) == 1.0


@given(points=st.lists(st.tuples(st.floats(1, 4), st.floats(0, 1)), min_size=1, max_size=20), cost=st.floats(1, 5))
def test_more_money_never_leaves_more_unmet(points, cost: float) -> None:
    curve = pareto(Point(*point) for point in points)

    values = [unmet_at(curve, c) for c in (cost, cost + 0.1)]

    assert np.isnan(values[0]) or values[1] <= values[0]


def test_28_days_of_a_one_minute_trace_replay_within_three_seconds() -> None:
    case = case_of(bumpy(29 * 1440), scored_from=1440)
    peaks = peaks_for(case, policy(), window_forecaster("holt-winters"))
    replay_hpa(case, Hpa(target=0.9))  # loads the compiled code, once a process

    started = time.process_time()
    outcome = replay_peaks(case, policy(), peaks, Hpa(target=0.9))
    seconds = time.process_time() - started

    print(f"28 days at 15 s: {seconds:.2f} s, {seconds / len(case.cutoffs) * 1e6:.1f} microseconds a decision")
    assert len(outcome.turns) == 28 * 1440
    assert seconds <= 3.0  # of this process: what else the machine does counts for nothing


def test_on_a_bursty_real_trace_a_forecast_leaves_less_unmet_than_the_hpa_at_the_same_cost(data_dir: Path) -> None:
    """Coarse bounds on three days of one trace; ``make bench PART=scaling`` has the figures."""
    source = FolderSource(data_dir / "workload")
    entry = next(entry for entry in source.entries() if entry.name == "cc_cluster9")
    start = datetime.fromtimestamp(float(entry.metadata["eval_start"]), UTC)
    case = Case(
        name=entry.name,
        history=source.read([entry]).series[0],
        capacity_per_replica=float(entry.metadata["capacity_per_replica"]),
        start=start,
        end=start + timedelta(days=3),
    )

    plain = replay_hpa(case, Hpa(target=0.55))  # about as dear as ours, which looks ahead before it shrinks
    ours = replay(
        case, _sized(policy(scaleUp={"maxStepRatio": 1000}), case), window_forecaster("holt-winters"), Hpa(target=0.9)
    )

    assert 0.005 < plain.unmet_ratio < 0.05
    assert ours.unmet_ratio < plain.unmet_ratio / 3
    assert 1.0 < ours.cost_ratio < plain.cost_ratio * 1.05


def _sized(policy: ScalingPolicy, case: Case) -> ScalingPolicy:
    load = {"capacityPerReplica": case.capacity_per_replica}
    return ScalingPolicy.model_validate({**policy.to_spec(), "load": load, "forecast": {"level": 0.95}})
