"""Runs the stories of tests/scenarios; its README says how to write one."""

from pathlib import Path

import pytest

from aiops.errors import ConfigError
from aiops.scaling.policy_file import load_policy
from aiops.scaling.scenario import load_scenario, play

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))
STORY = """\
story: Two are enough.
policy:
  bounds: {maxReplicas: 40}
  load: {capacityPerReplica: 10}
turns:
  - {current: 2, peakDemand: 20, desired: 2, reason: DesiredWithinRange}
  - {peakDemand: 30, times: 3, desired: 3, reason: DesiredWithinRange}
"""


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    departed = play(load_scenario(path.read_text(), path.name))

    assert not [str(each) for each in departed]


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 10


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("desired: 3", "desired: 4", "s.yaml:7: turn 2: desired is 3 and not 4; decided: 2 -> 3: demand of up to 30"),
        ("times: 3", "demand: null", "s.yaml:7: turn 2: reason is DesiredWithinRange and not DataMissing; decided: "),
        ("20, ", "20, says: enough, ", "s.yaml:6: turn 1: the message does not say 'enough'; decided: hold 2"),
        ("20, ", "20, event: TrialPassed, ", "s.yaml:6: turn 1: event is None and not TrialPassed; decided: hold 2"),
        ("20, ", "20, phase: OnTrial, ", "s.yaml:6: turn 1: phase is Proving and not OnTrial; decided: hold 2"),
    ],
)
def test_a_turn_that_goes_another_way_is_named_with_its_line_and_what_was_decided(written, instead, said) -> None:
    reason = "DataMissing" if "null" in instead else "DesiredWithinRange"
    text = STORY.replace(written, instead)
    told = text.rpartition("DesiredWithinRange")
    scenario = load_scenario(f"{told[0]}{reason}{told[2]}", "s.yaml")

    (departed,) = play(scenario)

    assert str(departed).startswith(said)


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("peakDemand: 30, ", "", "s.yaml:7: turns.1.peakDemand is missing"),
        ("times", "tiems", "s.yaml:7: turns.1.tiems is not a key: did you mean times?"),
        ("times: 3", "times: 0", "s.yaml:7: turns.1.times is 0: input should be greater than or equal to 1"),
        ("{max", "{minReplica: 1, max", "s.yaml:3: bounds.minReplica is not a key: did you mean minReplicas?"),
        ("3, reason: D", "3, reason: d", "s.yaml:7: turns.1.reason is 'desiredWithinRange': write one of "),
        ("turns:", "turn:", "s.yaml: a scenario is one mapping with story, policy and turns"),
        ("current: 2", "current: -2", "s.yaml:6: turns.0.current is -2: input should be greater"),
    ],
)
def test_a_mistake_in_a_story_has_its_line(written, instead, said) -> None:
    with pytest.raises(ConfigError) as caught:
        list(play(load_scenario(STORY.replace(written, instead), "s.yaml")))

    assert str(caught.value).startswith(said)


def test_a_story_without_a_policy_is_told_of_any(tmp_path) -> None:
    own, _, turns = STORY.partition("policy:\n")
    scenario = load_scenario(own + turns[turns.index("turns:") :])
    policy = "bounds: {maxReplicas: %d}\nload: {capacityPerReplica: 10}"

    assert not list(play(scenario, load_policy(policy % 40)))
    assert [each.turn for each in play(scenario, load_policy(policy % 2))] == [2]
    with pytest.raises(ConfigError, match="the story has no policy of its own: give one"):
        list(play(scenario))
