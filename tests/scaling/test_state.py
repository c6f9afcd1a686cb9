"""What is left for the next turn: read back exactly, and refused when somebody has had a hand in it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops.errors import DataError
from aiops.scaling.frozen import Repeated
from aiops.scaling.plausible import Record
from aiops.scaling.policy import Mode
from aiops.scaling.skill import Claim, Loss, Skill
from aiops.scaling.state import Lock, Lowered, Observation, Phase, ScalingState, Trial

NOW = datetime(2026, 1, 5, 12, 30, 15, 123457, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FULL = ScalingState(
    decided_at=NOW,
    needs=((NOW - MINUTE, 12), (NOW, 8)),
    effective_mode=Mode.FLOOR,
    baseline=2,
    trial=Trial(before=12, after=8, started=NOW - MINUTE, failed=1, errors=2, was_good=False, outage=True),
    last_good=12,
    rolled_back_at=NOW - timedelta(hours=3),
    rollbacks=(NOW - timedelta(hours=5), NOW - timedelta(hours=3)),
    absent_since=NOW - MINUTE,
    dip_since=NOW - MINUTE,
    lowered=Lowered(NOW - MINUTE, 4),
    repeat=Repeated(peak=0.1 + 0.2, since=NOW - MINUTE, needed=12, moved=True),
    skill=Skill(
        since=NOW - timedelta(days=2),
        judged=NOW - MINUTE,
        claims=(Claim(NOW - MINUTE, 12.0, 15.0, 11.25),),
        losses=(Loss(0.125, 0.5), Loss(0.25, 0.75), Loss(0.125, 1.5)),
        proven=True,
        trusted=True,
    ),
)


@pytest.mark.parametrize(
    "state",
    [
        ScalingState(),
        ScalingState(baseline=3),
        FULL,
        ScalingState(decided_at=NOW, needs=((NOW, 0),), hold_until=NOW + MINUTE, last_good=4),
        ScalingState(decided_at=NOW, needs=((NOW, 0),), lock=Lock(NOW, "ann"), restoring=9, suspended=True),
    ],
)
def test_what_is_written_is_what_is_read(state) -> None:
    written = state.to_json()

    assert ScalingState.from_json(json.loads(json.dumps(written))) == state
    without_nulls = {key: value for key, value in written.items() if value is not None}
    assert ScalingState.from_json(without_nulls) == state


def test_people_can_read_the_phase() -> None:
    assert FULL.to_json()["phase"] == FULL.phase == Phase.ON_TRIAL


def test_what_a_newer_version_added_is_left_alone() -> None:
    assert ScalingState.from_json(FULL.to_json() | {"trust": 0.7}) == FULL


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "all of it: Input should be an object"),
        ([], "all of it: Input should be an object"),
        ({}, "needs: Field required"),
        ({"decidedAt": "x", "needs": []}, "decidedAt: Input should be a valid number"),
        ({"decidedAt": 1e300, "needs": [[0, 1]]}, ""),
        ({"decidedAt": None, "needs": [1]}, "needs.0: Input should be a valid array"),
        ({"decidedAt": 5, "needs": [[0, float("inf")]]}, "needs.0.1: Input should be a"),
        ({"decidedAt": 5, "needs": [[0, "8"]]}, "needs.0.1: Input should be a valid integer"),
        ({"decidedAt": 5, "needs": []}, "there was a turn, and nothing says what was needed then"),
        ({"needs": [[0, 4]]}, "there was no turn yet"),
        ({"decidedAt": 5, "needs": [[0, 4], [1, 9]]}, "needs have to fall, oldest first, and 9 comes after 4"),
        ({"decidedAt": 5, "needs": [[4, 9], [1, 4]]}, "needs have to fall, oldest first, and 4 comes after 9"),
        ({"decidedAt": 5, "needs": [[7, 4]]}, "the last need is 4 at 1970"),
        ({"decidedAt": 5, "needs": [[5, -4]]}, "the last need is -4 at 1970"),
        (FULL.to_json() | {"baseline": -1}, "baseline: Input should be greater than or equal to 0"),
        (FULL.to_json() | {"effectiveMode": "Full"}, "effectiveMode: Input should be 'Shadow'"),
        (FULL.to_json() | {"holdUntil": 2e9}, "a trial starts with a turn, and not during a cool-down"),
        (FULL.to_json() | {"rolledBackAt": 2e9}, "taken back at 2033"),
        (FULL.to_json() | {"trial": {"before": 4}}, "trial.after: Field required"),
        (FULL.to_json() | {"trial": FULL.to_json()["trial"] | {"before": 8}}, "a trial is of a change between two"),
        (FULL.to_json() | {"trial": FULL.to_json()["trial"] | {"started": 2e9}}, "a trial starts with a turn"),
    ],
)
def test_a_state_that_was_edited_is_refused_with_the_key_and_started_afresh(data, said) -> None:
    with pytest.raises(DataError) as caught:
        ScalingState.from_json(data)
    assert str(caught.value).startswith(f"not a scaling state: {said}")
    assert str(caught.value).endswith("remove status.state to start afresh")

    state, trouble = ScalingState.recover(data)
    assert trouble == str(caught.value)
    assert state == ScalingState(baseline=state.baseline, skill=state.skill)


def test_the_baseline_outlives_a_state_that_cannot_be_read() -> None:
    state, _ = ScalingState.recover(FULL.to_json() | {"needs": "many"})

    assert state == ScalingState(baseline=2, skill=Skill(proven=True, trusted=True))
    assert ScalingState.recover(FULL.to_json()) == (FULL, "")


def test_a_state_that_cannot_be_is_not_made() -> None:
    with pytest.raises(DataError, match="needs have to fall"):
        ScalingState(decided_at=NOW, needs=((NOW - MINUTE, 4), (NOW, 9)))


def test_negative_replicas_are_refused() -> None:
    with pytest.raises(DataError, match="negative"):
        Observation(current=-1)


def test_the_fullest_state_is_small() -> None:
    full = replace(
        FULL,
        needs=tuple((NOW - (40 - i) * timedelta(seconds=30), 10_048 - i) for i in range(40)),
        trial=None,
        rollbacks=(NOW,) * 10,
        restoring=10_000,
        lock=Lock(NOW, "x" * 64),
        record=Record(hour=500_000, highest=(123450000.0,) * 74, lowest=(12345.0,) * 74, beyond=0.123456789),
        skill=replace(
            FULL.skill,
            claims=(Claim(NOW, 10_000.0, 10_000.0, 9999.123456),) * 4,
            losses=(Loss(99.123456, 9.123456),) * 3,
        ),
    )

    assert len(json.dumps(full.to_json())) < 4096
