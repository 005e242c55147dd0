"""Desk: the dispatcher at work. It hands out tickets, wakes their holders and keeps the timers."""

import asyncio
import math
from collections.abc import Callable

from semsched.core.dispatch import Answer, Dispatcher, Entry, Limits
from semsched.core.drain import DrainRate
from semsched.core.ledger import Capacity
from semsched.request import Rank, Request
from semsched.serve.journal import Journal


class TurnedAwayError(Exception):
    """A request that is not served: the code says why (as in the errors of the API)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Ticket:
    """A request's place: it waits, then has a seat at a backend, then is over."""

    __slots__ = ("_called", "backend", "carried", "deadline", "id")

    def __init__(self, request: Request) -> None:
        self.id = request.id
        self.deadline = request.deadline
        self.backend = ""
        """Where it was sent last."""
        self.carried = 0
        """As which class the backend is to carry it."""
        self._called: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def called(self) -> str:
        """Wait until it has a seat; says at which backend. Raises TurnedAwayError."""
        return await self._called

    def call(self, backend: str, carried: int) -> None:
        """It has a seat."""
        self.backend, self.carried = backend, carried
        if not self._called.done():
            self._called.set_result(backend)

    def turn_away(self, code: str) -> None:
        """It will have none."""
        if not self._called.done():
            self._called.set_exception(TurnedAwayError(code))
            self._called.exception()  # its holder may have left

    def wait_again(self) -> None:
        """It gave its seat back and wants another."""
        self._called = asyncio.get_running_loop().create_future()


class Desk:
    """Tickets for requests; all methods are for the event loop's thread."""

    def __init__(self, journal: Journal, drain: DrainRate, now: Callable[[], float]) -> None:
        self.dispatcher = journal.dispatcher
        self._journal = journal
        self._drain = drain
        self.now = now
        """Seconds since the gateway started."""
        self._tickets: dict[int, Ticket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def __len__(self) -> int:
        return len(self._tickets)

    # --- requests ------------------------------------------------------------------------

    def offer(self, entry: Entry) -> Ticket:
        """Let a request wait. Raises TurnedAwayError."""
        if not self.dispatcher.ledger.num_open:
            raise TurnedAwayError("no_backend")
        answer: Answer = self._journal.do(Dispatcher.offer, entry)
        for id in answer.shed:
            self._tickets.pop(id).turn_away("queue_full")
        if answer.refused:
            raise TurnedAwayError(answer.refused)
        ticket = self._tickets[entry.request.id] = Ticket(entry.request)
        idle = len(self.dispatcher.lanes) == 1
        self._assign()
        if idle and self.dispatcher.lanes:
            self._drain.begin(self.now())
        self._watch_expiry()
        return ticket

    def retry(self, ticket: Ticket) -> None:
        """Its backend failed it before the first byte: it waits where it stood."""
        ticket.wait_again()
        self._journal.do(Dispatcher.retry, ticket.id)
        self._assign()
        self._watch_expiry()

    def end(
        self, ticket: Ticket, prompt_tokens: int | None = None, output_tokens: int | None = None
    ) -> None:
        """It is over, with so many tokens (None: not known); nothing happens if it was before."""
        if self._tickets.pop(ticket.id, None) is None:
            return
        self._journal.do(Dispatcher.end, ticket.id, prompt_tokens, output_tokens)
        self._assign()

    def rerank(self, id: int, urgency: int, rank: Rank) -> None:
        """Give a waiting request another class."""
        self._journal.do(Dispatcher.rerank, id, urgency, rank)
        self._assign()

    def cancel(self, id: int, code: str) -> None:
        """Turn a waiting request away."""
        ticket = self._tickets[id]
        self.end(ticket)
        ticket.turn_away(code)

    # --- backends ------------------------------------------------------------------------

    def open_backend(self, name: str, capacity: Capacity) -> None:
        """A backend takes requests."""
        self._journal.do(Dispatcher.open_engine, name, capacity)
        self._assign()

    def close_backend(self, name: str) -> None:
        """A backend takes nothing new."""
        self._journal.do(Dispatcher.close_engine, name)
        self._assign()  # who avoided the others may go there now

    def set_limits(self, limits: Limits) -> None:
        """From now on these."""
        self._journal.do(Dispatcher.set_limits, limits)

    # --- within --------------------------------------------------------------------------

    def _assign(self) -> None:
        if not self.dispatcher.lanes:
            return
        for id, backend, carried in self._journal.do(Dispatcher.assign):
            self._tickets[id].call(backend, carried)

    def _watch_expiry(self) -> None:
        at = self.dispatcher.next_expiry()
        if at >= self._timer_at or math.isinf(at):
            return  # an earlier look will see it, or nobody's time ever runs out
        if self._timer:
            self._timer.cancel()
        self._timer_at = at
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(at - self.now(), 0.0), self._expire)

    def _expire(self) -> None:
        self._timer, self._timer_at = None, math.inf
        now = self.now()
        for id in self._journal.do(Dispatcher.expire, now):
            ticket = self._tickets.pop(id)
            ticket.turn_away(self._why_late(ticket, now))
        self._assign()  # who left may have held up others
        self._watch_expiry()

    def _why_late(self, ticket: Ticket, now: float) -> str:
        if not self.dispatcher.ledger.num_open:
            return "no_backend"
        return "deadline_unreachable" if ticket.deadline <= now else "queue_timeout"

    def close(self) -> None:
        """Turn everybody away who has no seat."""
        if self._timer:
            self._timer.cancel()
        for id in list(self.dispatcher.lanes):
            self.cancel(id, "shutting_down")
