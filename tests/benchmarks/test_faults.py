"""Forecasts that break, on generated days: each rule shows when it is taken out."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from aiops.backtest.replay import Case, replay_hpa, replay_peaks
from aiops.forecasting.window import maximum_ahead
from aiops.scaling.policy import Mode
from aiops.series import Series, SeriesKey
from benchmarks.scaling.faults import WAYS, After, broken

DAY = 1440
FLOOR, DIRECT = WAYS
STEADY, BUSY = 2.0, 15.0


@cache
def shop(wave: float) -> Case:
    """Days that are busy and quiet, and a fifth more for two minutes of each hour."""
    minute = np.arange(9 * DAY // 4)
    noise = np.random.default_rng(5).normal(0.0, 0.3, len(minute))
    demand = (30.0 + wave * np.sin(2 * np.pi * minute / DAY)) * np.where(minute % 60 < 2, 1.2, 1.0) + noise
    start = datetime(2026, 1, 5, tzinfo=UTC)
    history = Series(key=SeriesKey("shop"), start=start, step=timedelta(minutes=1), values=demand)
    return Case(
        name="shop",
        history=history,
        capacity_per_replica=1.0,
        start=start + timedelta(hours=6, minutes=30),  # so that what is frozen does not know of the next full hour
        end=history.end,
        lead=timedelta(hours=1),
    )


@cache
def forecasts(wave: float) -> dict[str, np.ndarray]:
    """Good ones know every peak of the next four minutes, and the others are made of them."""
    case = shop(wave)
    ahead = maximum_ahead(np.append(case.history.values, [30.0] * 4), 4)
    return broken(case, ahead[case.cutoffs] + 0.5)


@cache
def replayed(wave: float, mode: Mode, kind: str) -> After:
    way = FLOOR if mode is Mode.FLOOR else DIRECT
    return After.of(replay_peaks(shop(wave), way.policy, forecasts(wave)[kind], way.hpa, mode=mode))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.mode))
@pytest.mark.parametrize(
    ("kind", "wave"),
    [("frozen", STEADY), ("gone", STEADY), ("halved", BUSY), ("tripled", BUSY), ("six hours late", BUSY)],
)
def test_a_forecast_that_breaks_leaves_no_more_than_an_hpa_and_is_not_dear_for_long(way, kind, wave) -> None:
    plain = After.of(replay_hpa(shop(wave), way.against))
    healthy, found = (replayed(wave, way.mode, each) for each in ("healthy", kind))

    print(f"{way.mode} {kind}: HPA {plain}, healthy {healthy}, {found}")
    dearest = 1.3 * healthy.cost if way is FLOOR else 1.15 * plain.cost  # nobody but itself scales in mode Direct
    assert healthy.unmet <= found.unmet <= plain.unmet
    assert found.cost <= dearest
