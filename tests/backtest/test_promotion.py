"""Who becomes the champion: the laws of the gate, and a sentence for each answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.backtest.promotion import Champion, Gate, Newcomer, Reason, judge
from aiops.errors import ConfigError
from aiops.series import SeriesKey

DAY = timedelta(days=1)
CUTOFF = datetime(2026, 3, 2, tzinfo=UTC)
KEYS = tuple(SeriesKey.of(name) for name in "abcdefghij")
GATE = Gate()

losses = st.floats(0.01, 10)
shares = st.floats(0, 1)


def newcomer(**changed):
    known = Newcomer(
        crps=dict.fromkeys(KEYS, 1.0),
        coverage=0.9,
        promised_coverage=0.9,
        cutoff=CUTOFF,
        until=CUTOFF,
        found=10,
        stale=0,
    )
    return replace(known, **changed)


def champion(**changed):
    known = Champion(crps=dict.fromkeys(KEYS, 1.0), keys=frozenset(KEYS), cutoff=CUTOFF - DAY, end=CUTOFF + DAY)
    return replace(known, **changed)


@pytest.mark.parametrize(
    ("new", "old", "reason", "promoted"),
    [
        (newcomer(), None, Reason.FIRST, True),
        (newcomer(crps=dict.fromkeys(KEYS, 0.9)), champion(), Reason.BETTER, True),
        (newcomer(), champion(), Reason.FRESHER, True),
        (newcomer(crps=dict.fromkeys(KEYS, 1.1)), champion(), Reason.WORSE, False),
        (newcomer(crps=dict.fromkeys(KEYS, 1.1)), champion(end=CUTOFF), Reason.EXPIRED, True),
        (newcomer(crps=dict.fromkeys(KEYS, 0.99)), champion(cutoff=CUTOFF), Reason.NOT_BETTER, False),
        (newcomer(), champion(cutoff=CUTOFF), Reason.NOT_BETTER, False),
        (newcomer(), champion(crps={}), Reason.NOT_COMPARABLE, False),
        (newcomer(), champion(cutoff=CUTOFF + DAY, end=CUTOFF + 3 * DAY), Reason.STALE, False),
        (newcomer(stale=3), champion(), Reason.STALE, False),
        (newcomer(stale=3), None, Reason.STALE, False),
        (newcomer(crps=dict.fromkeys(KEYS[:8], 0.1)), champion(), Reason.MISSING, False),
        (newcomer(coverage=0.8), None, Reason.UNCOVERED, False),
        (newcomer(coverage=float("nan")), None, Reason.UNCOVERED, False),
    ],
)
def test_each_answer(new, old, reason, promoted):
    verdict = judge(new, old, GATE)
    assert (verdict.reason, verdict.promote) == (reason, promoted)
    assert verdict.explanation


newcomers = st.builds(
    newcomer,
    crps=st.dictionaries(st.sampled_from(KEYS), losses, min_size=1),
    coverage=shares,
    cutoff=st.integers(-3, 3).map(lambda days: CUTOFF + days * DAY),
    found=st.just(10),
    stale=st.integers(0, 10),
)
champions = st.builds(
    champion,
    crps=st.dictionaries(st.sampled_from(KEYS), losses | st.just(float("nan"))),
    end=st.integers(0, 3).map(lambda days: CUTOFF + days * DAY),
)


@given(newcomers, st.none() | champions)
def test_bad_data_never_move_a_champion(new, old):
    verdict = judge(new, old, GATE)
    if verdict.promote:
        assert new.stale <= GATE.largest_stale_ratio * new.found
        assert new.coverage >= new.promised_coverage - GATE.coverage_tolerance
        if old is not None:
            assert new.cutoff >= old.cutoff
            assert len(old.keys & new.crps.keys()) >= (1 - GATE.largest_lost_ratio) * len(old.keys)


@given(newcomers, champions, st.floats(0.01, 1))
def test_a_smaller_loss_never_turns_a_yes_into_a_no(new, old, factor):
    better = replace(new, crps={key: factor * loss for key, loss in new.crps.items()})
    if judge(new, old, GATE).promote:
        assert judge(better, old, GATE).promote


@given(newcomers, champions)
def test_a_live_champion_is_never_followed_by_a_worse_one(new, old):
    verdict = judge(new, old, GATE)
    if verdict.promote and new.until < old.end:
        assert verdict.ratio is not None
        assert verdict.ratio <= 1


@pytest.mark.parametrize(
    "wrong", [{"margin": 1.0}, {"coverage_tolerance": -0.1}, {"largest_stale_ratio": float("nan")}]
)
def test_a_gate_of_impossible_limits_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"shares in \[0, 1\)"):
        Gate(**wrong)
