from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import DataError
from aiops.series.grid import epoch_seconds, floor, from_epoch, require_step, require_utc

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
instants = st.integers(-(10**15), 10**16).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
steps = st.timedeltas(timedelta(microseconds=1), timedelta(days=7))


@given(at=instants, step=steps)
def test_the_floor_is_the_last_multiple_of_the_step_to_the_microsecond(at, step):
    found = floor(at, step)
    assert found <= at < found + step
    assert (found - EPOCH) % step == timedelta(0)
    assert floor(found, step) == found


@given(at=instants)
def test_an_instant_survives_being_a_number(at):
    assert abs(from_epoch(epoch_seconds(at)) - at) <= timedelta(microseconds=1)


def test_what_is_no_grid_is_refused():
    with pytest.raises(DataError, match="start must be timezone-aware UTC"):
        require_utc(datetime(2026, 1, 1), "start")  # noqa: DTZ001 - the mistake that is looked for
    with pytest.raises(DataError, match="step must be positive"):
        require_step(timedelta(0))
