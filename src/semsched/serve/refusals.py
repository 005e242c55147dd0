"""Refusals: what is said to a request that is not served, and when it may come again.

429 says that others are in the way, 503 that there is nobody to serve it.
"""

import random
from collections.abc import Callable

from semsched.core.drain import DrainRate
from semsched.web.failure import ApiError

_SAYINGS = {
    "queue_full": (429, "too many requests wait already"),
    "tenant_full": (429, "too many requests of this key wait already"),
    "queue_timeout": (429, "it waited as long as requests of its class may"),
    "deadline_unreachable": (429, "its deadline passed while it waited"),
    "no_backend": (503, "no backend is up"),
    "shutting_down": (503, "the gateway is shutting down"),
    "cancelled_by_operator": (503, "an operator took it out of the queue"),
}


class Refusals:
    """Errors for those who are turned away; the time to come again is that to drain the queue."""

    def __init__(self, drain: DrainRate, num_waiting: Callable[[], int]) -> None:
        self._drain = drain
        self._num_waiting = num_waiting

    def error(self, code: str, now: float) -> ApiError:
        """The answer to a request that was refused with `code` at `now`."""
        status, message = _SAYINGS[code]
        luck = random.random()  # noqa: S311 - not a secret
        retry_after = self._drain.retry_after(self._num_waiting(), now, luck)
        return ApiError(status, code, message, retry_after=retry_after)
