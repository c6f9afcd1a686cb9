"""The verdict on a series: each defect alone, and what makes a series unusable."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.series import Series, SeriesKey
from aiops.series.quality import Defect, Limits, assess

START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAN = float("nan")
GOOD = np.sin(np.arange(100.0))


def verdict(values, **more):
    return assess(
        Series(key=SeriesKey("x"), start=START, step=MINUTE, values=np.array(values, dtype=np.float64)), **more
    )


def test_a_good_series_has_no_defect():
    found = verdict(GOOD)
    assert (found.points, found.gap_ratio, found.duplicates, found.defects) == (100, 0.0, 0, ())
    assert found.last_seen == START + 99 * MINUTE
    assert found.usable


@pytest.mark.parametrize(
    ("values", "more", "defect"),
    [
        (np.where(np.arange(100) % 4 == 0, NAN, GOOD), {}, Defect.GAPPY),
        (GOOD, {"duplicates": 1}, Defect.DUPLICATES),
        (np.full(100, 3.0), {}, Defect.CONSTANT),
        (GOOD[:59], {}, Defect.TOO_SHORT),
        (GOOD, {"now": START + 111 * MINUTE, "limits": Limits(stale_after=10 * MINUTE)}, Defect.STALE),
    ],
)
def test_each_defect_is_named_alone(values, more, defect):
    assert verdict(values, **more).defects == (defect,)


def test_a_series_is_not_stale_up_to_the_limit():
    assert verdict(GOOD, now=START + 110 * MINUTE, limits=Limits(stale_after=10 * MINUTE)).defects == ()


def test_history_has_no_now_and_is_never_stale():
    assert verdict(GOOD, limits=Limits(stale_after=MINUTE)).defects == ()


@pytest.mark.parametrize("values", [[], [NAN] * 100])
def test_a_series_without_a_value_is_all_gap(values):
    found = verdict(values, now=START + 200 * MINUTE, limits=Limits(stale_after=MINUTE))
    assert (found.points, found.gap_ratio, found.last_seen) == (0, 1.0, None)
    assert {Defect.GAPPY, Defect.TOO_SHORT, Defect.STALE} == set(found.defects)
    assert not found.usable


def test_a_gappy_or_constant_series_can_still_be_used():
    assert verdict(np.full(100, 3.0)).usable
    assert verdict(np.where(np.arange(200) % 2 == 0, NAN, 1.0)).usable
