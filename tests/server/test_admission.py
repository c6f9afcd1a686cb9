"""How much work is let in, and in which order."""

import asyncio

import grpc
import pytest

from aiops.server.admission import Admission, Turns


def test_calls_beyond_the_bound_are_sent_away_until_one_ends():
    async def work():
        admission, leave = Admission(2, Turns()), asyncio.Event()

        async def call():
            refused = admission.enter()
            if refused is None:
                await leave.wait()
            return refused

        calls = [asyncio.create_task(call()) for _ in range(3)]
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = [each.result() for each in done]
        assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "2 calls wait here already" in refused.message
        assert 10 <= refused.wait_milliseconds <= 5000
        leave.set()
        await asyncio.gather(*calls)
        assert await asyncio.create_task(call()) is None

    asyncio.run(work())


@pytest.mark.parametrize(("seconds", "wait"), [(0.0, 10), (10.0, 5000)])
def test_who_is_sent_away_is_told_when_to_come_back(seconds, wait):
    async def work():
        admission = Admission(1, Turns())
        for _ in range(500):
            admission.took(seconds)
        assert admission.enter() is None
        refused = admission.enter()
        assert refused is not None
        assert refused.wait_milliseconds == wait

    asyncio.run(work())


def test_a_call_that_dies_makes_room():
    async def work():
        admission = Admission(1, Turns())

        async def call():
            admission.enter()
            await asyncio.sleep(60)

        dying = asyncio.create_task(call())
        await asyncio.sleep(0)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        assert admission.enter() is None

    asyncio.run(work())


def test_turns_come_in_order_and_the_loop_breathes_between_them():
    async def work():
        turns, order, looked = Turns(), [], []

        async def call(number):
            async with turns:
                order.append(number)

        async def look():
            while len(order) < 10:
                looked.append(len(order))
                await asyncio.sleep(0)

        await asyncio.gather(look(), *(call(number) for number in range(10)))
        assert order == list(range(10))
        assert len(looked) >= 5

    asyncio.run(work())


def test_who_gives_up_waiting_does_not_hold_up_the_others():
    async def work():
        turns, done = Turns(), []

        async def call(number):
            async with turns:
                await asyncio.sleep(0.01)
                done.append(number)

        calls = [asyncio.create_task(call(number)) for number in range(4)]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.sleep(0)
        calls[2].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0)
        await asyncio.wait_for(call(9), 5)
        assert done == [0, 3, 9]

    asyncio.run(work())


def test_a_turn_that_was_given_to_one_who_left_is_passed_on():
    async def work():
        turns, done = Turns(), []

        async def call(number):
            async with turns:
                done.append(number)

        async with turns:
            waiting = [asyncio.create_task(call(number)) for number in range(2)]
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(waiting[0].cancel)  # after the turn was given, before it was taken
        await asyncio.gather(*waiting, return_exceptions=True)
        assert done == [1]

    asyncio.run(work())
