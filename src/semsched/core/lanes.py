"""Lanes: the requests that wait for an engine, one lane per class, fair between tenants.

The lane whose best request ranks best is served first. Inside a lane the tenants take turns by
the service they have had there for their weight, and each tenant's best request goes first: a
tenant who sends a thousand requests waits behind its own, not before others. With one tenant a
lane is a WaitQueue.

Source: start-time fair queueing (Goyal 1996), with predicted seconds of service as the length of
a packet, set right when the answer has ended; VTC (arXiv 2401.00588) counts tokens likewise.
"""

from collections.abc import Iterable, Iterator, Set
from operator import neg
from typing import NamedTuple

from semsched.core.queue import WaitQueue
from semsched.core.sequence import Key
from semsched.request import NUM_CLASSES


class Place(NamedTuple):
    """Where a request waits."""

    urgency: int
    tenant: str
    key: Key


class Lane:
    """The waiting requests of one class."""

    def __init__(self) -> None:
        self._by_rank: WaitQueue[int] = WaitQueue()
        self._worst_first: WaitQueue[int] = WaitQueue()
        self._of_tenant: dict[str, WaitQueue[int]] = {}
        self._turns: WaitQueue[str] = WaitQueue()
        self._served: dict[str, float] = {}
        """Seconds of service per weight, of each tenant that was ever here."""
        self._reached = 0.0
        """What the tenant had that was served last: who comes back starts there, not earlier."""

    def best_key(self) -> Key:
        """The key of its best request, whoever's turn it is."""
        return self._by_rank.key(self._by_rank.best())

    def next(self, but: Set[str]) -> int | None:
        """The best request of the tenant whose turn it is, these left out; None if no other waits.

        O(tenants) if any is left out.
        """
        tenants = [tenant for tenant in self._turns if tenant not in but] if but else None
        if tenants is None:
            return self._of_tenant[self._turns.best()].best()
        first = min(tenants, key=self._turns.key, default=None)
        return None if first is None else self._of_tenant[first].best()

    def worst(self) -> int:
        """The request that would be served last if there were no turns."""
        return self._worst_first.best()

    def worst_of(self, tenant: str) -> int:
        """The same of one tenant's; O(n)."""
        return max(self._of_tenant[tenant], key=self._by_rank.key)

    def first(self) -> int:
        """The request with the lowest id: the first to come."""
        return min(self._by_rank)

    def num_of(self, tenant: str) -> int:
        """Requests of a tenant."""
        return len(self._of_tenant[tenant]) if tenant in self._of_tenant else 0

    def push(self, id: int, place: Place) -> None:
        """Let a request wait."""
        self._by_rank.push(id, place.key)
        self._worst_first.push(id, tuple(map(neg, place.key)))
        if place.tenant not in self._of_tenant:
            self._of_tenant[place.tenant] = WaitQueue()
            served = max(self._served.get(place.tenant, 0.0), self._reached)
            self._served[place.tenant] = served
            self._turns.push(place.tenant, (served, place.tenant))
        self._of_tenant[place.tenant].push(id, place.key)

    def remove(self, id: int, tenant: str) -> None:
        """Take a request out."""
        self._by_rank.remove(id)
        self._worst_first.remove(id)
        self._of_tenant[tenant].remove(id)
        if not self._of_tenant[tenant]:
            del self._of_tenant[tenant]
            self._turns.remove(tenant)

    def serve(self, tenant: str) -> None:
        """A request of `tenant` is served now, before it is charged."""
        self._reached = max(self._reached, self._served[tenant])

    def charge(self, tenant: str, share: float) -> None:
        """Add to what a tenant had: seconds per weight (less than 0 gives back)."""
        self._served[tenant] += share
        if tenant in self._turns:
            self._turns.rerank(tenant, (self._served[tenant], tenant))


class Lanes:
    """All who wait; every operation costs O(log n)."""

    def __init__(self) -> None:
        self._lanes = [Lane() for _ in range(NUM_CLASSES)]
        self._num = [0] * NUM_CLASSES
        self._places: dict[int, Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, id: object) -> bool:
        return id in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __getitem__(self, id: int) -> Place:
        return self._places[id]

    @property
    def classes(self) -> list[int]:
        """Those in which somebody waits."""
        return [urgency for urgency, num in enumerate(self._num) if num]

    def num_in(self, urgency: int) -> int:
        """Requests of a class."""
        return self._num[urgency]

    def num_of(self, tenant: str, classes: Iterable[int] = range(NUM_CLASSES)) -> int:
        """Requests of a tenant in these classes."""
        return sum(self._lanes[urgency].num_of(tenant) for urgency in classes)

    def first_of(self, urgency: int) -> int | None:
        """Of a class, the request with the lowest id; O(n)."""
        return self._lanes[urgency].first() if self.num_in(urgency) else None

    def push(self, id: int, place: Place) -> None:
        """Let a request wait; ValueError if it does already."""
        if id in self._places:
            raise ValueError(f"request {id} is already waiting")
        self._lanes[place.urgency].push(id, place)
        self._num[place.urgency] += 1
        self._places[id] = place

    def remove(self, id: int) -> Place:
        """Take a request out, wherever it stands; KeyError if it does not wait."""
        place = self._places.pop(id)
        self._lanes[place.urgency].remove(id, place.tenant)
        self._num[place.urgency] -= 1
        return place

    def next(self, classes: Iterable[int], but: Set[str] = frozenset()) -> int | None:
        """Who of these classes is served next, these tenants left out; None if nobody waits."""
        lanes = [self._lanes[urgency] for urgency in classes if self.num_in(urgency)]
        if not but:
            return min(lanes, key=Lane.best_key).next(but) if lanes else None
        found = (lane.next(but) for lane in sorted(lanes, key=Lane.best_key))
        return next((id for id in found if id is not None), None)

    def serve(self, id: int, share: float) -> None:
        """Take out who is served, and charge the tenant (seconds per weight)."""
        place = self._places[id]
        lane = self._lanes[place.urgency]
        lane.serve(place.tenant)
        self.remove(id)
        lane.charge(place.tenant, share)

    def charge(self, urgency: int, tenant: str, share: float) -> None:
        """Set right what a tenant was charged in a class in which it was served."""
        self._lanes[urgency].charge(tenant, share)

    def worst(self) -> int:
        """The worst-ranked request of the least urgent class; ValueError if nobody waits."""
        return self._lanes[max(self.classes)].worst()

    def worst_of(self, tenant: str) -> int:
        """The same of one tenant's; ValueError if it has none. O(n)."""
        urgency = max(urgency for urgency in self.classes if self._lanes[urgency].num_of(tenant))
        return self._lanes[urgency].worst_of(tenant)
