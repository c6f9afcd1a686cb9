"""The oracle against every plan there is on small cases, and against an integer program on longer ones."""

from datetime import UTC, datetime, timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from aiops.backtest.cluster import Cluster, Workload
from aiops.backtest.hpa import SYNC
from aiops.backtest.oracle import needed_replicas, oracle_replicas
from aiops.series import Series, SeriesKey

START = datetime(2026, 1, 5, tzinfo=UTC)


def workload(needed: list[int], delay: int) -> Workload:
    demand = Series(
        key=SeriesKey.of("demand"), start=START, step=SYNC, values=np.array([count * 10.0 for count in needed])
    )
    return Workload(demand=demand, capacity_per_replica=10.0, startup_delay=delay * SYNC)


def serves_all(plan: tuple[int, ...], needed: list[int], delay: int) -> bool:
    """Run the plan on the simulated pods; before the first step there are as many ready ones as it starts with."""
    cluster = Cluster(workload(needed, delay), None, replicas=plan[0])
    cluster.follow(np.array(plan))
    return bool((cluster.track.ready >= np.array(needed)).all())


@settings(max_examples=40)
@given(needed=st.lists(st.integers(0, 3), min_size=1, max_size=4), delay=st.integers(0, 3))
def test_no_plan_at_all_is_cheaper(needed: list[int], delay: int) -> None:
    plans = sorted(product(range(4), repeat=len(needed)), key=sum)

    cheapest = next(plan for plan in plans if serves_all(plan, needed, delay))

    assert sum(cheapest) == oracle_replicas(np.array(needed), delay).sum()


@given(needed=st.lists(st.integers(0, 9), min_size=1, max_size=60), delay=st.integers(0, 8))
def test_the_oracle_serves_all_demand_on_the_simulated_pods(needed: list[int], delay: int) -> None:
    plan = oracle_replicas(np.array(needed), delay)

    assert serves_all(tuple(plan.tolist()), needed, delay)


def cheapest_by_integer_program(needed: list[int], delay: int) -> float:
    """How many pods to create at each step and to remove at each later one; any pod may go at any time.

    A pod that lives from a to b (exclusive) costs b - a steps from the first step on, and serves from a + delay.
    Pods may be created up to ``delay`` steps before the first step, which costs nothing.
    """
    n = len(needed)
    lives = [(a, b) for a in range(-delay, n) for b in range(a + 1, n + 1) if b > 0]
    cost = [b - max(a, 0) for a, b in lives]
    serves = np.array([[a + delay <= t < b for a, b in lives] for t in range(n)], dtype=float)
    found = milp(
        cost, integrality=np.ones(len(lives)), bounds=Bounds(0), constraints=LinearConstraint(serves, lb=needed)
    )
    assert found.success
    return float(found.fun)


@settings(max_examples=25)
@given(needed=st.lists(st.integers(0, 6), min_size=5, max_size=20), delay=st.integers(0, 5))
def test_an_integer_program_that_may_remove_any_pod_finds_nothing_cheaper(needed: list[int], delay: int) -> None:
    cheapest = cheapest_by_integer_program(needed, delay)

    assert cheapest == pytest.approx(oracle_replicas(np.array(needed), delay).sum())


@given(needed=st.lists(st.integers(0, 5), min_size=1, max_size=40), delay=st.integers(0, 8))
def test_a_gap_of_a_replica_costs_the_gap_or_the_delay(needed: list[int], delay: int) -> None:
    """The same number counted replica by replica: what each is needed for, and each gap before that at most a delay."""
    total = 0
    for level in range(1, max(needed) + 1):
        gap = 0
        for count in needed:
            if count >= level:
                total += 1 + min(gap, delay)
                gap = 0
            else:
                gap += 1

    assert total == oracle_replicas(np.array(needed), delay).sum()


def test_demand_becomes_replicas_without_rounding_accidents() -> None:
    demand = np.array([0.0, 0.1, 0.1 * 3, 30.0, 30.0001, np.nan])

    assert needed_replicas(demand, 0.1).tolist() == [1, 1, 3, 300, 301, 1]


def test_unknown_demand_costs_nobody_anything() -> None:
    demand = Series(
        key=SeriesKey.of("demand"),
        start=START,
        step=timedelta(minutes=1),
        values=np.array([20.0, np.nan, 20.0]),
    )

    found = Workload(demand=demand, capacity_per_replica=10.0, startup_delay=timedelta(seconds=30))

    assert found.needed.tolist() == [2] * 4 + [1] * 4 + [2] * 4
    assert found.oracle.tolist() == [2] * 4 + [1, 1, 2, 2] + [2] * 4
