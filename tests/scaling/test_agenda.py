"""What follows from a calendar: an event never asks for less, a blackout takes nothing away; and what prices choose."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.agenda import NOTHING, agenda
from aiops.scaling.calendar import Calendar
from aiops.scaling.loop import step
from aiops.scaling.plausible import Record
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, ScalingState
from aiops.series import epoch_seconds

NOW = datetime(2026, 6, 4, 12, 30, tzinfo=UTC)  # a Thursday
HOUR = int(epoch_seconds(NOW) // 3600)
WINDOW = timedelta(minutes=4)
EVENT = {"name": "sale", "start": "2026-06-04T12:00", "end": "2026-06-04T14:00"}


def calendar(*events, **besides) -> Calendar:
    return Calendar.model_validate(
        {"events": [{**EVENT, "name": f"sale-{n}"} | each for n, each in enumerate(events)]} | besides
    )


def record(*, days: dict[int, float], lately: float = 10.0) -> Record:
    """Return what the loop remembers: demand at this hour so many days ago, and ``lately`` in all other hours."""
    return Record(
        hour=HOUR,
        highest=tuple(days.get(back // 24, lately) if back % 24 == 0 else lately for back in range(73, -1, -1)),
    )


def test_without_a_calendar_or_with_nothing_on_there_is_nothing() -> None:
    assert agenda(None, record(days={1: 100.0}), WINDOW, NOW) is NOTHING
    assert agenda(calendar({"multiplier": 3}), record(days={}), WINDOW, NOW + timedelta(hours=2)) == NOTHING


def test_an_event_multiplies_what_is_usual_at_this_hour() -> None:
    found = agenda(calendar({"multiplier": 3}), record(days={1: 100.0, 2: 80.0, 3: 90.0}), WINDOW, NOW)

    assert (found.expected, found.events) == (300.0, ("sale-0",))


def test_a_day_with_the_event_is_not_usual() -> None:
    """On its second day an event is not multiplied by itself."""
    yesterday_too = {"multiplier": 3, "start": "2026-06-03T11:00"}

    assert agenda(calendar(yesterday_too), record(days={1: 300.0, 2: 80.0}), WINDOW, NOW).expected == 240.0


def test_an_event_of_every_day_is_left_to_the_forecaster() -> None:
    daily = {"multiplier": 3, "start": "2026-05-01T11:00", "end": "2026-05-01T14:00", "repeat": "Daily"}

    assert agenda(calendar(daily), record(days={1: 300.0, 2: 280.0, 3: 310.0}), WINDOW, NOW).expected is None


def test_a_young_workload_has_no_usual_hour_and_what_it_had_before_the_event_counts() -> None:
    young = Record(hour=HOUR, highest=(40.0, 50.0, 170.0))

    assert agenda(calendar({"multiplier": 3}), young, WINDOW, NOW).expected == 150.0


def test_of_events_that_overlap_the_most_counts() -> None:
    events = ({"multiplier": 3}, {"multiplier": 2, "minReplicas": 7}, {"minReplicas": 9, "start": "2026-06-04T13:30"})
    found = agenda(calendar(*events), record(days={1: 100.0}), WINDOW, NOW)

    assert (found.expected, found.min_replicas, found.events) == (300.0, 7, ("sale-0", "sale-1"))


def policy(**besides) -> ScalingPolicy:
    spec = {"bounds": {"minReplicas": 2, "maxReplicas": 30}, "load": {"capacityPerReplica": 10}}
    return ScalingPolicy.model_validate(spec | besides)


peaks = st.none() | st.floats(0, 600)
demands = st.none() | st.floats(0, 600)
events = st.fixed_dictionaries(
    {},
    optional={"multiplier": st.floats(1, 9), "minReplicas": st.integers(1, 30), "ramp": st.sampled_from(["0s", "1h"])},
).filter(lambda event: len(event.keys() - {"ramp"}) > 0)
turns = st.lists(st.tuples(peaks, demands, st.integers(-90, 120)), min_size=1, max_size=8)


@given(turns=turns, event=events, current=st.integers(0, 40))
def test_an_event_never_asks_for_less_and_always_stays_in_the_bounds(turns, event, current) -> None:
    with_it = policy(calendar={"events": [{**EVENT, **event}]})
    state, plain = ScalingState(), policy()
    for peak, demand, minutes in sorted(turns, key=lambda turn: turn[2]):
        now, seen = NOW + timedelta(minutes=minutes), Observation(current=current, demand=demand)
        more, after = step(state, seen, peak, with_it, now)
        less, _ = step(state, seen, peak, plain, now)

        assert more.desired >= less.desired
        assert more.desired <= max(30, less.desired)
        state, current = after, more.desired


@pytest.mark.parametrize("forbids", ["ScaleDown", "AnyChange"])
@given(peak=peaks, demand=demands, current=st.integers(0, 40))
def test_a_blackout_takes_nothing_away_and_if_it_says_so_adds_nothing(peak, demand, current, forbids) -> None:
    blackout = {"name": "freeze", "start": "2026-06-01T00:00", "end": "2026-06-08T00:00", "forbids": forbids}
    decided, state = step(
        ScalingState(),
        Observation(current=current, demand=demand),
        peak,
        policy(
            calendar={"blackouts": [blackout]},
            behavior={"scaleDown": {"maxStepRatio": 1, "stabilizationWindow": "0s", "tolerance": 0}},
        ),
        NOW,
    )

    if forbids == "AnyChange":
        assert decided.desired == current
    else:
        assert decided.desired >= min(current, 30)
    assert "blackout freeze" in decided.message
    assert ScalingState.from_json(state.to_json()) == state


def test_a_blackout_does_not_keep_the_guard_from_taking_a_change_back() -> None:
    blackout = {"name": "freeze", "start": "2026-06-04T12:31", "end": "2026-06-05T00:00", "forbids": "AnyChange"}
    guarded = policy(
        mode="Direct",
        trust={"proving": "0s"},
        calendar={"blackouts": [blackout]},
        behavior={"scaleDown": {"maxStepRatio": 1, "stabilizationWindow": "0s"}},
        guard={"slos": [{"name": "errors", "query": "e", "threshold": 0.01}], "failureLimit": 1},
    )
    good, bad = {"errors": 0.0}, {"errors": 1.0}
    shrunk, state = step(ScalingState(), Observation(current=10, demand=30.0, readings=good), 40.0, guarded, NOW)
    back, _ = step(state, Observation(current=4, demand=30.0, readings=bad), 40.0, guarded, NOW + timedelta(minutes=2))

    assert shrunk.desired == 4
    assert (back.desired, back.reason) == (10, Reason.ROLLED_BACK)


@pytest.mark.parametrize(
    ("replica_hour", "unmet_request", "level"),
    [
        (0.05, 0.05 / 36_000, 0.5),  # a replica that is missing for an hour costs what one too many does
        (0.05, 3 * 0.05 / 36_000, 0.75),
        (0.05, 19 * 0.05 / 36_000, 0.95),
        (0.05, 0.05 / 360_000, 0.5),  # bounded: 1 / 11 else
        (0.05, 1.0, 0.999),
    ],
)
def test_prices_choose_the_level(replica_hour, unmet_request, level) -> None:
    priced = policy(prices={"replicaHour": replica_hour, "unmetRequest": unmet_request}, forecast={"level": 0.9})

    assert priced.level == pytest.approx(level)
    assert policy(forecast={"level": 0.9}).level == 0.9


@given(dear=st.floats(1e-9, 1.0), dearer=st.floats(1.0, 100.0), size=st.floats(0.1, 1000))
def test_dearer_misses_never_plan_for_less(dear, dearer, size) -> None:
    levels = [
        policy(prices={"replicaHour": 0.05, "unmetRequest": dear * times}, load={"capacityPerReplica": size}).level
        for times in (1.0, dearer)
    ]

    assert 0.5 <= levels[0] <= levels[1] <= 0.999
