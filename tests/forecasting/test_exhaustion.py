"""When a limit is reached: from growth that anybody can see, and never from what is not known yet."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import DataError
from aiops.forecasting.fleet.exhaustion import WINDOWS, exhaustion, surest
from aiops.series import Series, SeriesKey

START = datetime(2026, 3, 2, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def growing(days: int = 28) -> Series:
    """A daily wave that gains one in a hundred each day."""
    at = np.arange(days * 96) / 96
    noise = np.random.default_rng(3).lognormal(0, 0.02, len(at))
    values = 100 * (1.5 + np.sin(at * 2 * np.pi)) * (1 + 0.01 * at) * noise
    return Series(key=SeriesKey("load"), start=START, step=QUARTER, values=values)


def test_more_room_is_less_likely_used_and_later():
    history = growing()
    highest = float(history.values.max())
    found = [exhaustion(history, share * highest) for share in (0.5, 1.0, 1.1, 1.2, 1.5)]
    for tight, wide in itertools.pairwise(found):
        assert all(a >= b for a, b in zip(tight.chances, wide.chances, strict=True))
        for early, late in zip(tight.dates, wide.dates, strict=True):
            assert late is None or (early is not None and early <= late)
    for each in found:
        assert each.chances[0] <= each.chances[1]
        told = [at for at in each.dates if at is not None]
        assert told == sorted(told)
        assert all(history.end <= at < history.end + WINDOWS[-1] for at in told)
    assert found[0].chances == (0.99, 0.99)
    assert found[0].dates[2] is not None
    assert found[0].dates[2] < history.end + timedelta(days=1)
    assert found[-1].chances == (0.0, 0.0)
    assert found[-1].dates == (None, None, None)
    assert surest(found[::-1]) == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("gap", [slice(500, 520), slice(530, 550), slice(1500, 1520)])
def test_a_gap_hides_no_growth(gap):
    history = growing()
    told = exhaustion(history, 340.0)
    assert 0.1 < told.chances[0] < 0.95, "a chance that is certain would prove nothing"
    holed = history.values.copy()
    holed[gap] = np.nan
    found = exhaustion(replace(history, values=holed), 340.0)
    # The chance of a week: that of a month hangs on how much of its growth four weeks of history can show, and moves by
    # 0.35 with a gap as it does with another draw of the noise.
    assert found.chances[0] == pytest.approx(told.chances[0], abs=0.16)  # three steps of chances
    assert found.chances[1] >= 0.85  # a tenth is left for what the few origins of four weeks have not seen


def test_too_little_history_is_refused():
    with pytest.raises(DataError, match="give two weeks or more"):
        exhaustion(growing(days=13), 300.0)
