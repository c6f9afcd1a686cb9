"""When events and blackouts are, whatever the clocks do."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.calendar import Blackout, Event, Repeat

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CHANGES = (  # instants at which clocks are put forward or back in one of the zones
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 3, 8, 5, tzinfo=UTC),
)


def span(start: datetime, length: timedelta, repeat: Repeat = Repeat.NEVER) -> Blackout:
    return Blackout.model_validate(
        {
            "name": "night",
            "start": start.strftime("%Y-%m-%dT%H:%M"),
            "end": (start + length).strftime("%Y-%m-%dT%H:%M"),
            "repeat": str(repeat),
        }
    )


def on(blackout: Blackout, zone: str, at: datetime) -> bool:
    return any(blackout.occurrences(ZoneInfo(zone), at, at + timedelta(microseconds=1)))


around_changes = st.builds(
    lambda at, minutes: at + minutes * MINUTE, st.sampled_from(CHANGES), st.integers(-3000, 3000)
)
clock_times = st.integers(0, 24 * 60 - 1).map(lambda minutes: datetime.fromisoformat("2026-01-01") + minutes * MINUTE)
lengths = st.integers(1, 24 * 60).map(lambda minutes: minutes * MINUTE)


@given(at=around_changes, start=clock_times, length=lengths, zone=st.sampled_from(ZONES))
def test_whoever_sees_a_time_of_it_on_the_wall_is_in_it_and_nobody_else_by_more_than_the_clocks_moved(
    at, start, length, zone
) -> None:
    wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    since = (wall - start) % DAY
    found = on(span(start, length, Repeat.DAILY), zone, at)

    if since < length:
        assert found
    elif found:  # clocks move by an hour at most, so it is that close to its start or end
        assert min((start - wall) % DAY, (wall - start - length) % DAY) <= HOUR


@given(start=clock_times, length=lengths, zone=st.sampled_from(ZONES), repeat=st.sampled_from(["Daily", "Weekly"]))
def test_it_comes_as_often_as_it_says_all_year_and_each_time_has_a_length(start, length, zone, repeat) -> None:
    days = 1 if repeat == "Daily" else 7
    first = datetime(2026, 1, 1, tzinfo=UTC)
    found = list(span(start, length, Repeat(repeat)).occurrences(ZoneInfo(zone), first + 14 * DAY, first + 378 * DAY))

    # A midnight that does not exist is read as an hour before it.
    walls = [(each.start + HOUR).astimezone(ZoneInfo(zone)).date() for each in found]
    assert len(found) in (364 // days, 364 // days + 1)
    assert all(after - before == timedelta(days=days) for before, after in itertools.pairwise(walls))
    assert all(length - HOUR <= each.end - each.start <= length + HOUR for each in found)


@pytest.mark.parametrize(
    ("start", "length", "begins", "ends"),
    [
        # 02:30 does not exist: read as 01:30 for a start, as 03:30 for an end.
        ("2026-03-29T02:30", 1, "2026-03-29T00:30+00:00", "2026-03-29T01:30+00:00"),
        ("2026-03-29T01:30", 1, "2026-03-29T00:30+00:00", "2026-03-29T01:30+00:00"),
        # 02:30 is there twice: the first for a start, the second for an end.
        ("2026-10-25T02:30", 1, "2026-10-25T00:30+00:00", "2026-10-25T02:30+00:00"),
        ("2026-10-25T01:30", 1, "2026-10-24T23:30+00:00", "2026-10-25T01:30+00:00"),
        # Others are what the clock says.
        ("2026-07-01T12:00", 2, "2026-07-01T10:00+00:00", "2026-07-01T12:00+00:00"),
        ("2026-12-01T12:00", 2, "2026-12-01T11:00+00:00", "2026-12-01T13:00+00:00"),
    ],
)
def test_a_time_that_is_there_twice_or_not_at_all_makes_it_longer(start, length, begins, ends) -> None:
    once = span(datetime.fromisoformat(start), length * HOUR)
    (found,) = once.occurrences(
        ZoneInfo("Europe/Berlin"), datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    )

    assert (found.start.isoformat(timespec="minutes"), found.end.isoformat(timespec="minutes")) == (begins, ends)


def test_a_yearly_one_keeps_its_dates_over_a_leap_day() -> None:
    carnival = span(datetime.fromisoformat("2026-02-20"), 20 * DAY, Repeat.YEARLY)
    found = list(
        carnival.occurrences(ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC))
    )

    assert [(each.start.strftime("%Y-%m-%d"), each.end.strftime("%m-%d")) for each in found] == [
        ("2026-02-20", "03-12"),
        ("2027-02-20", "03-12"),
        ("2028-02-20", "03-12"),
    ]


EVENT = Event.model_validate(
    {"name": "sale", "start": "2026-06-01T12:00", "end": "2026-06-01T14:00", "ramp": "1h", "multiplier": 3}
)
START = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "strength"),
    [(-61, 0.0), (-60, 0.0), (-45, 0.25), (-15, 0.75), (0, 1.0), (119, 1.0), (120, 0.0), (1440, 0.0)],
)
def test_an_event_grows_over_its_ramp_and_ends_at_its_end(minutes, strength) -> None:
    at = START + minutes * MINUTE

    assert EVENT.strength(ZoneInfo("UTC"), at, at) == pytest.approx(strength if minutes != 0 else 1.0)


@given(minutes=st.integers(-200, 200), window=st.integers(1, 60))
def test_a_window_has_the_most_of_its_minutes(minutes, window) -> None:
    at, zone = START + minutes * MINUTE, ZoneInfo("UTC")
    each = [EVENT.strength(zone, at + n * MINUTE, at + n * MINUTE) for n in range(window + 1)]

    found = EVENT.strength(zone, at, at + window * MINUTE)

    assert max(each[:-1]) <= found <= max(each) + 1e-9
