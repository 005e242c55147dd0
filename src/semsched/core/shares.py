"""Shares: how many seats a tenant may hold as urgent, so that a claim is worth no more for being
made for everything.

Each tenant that ever had an urgent request has its share, by weight, of all seats. What it holds
beyond that is carried as if it were standard: it takes seats that nobody else wants, and an engine
that preempts takes them back for the urgent requests of others. With one tenant there is no limit.
Source: Aequitas (SIGCOMM 2022) downgrades what exceeds a class's quota instead of dropping it.
"""

from collections import Counter
from math import ceil

from semsched.core.ledger import URGENT


class UrgentShares:
    """Counts the urgent requests that hold seats, by tenant."""

    def __init__(self) -> None:
        self._weights: dict[str, float] = {}
        self._held: Counter[str] = Counter()

    def know(self, tenant: str, urgency: int, weight: float) -> None:
        """A request of that class came."""
        if urgency <= URGENT:
            self._weights[tenant] = weight

    def carried(self, tenant: str, urgency: int, num_seats: int) -> int:
        """The class as which an engine is to carry the tenant's next request of that class."""
        if urgency > URGENT:
            return urgency
        share = self._weights[tenant] / sum(self._weights.values())
        is_spent = self._held[tenant] >= ceil(num_seats * share)
        return URGENT + 1 if is_spent else urgency

    def take(self, tenant: str, carried: int) -> None:
        """A request carried as that class has a seat now."""
        self._held[tenant] += carried <= URGENT

    def give_back(self, tenant: str, carried: int) -> None:
        """It has left its seat."""
        self._held[tenant] -= carried <= URGENT
