"""The gate: what opens an incident, what closes it, and how long it is waited for."""

import numpy as np
import pytest

from aiops.detection.gate import Gate
from aiops.errors import ConfigError

ODD, BETWEEN, CALM, GAP = 1e-6, 1e-3, 0.5, float("nan")


def teaches(*rarities: float, gate: Gate | None = None) -> list[bool]:
    gate = gate or Gate(opens_after=3, closes_after=2, patience=4)
    state = gate.start(1)
    return [bool(gate.learn(state, np.array([0]), np.array([each]))[0]) for each in rarities]


def test_single_odd_points_teach():
    assert all(teaches(ODD, ODD, BETWEEN, ODD, CALM, ODD, ODD))


def test_an_incident_opens_with_the_third_odd_point_and_closes_with_the_second_calm_one():
    assert teaches(ODD, ODD, ODD, BETWEEN, CALM, CALM, CALM) == [True, True, False, False, False, True, True]


def test_calm_points_count_in_a_row():
    assert teaches(ODD, ODD, ODD, CALM, BETWEEN, CALM, CALM)[-3:] == [False, False, True]


def test_a_gap_neither_opens_nor_closes():
    assert teaches(ODD, GAP, ODD, GAP, ODD) == [True, True, True, True, False]
    assert teaches(ODD, ODD, ODD, CALM, GAP, CALM)[-2:] == [False, True]


def test_patience_ends():
    assert teaches(*[ODD] * 9) == [True, True, False, False, False, False, False, True, True]


def test_a_gap_does_not_use_up_patience():
    assert teaches(*[ODD] * 3, *[GAP] * 9, *[ODD] * 6)[12:] == [False, False, False, False, True, True]


def test_an_incident_may_open_again():
    assert teaches(ODD, ODD, ODD, CALM, CALM, ODD, ODD, ODD)[-3:] == [True, True, False]


def test_a_gate_that_cannot_work_is_refused():
    with pytest.raises(ConfigError, match="opens_at < closes_at"):
        Gate(opens_at=0.1, closes_at=0.01)
    with pytest.raises(ConfigError, match="at least 1"):
        Gate(patience=0)
