"""Who takes turns, without a cluster: the turn itself is a function."""

import asyncio
from datetime import timedelta

from aiops.adapters.clock import SystemClock
from operators.fleet import Fleet

MINUTE = timedelta(minutes=1)


def test_one_that_comes_back_while_it_is_found_gone_goes_on_taking_turns():
    turns = []

    async def run():
        again = asyncio.Event()

        async def turn(namespace, name):
            turns.append((namespace, name))
            if len(turns) == 1:
                fleet.look("shop", "checkout", 1, True)  # deleted
                fleet.look("shop", "checkout", 1, False)  # and made anew, before the answer "there is none" arrives
                return None
            again.set()
            return MINUTE

        fleet = Fleet(turn, SystemClock(), at_once=1)
        fleet.look("shop", "checkout", 1, False)
        await asyncio.wait_for(again.wait(), 5)
        await fleet.stop()

    asyncio.run(run())
    assert turns == [("shop", "checkout")] * 2


def test_one_that_is_gone_takes_no_more_turns_and_a_new_one_of_its_name_does():
    turns = []

    async def run():
        async def turn(namespace, name):
            turns.append((namespace, name))
            return None

        fleet = Fleet(turn, SystemClock(), at_once=1)
        for _ in range(2):
            fleet.look("shop", "checkout", 1, False)
            await asyncio.sleep(0.05)
        await fleet.stop()

    asyncio.run(run())
    assert len(turns) == 2
