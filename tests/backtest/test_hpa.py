"""The simulated HPA against the documented algorithm, case by case; docs/reference/hpa.md is the table of these."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.backtest import kernel
from aiops.backtest.cluster import REASONS, memory_of, settings_of
from aiops.backtest.hpa import DOWN, SYNC, UP, Behavior, Hpa, Kind, RatePolicy, Rules, Select
from aiops.errors import ConfigError
from aiops.scaling.reason import Reason

CAPACITY = 100.0  # with target 1.0: averageValue 100, so the metric of 100 is one replica's worth
NAN = math.nan
NOW = timedelta()


def percent(value: int, seconds: int = 15) -> RatePolicy:
    return RatePolicy(kind=Kind.PERCENT, value=value, period=timedelta(seconds=seconds))


def pods(value: int, seconds: int = 15) -> RatePolicy:
    return RatePolicy(kind=Kind.PODS, value=value, period=timedelta(seconds=seconds))


def behavior(*, up: Rules = UP, down: Rules = DOWN) -> Behavior:
    return Behavior(up=up, down=down)


def down(*policies: RatePolicy, window: timedelta = NOW, select: Select = Select.MAX) -> Rules:
    return Rules(stabilization=window, policies=policies or DOWN.policies, select=select)


def up(*policies: RatePolicy, window: timedelta = NOW, select: Select = Select.MAX) -> Rules:
    return Rules(stabilization=window, policies=policies or UP.policies, select=select)


def run(
    hpa: Hpa, replicas: int, metric: Sequence[float], floors: list[int] | None = None
) -> tuple[list[int], list[Reason]]:
    """Run one sync for each value of ``metric`` and return the replicas and the reason after each."""
    n = len(metric)
    settings = settings_of(hpa, CAPACITY)
    found, ready, reasons = (np.zeros(n, np.int64) for _ in range(3))
    kernel.advance(
        0, n, False, np.array(metric, np.float64), np.array(floors or [1] * n),
        settings, memory_of(settings, 0, replicas),
        found, ready, reasons,
    )  # fmt: skip
    return found.tolist(), [REASONS[code] for code in reasons]


PLAIN = Hpa(target=1.0)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One documented rule: what the HPA is given at each sync, and how many replicas it must set."""

    id: str
    start: int
    metric: Sequence[float]
    expected: list[int]
    reason: Reason
    hpa: Hpa = PLAIN
    floors: list[int] | None = None


AT_ONCE = Hpa(target=1.0, behavior=behavior(down=down()))

CASES = [
    Case(id="ratio-doubles", start=4, metric=[800], expected=[8], reason=Reason.DESIRED_WITHIN_RANGE),
    Case(id="ratio-halves", start=8, metric=[400], expected=[4], reason=Reason.DESIRED_WITHIN_RANGE, hpa=AT_ONCE),
    Case(id="rounds-up", start=4, metric=[501], expected=[6], reason=Reason.DESIRED_WITHIN_RANGE),
    Case(id="within-tolerance-up", start=10, metric=[1100], expected=[10], reason=Reason.DESIRED_WITHIN_RANGE),
    Case(id="beyond-tolerance-up", start=10, metric=[1101], expected=[12], reason=Reason.DESIRED_WITHIN_RANGE),
    Case(
        id="within-tolerance-down",
        start=10, metric=[900], expected=[10], reason=Reason.DESIRED_WITHIN_RANGE, hpa=AT_ONCE,
    ),
    Case(
        id="beyond-tolerance-down",
        start=10, metric=[899], expected=[9], reason=Reason.DESIRED_WITHIN_RANGE, hpa=AT_ONCE,
    ),
    Case(
        id="scale-down-waits-five-minutes",
        start=10, metric=[1000] + [500] * 20, expected=[10] * 20 + [5], reason=Reason.DESIRED_WITHIN_RANGE,
    ),
    Case(
        id="highest-of-five-minutes",
        start=10, metric=[1000, 800] + [500] * 20, expected=[10] * 20 + [8, 5], reason=Reason.DESIRED_WITHIN_RANGE,
    ),
    Case(
        id="replicas-at-start-count-as-recommended",
        start=10, metric=[500] * 21, expected=[10] * 20 + [5], reason=Reason.DESIRED_WITHIN_RANGE,
    ),
    Case(
        id="own-stabilization-window",
        start=10, metric=[500] * 5, expected=[10] * 4 + [5], reason=Reason.DESIRED_WITHIN_RANGE,
        hpa=Hpa(target=1.0, behavior=behavior(down=down(window=timedelta(seconds=60)))),
    ),
    Case(
        id="no-behavior-doubles-at-most",
        start=10, metric=[9999] * 4, expected=[20, 40, 80, 90], reason=Reason.TOO_MANY_REPLICAS,
        hpa=Hpa(target=1.0, max_replicas=90),
    ),
    Case(id="no-behavior-reaches-four-at-once", start=1, metric=[9999], expected=[4], reason=Reason.SCALE_UP_LIMIT),
    Case(
        id="no-behavior-follows-the-highest-upwards",
        start=4, metric=[3000, 400], expected=[8, 16], reason=Reason.SCALE_UP_LIMIT,
    ),
    Case(
        id="behavior-never-grows-towards-the-past",
        start=4, metric=[3000, 400], expected=[8, 8], reason=Reason.SCALE_DOWN_STABILIZED,
        hpa=Hpa(target=1.0, behavior=Behavior()),
    ),
    Case(
        id="default-behavior-four-pods-or-double",
        start=1, metric=[9999] * 5, expected=[5, 10, 20, 40, 80], reason=Reason.SCALE_UP_LIMIT,
        hpa=Hpa(target=1.0, behavior=Behavior()),
    ),
    Case(
        id="period-limits-what-is-added",
        start=10, metric=[9999] * 6, expected=[14, 14, 14, 14, 18, 18], reason=Reason.SCALE_UP_LIMIT,
        hpa=Hpa(target=1.0, behavior=behavior(up=up(pods(4, 60)))),
    ),
    Case(
        id="percent-up-rounds-up",
        start=15, metric=[9999], expected=[17], reason=Reason.SCALE_UP_LIMIT,
        hpa=Hpa(target=1.0, behavior=behavior(up=up(percent(10)))),
    ),
    Case(
        id="documented-example-of-scaling-down",
        start=80, metric=[1000] * 41,
        expected=[*np.repeat([72, 64, 57, 51, 45, 40, 36, 32, 28, 24], 4).tolist(), 20],
        reason=Reason.SCALE_DOWN_LIMIT,
        hpa=Hpa(target=1.0, behavior=behavior(down=down(pods(4, 60), percent(10, 60)))),
    ),
    Case(
        id="select-min-takes-the-smaller-change",
        start=100, metric=[1000], expected=[95], reason=Reason.SCALE_DOWN_LIMIT,
        hpa=Hpa(target=1.0, behavior=behavior(down=down(percent(10, 60), pods(5, 60), select=Select.MIN))),
    ),
    Case(
        id="disabled-never-shrinks",
        start=10, metric=[100] * 30, expected=[10] * 30, reason=Reason.SCALE_DOWN_LIMIT,
        hpa=Hpa(target=1.0, behavior=behavior(down=down(select=Select.DISABLED))),
    ),
    Case(
        id="disabled-never-grows",
        start=10, metric=[9999] * 3, expected=[10] * 3, reason=Reason.SCALE_UP_LIMIT,
        hpa=Hpa(target=1.0, behavior=behavior(up=up(select=Select.DISABLED))),
    ),
    Case(
        id="scale-up-stabilization-takes-the-lowest",
        start=4, metric=[400, 800, 800, 600, 800], expected=[4, 4, 4, 4, 6], reason=Reason.SCALE_UP_STABILIZED,
        hpa=Hpa(target=1.0, behavior=behavior(up=up(window=timedelta(seconds=60)))),
    ),
    Case(
        id="below-min-replicas-jumps-to-them",
        start=3, metric=[300, NAN], floors=[1, 20], expected=[3, 20], reason=Reason.TOO_FEW_REPLICAS,
    ),
    Case(
        id="above-max-replicas-drops-to-them",
        start=50, metric=[NAN], expected=[20], reason=Reason.TOO_MANY_REPLICAS, hpa=Hpa(target=1.0, max_replicas=20),
    ),
    Case(
        id="never-below-min-replicas",
        start=6, metric=[0.0], floors=[5], expected=[5], reason=Reason.TOO_FEW_REPLICAS, hpa=AT_ONCE,
    ),
    Case(
        id="no-metric-no-change",
        start=10, metric=[1000] + [NAN] * 30, expected=[10] * 31, reason=Reason.FAILED_GET_METRIC,
    ),
    Case(
        id="no-metric-recommends-nothing",
        start=10, metric=[1000] + [NAN] * 19 + [500], expected=[10] * 20 + [5], reason=Reason.DESIRED_WITHIN_RANGE,
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_documented_algorithm(case: Case) -> None:
    replicas, reasons = run(case.hpa, case.start, case.metric, case.floors)

    assert replicas == case.expected
    assert reasons[-1] == case.reason


def test_the_table_in_the_documentation_lists_every_case_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "hpa.md").read_text()
    text = text.split("## What the real controller does")[0]

    listed = re.findall(r"^\| `([a-z-]+)` \|", text, flags=re.MULTILINE)

    assert sorted(listed) == sorted(case.id for case in CASES)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Hpa(target=0.0), "target"),
        (lambda: Hpa(target=0.5, min_replicas=5, max_replicas=4), "minReplicas <= maxReplicas"),
        (lambda: Hpa(target=0.5, tolerance=1.0), "tolerance"),
        (lambda: pods(0), "positive"),
        (lambda: pods(1, 20), "whole number of 15 s syncs"),
        (lambda: pods(1, 3600), "30 min"),
        (lambda: Rules(stabilization=timedelta(hours=2), policies=DOWN.policies), "1 h"),
        (lambda: Rules(stabilization=NOW, policies=()), "at least one"),
    ],
)
def test_an_hpa_that_the_api_server_would_refuse_is_refused(make, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


# The second implementation: lists with timestamps, as the controller keeps them, a line for a line of its text. A sync
# takes no time, but what it records is stamped a moment after it began, as in the controller.
MOMENT = timedelta(milliseconds=1)


class Controller:
    def __init__(self, hpa: Hpa, replicas: int) -> None:
        self.hpa, self.replicas = hpa, replicas
        self.recommended: list[tuple[timedelta, int]] = []
        self.added: list[tuple[timedelta, int]] = []
        self.removed: list[tuple[timedelta, int]] = []

    def sync(self, now: timedelta, metric: float, floor: int) -> int:
        hpa, current = self.hpa, self.replicas
        floor = min(max(floor, hpa.min_replicas), hpa.max_replicas)
        if not self.recommended:
            self.recommended.append((now, current))
        if current > hpa.max_replicas:
            desired = hpa.max_replicas
        elif current < floor:
            desired = floor
        elif math.isnan(metric):
            return current
        else:
            per_replica = hpa.target * CAPACITY
            ratio = metric / (per_replica * current)
            wanted = current if 1 - hpa.tolerance <= ratio <= 1 + hpa.tolerance else math.ceil(metric / per_replica)
            desired = self._plain(now, wanted, floor) if hpa.behavior is None else self._behaved(now, wanted, floor)
            self.recommended.append((now + MOMENT, wanted))
        if desired > current:
            self.added.append((now + MOMENT, desired - current))
        elif desired < current:
            self.removed.append((now + MOMENT, current - desired))
        self.replicas = desired
        return desired

    def _recent(self, now: timedelta, window: timedelta) -> list[int]:
        # A later sync begins a moment late as well: see the module's first comment in kernel.py.
        return [count for at, count in self.recommended if at > now + 2 * MOMENT - window]

    def _plain(self, now: timedelta, wanted: int, floor: int) -> int:
        stabilized = max([wanted, *self._recent(now, DOWN.stabilization)])
        return min(max(stabilized, floor), max(2 * self.replicas, 4), self.hpa.max_replicas)

    def _behaved(self, now: timedelta, wanted: int, floor: int) -> int:
        rules, current = self.hpa.behavior, self.replicas
        assert rules is not None
        lowest = min([wanted, *self._recent(now, rules.up.stabilization)])
        highest = max([wanted, *self._recent(now, rules.down.stabilization)])
        stabilized = min(max(current, lowest), highest)
        if stabilized > current:
            limits = [
                start + rule.value if rule.kind is Kind.PODS else math.ceil(start * (1 + rule.value / 100))
                for rule in rules.up.policies
                for start in [self._at_begin(now, rule)]
            ]
            limit = {Select.MAX: max(limits), Select.MIN: min(limits), Select.DISABLED: current}[rules.up.select]
            return min(stabilized, max(limit, current), self.hpa.max_replicas)
        if stabilized < current:
            limits = [
                start - rule.value if rule.kind is Kind.PODS else int(start * (1 - rule.value / 100))
                for rule in rules.down.policies
                for start in [self._at_begin(now, rule)]
            ]
            limit = {Select.MAX: min(limits), Select.MIN: max(limits), Select.DISABLED: current}[rules.down.select]
            return max(stabilized, min(limit, current), floor)
        return stabilized

    def _at_begin(self, now: timedelta, rule: RatePolicy) -> int:
        since = now + 2 * MOMENT - rule.period
        added = sum(count for at, count in self.added if at > since)
        removed = sum(count for at, count in self.removed if at > since)
        return self.replicas - added + removed


lengths = st.integers(0, 12).map(lambda n: n * SYNC)
rates = st.builds(
    RatePolicy, kind=st.sampled_from(Kind), value=st.integers(1, 120), period=st.integers(1, 8).map(lambda n: n * SYNC)
)
rules = st.builds(
    Rules,
    stabilization=lengths,
    policies=st.lists(rates, min_size=1, max_size=3).map(tuple),
    select=st.sampled_from([Select.MAX, Select.MAX, Select.MIN, Select.DISABLED]),
)
hpas = st.builds(
    Hpa,
    target=st.sampled_from([0.5, 0.7, 1.0]),
    min_replicas=st.integers(1, 3),
    max_replicas=st.integers(3, 200),
    behavior=st.none() | st.builds(Behavior, up=rules, down=rules),
)
syncs = st.lists(st.tuples(st.integers(0, 5000).map(float) | st.just(NAN), st.integers(1, 30)), min_size=1, max_size=60)


@given(hpa=hpas, replicas=st.integers(1, 60), syncs=syncs)
def test_agrees_with_a_controller_that_keeps_lists_of_timestamps(hpa: Hpa, replicas: int, syncs) -> None:
    metric, floors = ([column[i] for column in syncs] for i in (0, 1))
    controller = Controller(hpa, replicas)

    expected = [controller.sync(i * SYNC, value, floor) for i, (value, floor) in enumerate(syncs)]

    assert run(hpa, replicas, metric, floors)[0] == expected
