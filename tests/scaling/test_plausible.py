"""Forecasts held against history: the first day, the cap, disbelief and its end, and what the state takes."""

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import DataError
from aiops.scaling.loop import step
from aiops.scaling.plausible import Record, believe
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, ScalingState

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = 1440
POLICY = ScalingPolicy.model_validate({"bounds": {"maxReplicas": 500}, "load": {"capacityPerReplica": 10}})


def demand_at(minute: int) -> float:
    """Quiet nights, busy days."""
    return 300.0 + 200.0 * math.sin(2 * math.pi * minute / DAY)


def lived(minutes: int, times: float = 1.2) -> tuple[Record, datetime]:
    record = Record()
    for minute in range(minutes):
        demand = demand_at(minute)
        record = believe(record, times * demand, demand, 1.25, MINUTE, START + minute * MINUTE).record
    return record, START + minutes * MINUTE


def test_on_the_first_day_anything_is_believed():
    record, now = lived(DAY - 61)
    assert believe(record, 1e9, 300.0, 1.25, MINUTE, now)[::2] == (1e9, None)


def test_a_forecast_is_capped_by_what_was_there_at_this_hour():
    record, now = lived(2 * DAY + 360)  # six in the morning: 500 is the most there ever is
    peak, _, doubt = believe(record, 900.0, demand_at(360), 1.25, MINUTE, now)
    assert peak == pytest.approx(1.25 * 500, rel=1e-3)
    assert doubt is Reason.HISTORY_CAP
    assert believe(record, 620.0, demand_at(360), 1.25, MINUTE, now)[::2] == (620.0, None)
    assert believe(record, 1e9, demand_at(360), 1000.0, MINUTE, now)[::2] == (500_000.0, Reason.HISTORY_CAP)


def test_a_launch_beyond_history_lifts_the_cap():
    record, now = lived(2 * DAY)
    record = believe(record, 3000.0, 2000.0, 1.25, MINUTE, now).record
    assert believe(record, 2400.0, 2000.0, 1.25, MINUTE, now + MINUTE).peak == 2400.0


def test_one_that_stays_beyond_belief_is_not_believed_within_half_an_hour_and_is_again_later():
    record, now = lived(2 * DAY)
    doubts = []
    for minute in range(120):
        demand = demand_at(minute)
        times = 3.6 if minute < 60 else 1.2
        peak, record, doubt = believe(record, times * demand, demand, 1.25, MINUTE, now + minute * MINUTE)
        doubts.append(doubt)
        assert peak == demand or doubt is not Reason.FORECAST_IMPLAUSIBLE
    assert doubts[0] is Reason.HISTORY_CAP
    assert 10 < doubts.index(Reason.FORECAST_IMPLAUSIBLE) < 30
    assert set(doubts[30:60]) == {Reason.FORECAST_IMPLAUSIBLE}
    assert doubts[-1] is None


@given(
    st.lists(
        st.tuples(st.none() | st.floats(0, 1e6), st.none() | st.floats(0, 1e6), st.integers(-90, 5000)), max_size=60
    )
)
def test_whatever_happens_a_belief_is_not_above_the_forecast_and_never_made_of_nothing(turns):
    record, now, last = Record(), START, START
    for peak, demand, minutes in turns:
        now += minutes * MINUTE
        believed, record, doubt = believe(record, peak, demand, 1.25, now - last, now)
        last = now
        assert (believed is None) == (peak is None)
        if peak is not None and believed is not None:
            assert believed <= peak
            assert (doubt is None) == (believed == peak)
            assert believed >= (demand or 0.0) or believed == peak
        assert len(json.dumps(record.to_json())) < 1200


def test_a_restart_at_any_turn_changes_nothing():
    lasting = restarted = ScalingState()
    first = second = 1
    for minute in range(0, 3 * DAY, 5):
        demand, now = demand_at(minute) + minute % 7, START + minute * MINUTE
        peak = demand * (3.5 if minute > 2 * DAY else 1.3)
        one, lasting = step(lasting, Observation(current=first, demand=demand), peak, POLICY, now)
        restarted = ScalingState.from_json(json.loads(json.dumps(restarted.to_json())))
        other, restarted = step(restarted, Observation(current=second, demand=demand), peak, POLICY, now)
        assert one == other
        assert lasting == restarted
        first, second = one.desired, other.desired
    assert one.reason is Reason.FORECAST_UNSKILLED
    assert "so present demand counts" in one.message
    assert len(json.dumps(lasting.to_json())) < 4000


def test_a_state_from_before_there_was_a_record_is_read():
    _, state = step(ScalingState(), Observation(current=3, demand=1.0), 20.0, POLICY, START)
    old = {key: value for key, value in state.to_json().items() if key != "record"}
    assert ScalingState.from_json(old).record == Record()


@pytest.mark.parametrize("wrong", [{"beyond": 2.0}, {"highest": (math.inf,)}, {"highest": (1.0,) * 100}])
def test_a_record_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DataError, match="record"):
        Record(**wrong)
