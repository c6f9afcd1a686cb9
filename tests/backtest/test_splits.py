from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.backtest.splits import RollingOrigins
from aiops.errors import DataError
from aiops.series import Frame, SeriesKey

HOUR = timedelta(hours=1)


def frame(n):
    start = datetime(2026, 1, 5, tzinfo=UTC)
    return Frame(keys=(SeriesKey("s"),), start=start, step=HOUR, values=np.arange(float(n))[None])


def test_truth_follows_history_at_each_origin_and_ends_with_the_frame():
    splits = list(RollingOrigins(horizon=3, count=2, stride=4).split(frame(20)))
    assert [split.history.values[0, -1] for split in splits] == [12.0, 16.0]
    assert [split.truth.tolist() for split in splits] == [[[13.0, 14.0, 15.0]], [[17.0, 18.0, 19.0]]]
    assert splits[1].history.cutoff == frame(20).start + 16 * HOUR


def test_without_a_stride_truths_follow_on_each_other():
    splits = RollingOrigins(horizon=5, count=3).split(frame(20))
    assert np.concatenate([split.truth[0] for split in splits]).tolist() == list(range(5, 20))


def test_history_is_limited_on_both_sides():
    splits = list(RollingOrigins(horizon=2, count=9, longest_history=6, shortest_history=4).split(frame(12)))
    assert [split.history.length for split in splits] == [4, 6, 6, 6]
    assert splits[-1].history.values[0].tolist() == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_a_frame_too_short_has_no_split():
    assert list(RollingOrigins(horizon=5, count=3).split(frame(5))) == []


@pytest.mark.parametrize("wrong", [{"horizon": 0}, {"count": 0}, {"stride": 0}, {"longest_history": 0}])
def test_lengths_are_at_least_one(wrong):
    with pytest.raises(DataError, match="at least 1"):
        RollingOrigins(**{"horizon": 1, "count": 1, **wrong})
