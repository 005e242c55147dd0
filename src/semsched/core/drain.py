"""How fast a queue drains, and so when it is worth coming back to one that is full."""

from collections import deque
from math import inf

WINDOW = 10.0
"""Seconds; what ended longer ago says nothing of the present."""

RETRY_AFTER = (1.0, 30.0)
"""Nobody is told to come again sooner or later than that, in seconds."""
JITTER = 0.2
"""Share by which they are told different times, so that they do not all come at once."""


class DrainRate:
    """Requests that end, by the second, while there is a queue.

    Instants are seconds of any clock, and never fall. All methods cost O(1), amortised; it holds
    the instants of one window.
    """

    def __init__(self) -> None:
        self._ends: deque[float] = deque()
        self._began_at = -inf

    def begin(self, now: float) -> None:
        """Somebody waits where nobody did: how little ended in idle times says nothing."""
        self._ends.clear()
        self._began_at = now

    def ended(self, now: float) -> None:
        """A request ended, in whatever way: there is room for another."""
        self._ends.append(now)
        self._forget(now)

    def time_to_drain(self, num_waiting: int, now: float) -> float:
        """Seconds until the `num_waiting` that wait have left, at the rate of late.

        While none has ended it is as if one did at this moment, so the answer is a lower bound.
        """
        return num_waiting * self._span(now) / max(len(self._ends), 1)

    def rate(self, now: float) -> float:
        """Requests/s that ended of late; 0 in the first moment."""
        span = self._span(now)
        return len(self._ends) / span if span else 0.0

    def _span(self, now: float) -> float:
        """Seconds in which the ends that are remembered fell."""
        self._forget(now)
        return now - max(self._began_at, now - WINDOW)

    def retry_after(self, num_waiting: int, now: float, luck: float) -> float:
        """Seconds to send somebody away for; `luck` in [0, 1) spreads them evenly."""
        spread = 1 + JITTER * (2 * luck - 1)
        shortest, longest = RETRY_AFTER
        return min(max(self.time_to_drain(num_waiting, now) * spread, shortest), longest)

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0] <= now - WINDOW:
            self._ends.popleft()
