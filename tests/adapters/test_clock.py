"""Clocks: the machine's, a rehearsal of the past, and one that is told the time."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from aiops.adapters.clock import RehearsalClock, SimulatedClock, SystemClock
from aiops.errors import DataError

START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_system_clock_is_utc_and_sleeps_until_then():
    clock = SystemClock()
    until = clock.now() + timedelta(milliseconds=30)
    asyncio.run(clock.sleep_until(until))
    assert until <= clock.now() < until + timedelta(seconds=5)
    assert clock.now().utcoffset() == timedelta(0)


def test_the_system_clock_does_not_wait_for_what_has_passed():
    clock = SystemClock()
    begun = time.monotonic()
    asyncio.run(clock.sleep_until(clock.now() - HOUR))
    assert time.monotonic() - begun < 1


def test_a_rehearsal_starts_in_the_past_and_runs_as_fast_as_it_was_told():
    anchor = datetime.now(UTC) - timedelta(minutes=2)
    clock = RehearsalClock(START, anchor, speed=30)
    assert START + HOUR <= clock.now() < START + HOUR + timedelta(minutes=5)
    assert clock.now().utcoffset() == timedelta(0)


def test_a_rehearsal_sleeps_its_share_of_the_real_time():
    clock = RehearsalClock(START, datetime.now(UTC), speed=3_600)
    begun = time.monotonic()
    asyncio.run(clock.sleep_until(START + HOUR / 4))
    assert clock.now() >= START + HOUR / 4
    assert 0.2 <= time.monotonic() - begun < 5


def test_processes_of_one_rehearsal_agree_on_the_time():
    anchor = datetime.now(UTC)
    one, other = (RehearsalClock(START, anchor, speed=10) for _ in range(2))
    assert one.now() <= other.now() <= one.now()


def test_simulated_time_stands_still_until_it_is_told():
    clock = SimulatedClock(START)
    time.sleep(0.01)
    assert clock.now() == START
    clock.advance(HOUR)
    assert clock.now() == START + HOUR


def test_simulated_sleep_jumps_and_never_backwards():
    clock = SimulatedClock(START)
    asyncio.run(clock.sleep_until(START + 1000 * HOUR))
    asyncio.run(clock.sleep_until(START))
    assert clock.now() == START + 1000 * HOUR


def test_simulated_sleep_keeps_the_pace_it_was_given():
    clock = SimulatedClock(START, speed=36_000)
    begun = time.monotonic()

    asyncio.run(clock.sleep_until(START + HOUR))
    time.sleep(0.05)  # work counts against the next sleep
    asyncio.run(clock.sleep_until(START + 2 * HOUR))
    assert clock.now() == START + 2 * HOUR
    assert 0.2 <= time.monotonic() - begun < 1


def test_other_tasks_get_their_turn_in_a_simulated_sleep():
    clock = SimulatedClock(START)
    order = []

    async def count(name):
        for hour in range(2):
            order.append(name)
            await clock.sleep_until(START + hour * HOUR)

    async def both():
        await asyncio.gather(count("a"), count("b"))

    asyncio.run(both())
    assert order == ["a", "b", "a", "b"]


def test_a_clock_refuses_what_makes_no_time():
    with pytest.raises(DataError, match="UTC"):
        SimulatedClock(START.replace(tzinfo=None))
    with pytest.raises(DataError, match="anchor must be timezone-aware UTC"):
        RehearsalClock(START, START.replace(tzinfo=None))
    with pytest.raises(ValueError, match="positive"):
        RehearsalClock(START, START, speed=0)
    with pytest.raises(ValueError, match="positive"):
        SimulatedClock(START, speed=0)
    with pytest.raises(ValueError, match="backwards"):
        SimulatedClock(START).advance(-HOUR)
