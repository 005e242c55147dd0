"""Ledger: what each engine has been given to do, by our own books.

What an engine says of itself comes seconds late; what we have sent to it and not yet got back
is known at once. So a request goes to an engine only where the books show a free seat and room
for its prompt and the longer output that 9 of 10 such answers do not exceed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from semsched.request import NUM_CLASSES

URGENT = 1
"""The least urgent class for which the reserve is kept."""


class Load(NamedTuple):
    """What a request asks of an engine."""

    urgency: int
    kv_tokens: int
    """Tokens whose KV it is planned to hold at its end."""
    work: float
    """Predicted seconds by which it holds up the engine."""


class Capacity(NamedTuple):
    """What an engine is given at most.

    `seats` requests at once, `reserve` of them kept for classes 0 and 1; `kv_tokens` 0 sets no
    limit. An engine that `preempts` the less urgent itself has room for a request as long as
    those at least as urgent leave it some, up to twice its seats in all.
    """

    seats: int
    kv_tokens: int = 0
    reserve: int = 0
    preempts: bool = False


@dataclass(slots=True)
class Account:
    """One engine's page of the ledger."""

    capacity: Capacity
    loads: dict[int, Load] = field(default_factory=dict)
    num: list[int] = field(default_factory=lambda: [0] * NUM_CLASSES)
    kv_tokens: list[int] = field(default_factory=lambda: [0] * NUM_CLASSES)
    work: float = 0.0
    """Predicted seconds of what it was given and has not finished."""

    def has_seat(self, urgency: int) -> bool:
        """Whether a request of that class may take a seat."""
        seats, kept = self.capacity.seats, self.capacity.reserve if urgency > URGENT else 0
        return sum(self._counted(self.num, urgency)) + kept < seats and len(self.loads) < 2 * seats

    def has_room(self, load: Load) -> bool:
        """Whether there is a seat and KV memory; a request alone always has memory."""
        if not self.has_seat(load.urgency):
            return False
        held = sum(self._counted(self.kv_tokens, load.urgency))
        limit = self.capacity.kv_tokens
        return not limit or not held or held + load.kv_tokens <= limit

    def _counted(self, per_class: list[int], urgency: int) -> list[int]:
        return per_class[: urgency + 1] if self.capacity.preempts else per_class

    def add(self, id: int, load: Load) -> None:
        """The engine was given a request."""
        self.loads[id] = load
        self._book(load, 1)

    def remove(self, id: int) -> Load:
        """The engine is done with it; says what it was."""
        load = self.loads.pop(id)
        self._book(load, -1)
        if not self.loads:
            self.work = 0.0  # no drift
        return load

    def _book(self, load: Load, sign: int) -> None:
        self.num[load.urgency] += sign
        self.kv_tokens[load.urgency] += sign * load.kv_tokens
        self.work += sign * load.work


class Ledger:
    """All engines, by name. An engine that takes nothing new keeps what it was given."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._open: set[str] = set()
        self.num_seats = 0
        """Seats of all engines that take requests."""

    def __getitem__(self, name: str) -> Account:
        return self._accounts[name]

    def __contains__(self, name: object) -> bool:
        return name in self._accounts

    @property
    def num_open(self) -> int:
        """Engines that take requests."""
        return len(self._open)

    def open(self, name: str, capacity: Capacity) -> None:
        """An engine takes requests, within this capacity from now on."""
        if name in self._accounts:
            self._accounts[name].capacity = capacity
        else:
            self._accounts[name] = Account(capacity)
        self._open.add(name)
        self._count_seats()

    def close(self, name: str) -> None:
        """An engine takes nothing new."""
        self._open.discard(name)
        self._count_seats()

    def _count_seats(self) -> None:
        self.num_seats = sum(self._accounts[name].capacity.seats for name in self._open)

    def classes_with_seat(self, among: Iterable[int] = range(NUM_CLASSES)) -> list[int]:
        """The classes for which some engine has a seat."""
        accounts = [self._accounts[name] for name in self._open]
        return [
            urgency for urgency in among if any(account.has_seat(urgency) for account in accounts)
        ]

    def choose(self, load: Load, avoid: frozenset[str] = frozenset()) -> str | None:
        """The engine with room and the least predicted work; None if none has room.

        One to avoid is taken only where no other takes requests at all.
        """
        names = self._open - avoid or self._open
        fitting = [name for name in names if self._accounts[name].has_room(load)]
        return min(fitting, key=self._order, default=None)

    def _order(self, name: str) -> tuple[float, int, str]:
        account = self._accounts[name]
        return account.work, len(account.loads), name
