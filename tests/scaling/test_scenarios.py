"""Runs the stories of tests/scenarios; its README says how to write one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from aiops.scaling.loop import step
from aiops.scaling.policy_file import policy_from
from aiops.scaling.state import Observation, ScalingState
from aiops.series.duration import parse_duration

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))
KEYS = {"current", "peakDemand", "demand", "after", "times", "desired", "reason"}
START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    scenario = yaml.safe_load(path.read_text())
    assert set(scenario) <= {"story", "policy", "every", "turns"}, "a scenario has no other keys"
    policy = policy_from(scenario["policy"], path.name)
    every = parse_duration(scenario.get("every", "1m"))
    state, now, current = ScalingState(), START - every, 0

    for number, turn in enumerate(scenario["turns"], start=1):
        assert set(turn) <= KEYS, f"turn {number} has unknown keys: {set(turn) - KEYS}"
        for _ in range(turn.get("times", 1)):
            now += parse_duration(turn["after"]) if "after" in turn else every
            seen = Observation(current=turn.get("current", current), demand=turn.get("demand", 1.0))
            decision, state = step(state, seen, turn["peakDemand"], policy, now)
            current = decision.desired
            said = f"{path.name}, turn {number}: {decision.message}"
            assert (decision.desired, str(decision.reason)) == (turn["desired"], turn["reason"]), said


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 4
