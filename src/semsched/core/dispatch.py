"""Dispatcher: who waits in front of the engines, who goes to which, who is turned away.

The whole life of a live request between its arrival and its end, as a pure state machine: it is
told what happened and the time, and says what to do. Two dispatchers that are told the same do
the same, which is how a recorded day can be replayed.
"""

import math
from collections.abc import Set
from dataclasses import replace
from functools import lru_cache, partial
from heapq import nsmallest
from typing import NamedTuple

from semsched.core.cost import StepCost, remaining_time
from semsched.core.lanes import Lanes, Place
from semsched.core.ledger import Capacity, Ledger, Load
from semsched.core.queue import WaitQueue
from semsched.core.shares import UrgentShares
from semsched.request import NUM_CLASSES, Rank, Request


class Limits(NamedTuple):
    """How much may wait, in all."""

    max_waiting: int
    max_waiting_bytes: int


class Entry(NamedTuple):
    """A request that asks to wait."""

    request: Request
    rank: Rank
    num_bytes: int
    """Memory that its body takes while it is here."""
    expires_at: float
    """When it gives up waiting (inf: never); a deadline of the request counts, too."""
    weight: float = 1.0
    """Share of its tenant among those of its class."""
    max_waiting: int = 2**31 - 1
    """Requests of its tenant that may wait, itself included."""


class Answer(NamedTuple):
    """What becomes of an offer: refused with a code, or in (code ''), at the cost of others."""

    refused: str
    shed: tuple[int, ...] = ()
    """Requests that had to leave for it, each of a less urgent class."""


class Assignment(NamedTuple):
    """Send this request to that engine now, which is to carry it as that class (shares.py)."""

    id: int
    engine: str
    carried: int


class Dispatcher:
    """One queue in front of all engines. Every method costs O(log n) per request it moves."""

    def __init__(self, cost: StepCost, limits: Limits) -> None:
        self.limits = limits
        self.ledger = Ledger()
        self.lanes = Lanes()
        self.seated: dict[int, str] = {}
        """The engine of each request that was sent to one."""
        self._time_left = lru_cache(4096)(partial(remaining_time, cost))  # asked for time and again
        self._shares = UrgentShares()
        self._entries: dict[int, Entry] = {}
        self._bytes = [0] * NUM_CLASSES
        self._avoid: dict[int, frozenset[str]] = {}
        self._expiry: WaitQueue[int] = WaitQueue()

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, id: int) -> Entry:
        """What was offered; KeyError after its end."""
        return self._entries[id]

    # --- in ------------------------------------------------------------------------------

    def offer(self, entry: Entry) -> Answer:
        """Let a request wait if there is room, or if it can be made, or if it need not wait.

        Where the queue is full the worst of strictly less urgent classes go, as many as needed,
        and where the tenant's share of it is, the worst of its own: a queue full of newsletters
        refuses no emergency.
        """
        request, shed = entry.request, list[int]()
        self._shares.know(request.tenant, request.urgency, entry.weight)
        if not self._runs_at_once(request):
            urgent = range(request.urgency + 1)
            if self.lanes.num_of(request.tenant, urgent) >= entry.max_waiting:
                return Answer("tenant_full")
            if not self._can_fit(entry):
                return Answer("queue_full")
            shed = self._make_room(entry)
        self._entries[request.id] = entry
        self._wait(entry)
        return Answer("", tuple(shed))

    def _runs_at_once(self, request: Request) -> bool:
        """Whether an engine has room for it and nobody waits who could take it."""
        return self._next() is None and self.ledger.choose(self._load(request)) is not None

    def _next(self, but: Set[str] = frozenset()) -> int | None:
        """Whose turn it is of those for whom there is a seat, these tenants left out."""
        classes = self.lanes.classes
        return self.lanes.next(self.ledger.classes_with_seat(classes), but) if classes else None

    def _make_room(self, entry: Entry) -> list[int]:
        """Turn away who must go for one that fits beside those at least as urgent."""
        shed, tenant = [], entry.request.tenant
        while self.lanes.num_of(tenant) >= entry.max_waiting:
            shed.append(self.lanes.worst_of(tenant))
            self._leave(shed[-1])
        while self._is_full(len(self.lanes), self.waiting_bytes + entry.num_bytes):
            shed.append(self.lanes.worst())
            self._leave(shed[-1])
        return shed

    def _can_fit(self, entry: Entry) -> bool:
        """Whether it fits beside those who are at least as urgent."""
        classes = range(entry.request.urgency + 1)
        num_waiting = sum(self.lanes.num_in(urgency) for urgency in classes)
        num_bytes = sum(self._bytes[urgency] for urgency in classes)
        return not self._is_full(num_waiting, num_bytes + entry.num_bytes)

    def _is_full(self, num_waiting: int, num_bytes: int) -> bool:
        limits = self.limits
        return num_waiting >= limits.max_waiting or num_bytes > limits.max_waiting_bytes

    @property
    def waiting_bytes(self) -> int:
        """Memory that the bodies of those who wait take."""
        return sum(self._bytes)

    def _wait(self, entry: Entry) -> None:
        request = entry.request
        key = (*entry.rank.key(self._service_time(request)), request.arrived_at, request.id)
        self.lanes.push(request.id, Place(request.urgency, request.tenant, key))
        self._expiry.push(request.id, (min(entry.expires_at, request.deadline), request.id))
        self._bytes[request.urgency] += entry.num_bytes

    def _service_time(self, request: Request) -> float:
        """Predicted seconds, alone on an engine."""
        p50, p90 = request.predicted_output_tokens, request.predicted_p90_tokens
        return self._time_left(request.prompt_tokens, 0, 0, p50, p90)

    # --- to an engine --------------------------------------------------------------------

    def assign(self) -> list[Assignment]:
        """Send to the engines whatever they have room for now, best first.

        Who is next and finds no memory waits for it, and nobody who ranks worse passes. A class
        that finds no seat, because of a reserve, holds up no other; nor does who waits for another
        engine than the one that failed it, or a tenant who has its share of urgent seats.
        """
        assigned, aside, spent = [], dict[int, Place](), set[str]()
        while (id := self._next(spent)) is not None:
            entry = self._entries[id]
            load = self._load(entry.request)
            engine = self.ledger.choose(load, self._avoid.get(id, frozenset()))
            if engine is not None:
                self._seat(entry, load, engine)
                assigned.append(Assignment(id, engine, load.urgency))
            elif id in self._avoid:
                aside[id] = self.lanes.remove(id)
            elif load.urgency > entry.request.urgency:
                spent.add(entry.request.tenant)
            else:
                break
        for id, place in aside.items():
            self.lanes.push(id, place)
        return assigned

    def _load(self, request: Request) -> Load:
        """Seconds by P50, memory by P90, where there is one."""
        longest = max(request.predicted_output_tokens, request.predicted_p90_tokens)
        kv_tokens = request.prompt_tokens + min(longest, request.max_output_tokens)
        carried = self._shares.carried(request.tenant, request.urgency, self.ledger.num_seats)
        return Load(carried, kv_tokens, self._service_time(request))

    def _seat(self, entry: Entry, load: Load, engine: str) -> None:
        id = entry.request.id
        self._unqueue(entry)
        self.lanes.serve(id, load.work / entry.weight)
        self.ledger[engine].add(id, load)
        self._shares.take(entry.request.tenant, load.urgency)
        self.seated[id] = engine

    def _unqueue(self, entry: Entry) -> None:
        self._expiry.remove(entry.request.id)
        self._bytes[entry.request.urgency] -= entry.num_bytes

    # --- back ----------------------------------------------------------------------------

    def retry(self, id: int) -> None:
        """The engine failed it before the first byte: it waits again, where it stood.

        It goes back there only if no other engine takes requests. It keeps its place even in a
        full queue: it was let in.
        """
        entry, engine = self._entries[id], self.seated.pop(id)
        load, request = self._unseat(entry, engine), entry.request
        self.lanes.charge(request.urgency, request.tenant, -load.work / entry.weight)
        self._avoid[id] = self._avoid.get(id, frozenset()) | {engine}
        self._wait(entry)

    def end(self, id: int, prompt_tokens: int | None, output_tokens: int | None) -> None:
        """It is over, wherever it stood; so many tokens went in and came out (None: not known).

        The tenant is charged for what it used, as far as that is known, not for what was predicted.
        """
        entry = self._entries[id]
        engine = self.seated.pop(id, None)
        if engine is None:
            self._leave(id)
            return
        request, load = entry.request, self._unseat(entry, engine)
        used = load.work
        if output_tokens is not None:
            read = request.prompt_tokens if prompt_tokens is None else max(prompt_tokens, 1)
            used = self._time_left(read, 0, 0, output_tokens, 0)
        self.lanes.charge(request.urgency, request.tenant, (used - load.work) / entry.weight)
        self._forget(id)

    def _unseat(self, entry: Entry, engine: str) -> Load:
        load = self.ledger[engine].remove(entry.request.id)
        self._shares.give_back(entry.request.tenant, load.urgency)
        return load

    def expire(self, now: float) -> list[int]:
        """Let go of all whose time to wait is over, and say who they are."""
        expired = []
        while self.next_expiry() <= now:
            expired.append(self._expiry.best())
            self._leave(expired[-1])
        return expired

    def next_expiry(self) -> float:
        """When the next one gives up, unless it is served before; inf if nobody will."""
        if not self._expiry:
            return math.inf
        at: float = self._expiry.key(self._expiry.best())[0]
        return at

    def rerank(self, id: int, urgency: int, rank: Rank) -> bool:
        """Give a waiting request another class and rank; False if it does not wait."""
        if id not in self.lanes:
            return False
        entry = self._entries[id]
        self._shares.know(entry.request.tenant, urgency, entry.weight)
        self.lanes.remove(id)
        self._unqueue(entry)
        changed = entry._replace(request=replace(entry.request, urgency=urgency), rank=rank)
        self._entries[id] = changed
        self._wait(changed)
        return True

    def _leave(self, id: int) -> None:
        self._unqueue(self._entries[id])
        self.lanes.remove(id)
        self._forget(id)

    def _forget(self, id: int) -> None:
        del self._entries[id]
        self._avoid.pop(id, None)

    # --- engines -------------------------------------------------------------------------

    def open_engine(self, name: str, capacity: Capacity) -> None:
        """An engine takes requests, within this capacity from now on."""
        self.ledger.open(name, capacity)

    def close_engine(self, name: str) -> None:
        """An engine takes nothing new; what it was given goes on."""
        self.ledger.close(name)

    def set_limits(self, limits: Limits) -> None:
        """From now on these; who waits already stays."""
        self.limits = limits

    def bytes_in(self, urgency: int) -> int:
        """Memory that the bodies of a class take while they wait."""
        return self._bytes[urgency]

    def first_of(self, urgency: int) -> Request | None:
        """Of those of a class who wait, the first to come; None if nobody does."""
        first = self.lanes.first_of(urgency)
        return None if first is None else self._entries[first].request

    def in_order(self, num: int) -> list[int]:
        """The first `num` of those who wait, by class and rank, whoever's turn it is."""
        return nsmallest(num, self.lanes, key=lambda id: self.lanes[id].key)
