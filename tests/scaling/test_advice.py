"""Settings that are allowed and risky are said with their key, and what is usual is left alone."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from aiops.scaling.advice import advise
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.policy_file import spec_from
from tests.contracts.wrong_resources import SALE, SLO, SPEC, written

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STARTUP = timedelta(minutes=2)
FLOOR = {**SPEC, "mode": "Floor", "hpa": {"name": "shop"}, "guard": {"slos": [SLO]}}


def said(spec, startup=STARTUP) -> list[str]:
    return [f"{'.'.join(map(str, key))}: {says}" for key, says in advise(spec_from(spec), startup, NOW)]


@pytest.mark.parametrize("spec", [SPEC, FLOOR], ids=["shadow", "floor"])
def test_the_defaults_are_not_risky(spec) -> None:
    assert said(spec) == []


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("forecast.window", "2m", "2m is less than start-up (2m) + interval (30s) + one sync of the HPA (15s): pods"),
        ("forecast.level", 0.5, "at level 0.5 demand is higher than planned for in 50% of all windows"),
        ("load.targetUtilization", 0.5, "0.5 on top of level 0.95 is headroom twice: every replica is planned 2.0"),
        ("forecast.staleAfter", "2h", "a forecast of 2 h ago still decides"),
        ("load.history", "6h", "in 6 h no day can be learnt"),
        ("behavior.scaleUp", {"maxStepReplicas": 1, "maxStepRatio": 0}, "after 10 min of growing from minReplicas 1"),
        (
            "behavior.scaleDown",
            {"stabilizationWindow": "1m", "lookAhead": "0s"},
            "lookAhead and stabilizationWindow, 1m at the most, are shorter than forecast.window (4m)",
        ),
        ("behavior.scaleDown.lookAhead", "7h", "replicas stay for what is expected within 7 h, and hardly ever go"),
        ("behavior.scaleDown.tolerance", 0.5, "up to 50% of the replicas stay without need"),
        ("behavior.scaleDown.tolerance", 0.3, "at maxReplicas 40 more than 12 have to be idle before any go"),
        ("bounds", {"minReplicas": 5, "maxReplicas": 5}, "minReplicas is maxReplicas"),
        ("calendar.events", [{**SALE, "start": "2025-11-27T08:00", "end": "2025-11-28T00:00"}], "sale does not come"),
        (
            "calendar.events",
            [
                SALE,
                {**SALE, "name": "lunch", "start": "2026-11-20T12:00", "end": "2026-11-20T14:00", "repeat": "Daily"},
            ],
            "sale and lunch are on at the same time, first at 2026-11-27T12:00+00:00: the most of each counts",
        ),
        ("prices", {"replicaHour": 50, "unmetRequest": 0.0001}, "at level 0.5 demand is higher than planned for"),
        ("guard.observe", "3m", "a change is judged before the window that it was made for is over"),
    ],
)
def test_a_risky_setting_is_named_alone(key, value, expected) -> None:
    (found,) = said(written(FLOOR, key, value))

    assert re.sub(r"\.\d+: ", ": ", found).startswith(f"{key}: {expected}")


def test_a_mode_that_changes_the_world_wants_a_guard() -> None:
    (found,) = said({**SPEC, "mode": "Direct"})

    assert found.startswith("mode: mode Direct without a guard: nothing takes a change back")


def test_a_slow_start_wants_a_longer_window_and_the_one_that_is_named_is_long_enough() -> None:
    (found,) = said(SPEC, timedelta(minutes=5))
    window = found.rpartition("raise it to ")[2]

    assert said(written(SPEC, "forecast.window", window), timedelta(minutes=5)) == []


def test_a_bare_policy_is_judged_with_the_interval_of_a_backtest() -> None:
    policy = ScalingPolicy.model_validate({"bounds": {"maxReplicas": 40}, "load": {"capacityPerReplica": 50}})

    assert [each.key for each in advise(policy, timedelta(seconds=166), NOW)] == [("forecast", "window")]
    assert not list(advise(policy, timedelta(seconds=165), NOW))
