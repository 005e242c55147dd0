"""Desk: tickets, timers, and who is told what."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from semsched.core.dispatch import Dispatcher, Limits
from semsched.core.drain import DrainRate
from semsched.core.ledger import Capacity
from semsched.policy import semantic
from semsched.serve.desk import Desk, TurnedAwayError
from semsched.serve.journal import FORMAT, Head, Journal
from tests.core.test_dispatch import COST, entry

ROOMY = Limits(9, 99)


def at_the_desk(scene: Callable[[Desk], Awaitable[None]], limits: Limits = ROOMY) -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        journal = Journal(Dispatcher(COST, limits), Head(FORMAT, "", COST, limits), None)
        desk = Desk(journal, DrainRate(), lambda: loop.time() - began)
        await scene(desk)
        desk.close()
        assert not desk.dispatcher.lanes

    asyncio.run(play())


def opened(desk: Desk, seats: int = 1, name: str = "a") -> Desk:
    desk.open_backend(name, Capacity(seats))
    return desk


def test_a_ticket_is_called_when_there_is_a_seat() -> None:
    async def scene(desk: Desk) -> None:
        opened(desk)
        first, second = desk.offer(entry(0, 3)), desk.offer(entry(1, 3))
        urgent = desk.offer(entry(2, 0))
        assert await first.called() == "a"
        desk.end(first)
        assert await urgent.called() == "a"
        desk.end(second)  # its client left
        desk.end(urgent)
        desk.end(urgent)  # a second time does nothing
        assert len(desk) == 0

    at_the_desk(scene)


def test_without_a_backend_nobody_is_let_in() -> None:
    async def scene(desk: Desk) -> None:
        with pytest.raises(TurnedAwayError) as caught:
            desk.offer(entry(0))
        assert caught.value.code == "no_backend"

    at_the_desk(scene)


def test_who_is_shed_is_told() -> None:
    async def scene(desk: Desk) -> None:
        opened(desk)
        desk.offer(entry(0))
        waiting = desk.offer(entry(1, 4))
        desk.offer(entry(2, 0))
        with pytest.raises(TurnedAwayError) as caught:
            await waiting.called()
        assert caught.value.code == "queue_full"
        with pytest.raises(TurnedAwayError) as caught:
            desk.offer(entry(3, 0))
        assert caught.value.code == "queue_full"

    at_the_desk(scene, Limits(1, 99))


def test_time_runs_out_for_each_in_its_own_time() -> None:
    async def scene(desk: Desk) -> None:
        opened(desk)
        desk.offer(entry(0))
        long = desk.offer(entry(1, expires_at=0.08))
        late = entry(2, expires_at=9.0)
        short = desk.offer(late._replace(request=replace(late.request, deadline=0.03)))
        began = asyncio.get_running_loop().time()
        codes = []
        for ticket in (short, long):
            with pytest.raises(TurnedAwayError) as caught:
                await asyncio.wait_for(ticket.called(), 2)
            codes.append((caught.value.code, asyncio.get_running_loop().time() - began))
        (first, first_at), (second, second_at) = codes
        assert (first, second) == ("deadline_unreachable", "queue_timeout")
        assert 0.02 < first_at < second_at

    at_the_desk(scene)


def test_where_no_backend_is_left_that_is_the_reason() -> None:
    async def scene(desk: Desk) -> None:
        opened(desk)
        desk.offer(entry(0))
        waiting = desk.offer(entry(1, expires_at=0.03))
        desk.close_backend("a")
        with pytest.raises(TurnedAwayError) as caught:
            await asyncio.wait_for(waiting.called(), 2)
        assert caught.value.code == "no_backend"

    at_the_desk(scene)


def test_a_retry_waits_for_another_backend() -> None:
    async def scene(desk: Desk) -> None:
        opened(desk)
        ticket = desk.offer(entry(0))
        assert await ticket.called() == "a"
        opened(desk, name="b")
        desk.retry(ticket)
        assert await asyncio.wait_for(ticket.called(), 2) == "b"

    at_the_desk(scene)


def test_an_operator_moves_and_removes() -> None:
    async def scene(desk: Desk) -> None:
        opened(desk)
        running = desk.offer(entry(0))
        low, middle = desk.offer(entry(1, 4)), desk.offer(entry(2, 2))
        raised = replace(desk.dispatcher.entry(1).request, urgency=0)
        desk.rerank(1, 0, semantic(raised))
        desk.cancel(2, "cancelled_by_operator")
        with pytest.raises(TurnedAwayError) as caught:
            await middle.called()
        assert caught.value.code == "cancelled_by_operator"
        desk.end(running)
        assert await low.called() == "a"

    at_the_desk(scene)


def test_who_waited_behind_one_whose_time_ran_out_is_called() -> None:
    async def scene(desk: Desk) -> None:
        desk.open_backend("a", Capacity(9, kv_tokens=100))
        running = desk.offer(entry(0, prompt=50))
        desk.offer(entry(1, 1, prompt=80, expires_at=0.03))  # finds no memory, and holds up others
        small = desk.offer(entry(2, 3, prompt=1, output=1))
        assert await asyncio.wait_for(small.called(), 2) == "a"
        desk.end(running)
        desk.end(small)

    at_the_desk(scene)
