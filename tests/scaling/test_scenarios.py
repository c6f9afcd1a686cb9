"""Runs the stories of tests/scenarios; its README says how to write one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiops.scaling.loop import step
from aiops.scaling.policy_file import policy_from
from aiops.scaling.state import Observation, ScalingState
from aiops.series.duration import parse_duration

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))
SCENARIO_KEYS = {"story", "policy", "every", "baseline", "turns"}
SEEN = {"current", "replicas", "ready", "demand", "ceiling"}
DECIDED = {"desired", "reason", "phase", "event", "mode", "says"}
KEYS = SEEN | DECIDED | {"peakDemand", "slos", "after", "times"}
START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    scenario = yaml.safe_load(path.read_text())
    assert set(scenario) <= SCENARIO_KEYS, f"a scenario has no other keys than {SCENARIO_KEYS}"
    policy = policy_from(scenario["policy"], path.name)
    every = parse_duration(scenario.get("every", "1m"))
    state, now = ScalingState(baseline=scenario.get("baseline")), START - every
    seen: dict[str, Any] = {"current": 0, "demand": 1.0}
    readings: dict[str, float] = {}

    for number, turn in enumerate(scenario["turns"], start=1):
        assert set(turn) <= KEYS, f"turn {number} has unknown keys: {set(turn) - KEYS}"
        readings = turn.get("slos", readings)
        for _ in range(turn.get("times", 1)):
            now += parse_duration(turn["after"]) if "after" in turn else every
            seen |= {"ready": None}
            if turn["peakDemand"] is not None:
                seen["demand"] = turn["peakDemand"]
            seen |= {key: turn[key] for key in SEEN & set(turn)}
            decision, state = step(state, Observation(**seen, readings=readings), turn["peakDemand"], policy, now)
            seen["current"] = decision.desired
            said = f"{path.name}, turn {number}: {decision.message}"
            assert (decision.desired, str(decision.reason)) == (turn["desired"], turn["reason"]), said
            assert turn.get("phase", state.phase) == state.phase, said
            assert turn.get("mode", state.effective_mode) == state.effective_mode, said
            assert "event" not in turn or (decision.guard is not None and decision.guard.event == turn["event"]), said
            assert turn.get("says", "") in decision.message, said


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 10
