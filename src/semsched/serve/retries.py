"""Retries: how often a request that a backend failed may be sent again."""

SHARE = 0.1
"""Retries per request: a fleet that fails must not be asked twice as much."""

MOST_SAVED = 100.0
"""Retries that a quiet time saves up, for the moment when a backend dies with its requests."""

AT_START = 10.0

MAX_EACH = 2
"""Retries of one request."""


class RetryBudget:
    """A share of the traffic; each request pays in, each retry takes out."""

    def __init__(self) -> None:
        self.left = AT_START
        """Retries that may be made now."""

    def pay(self) -> None:
        """A request came."""
        self.left = min(self.left + SHARE, MOST_SAVED)

    def take(self, num_attempts: int) -> bool:
        """Whether a request that failed `num_attempts` times may go again; if so it is paid."""
        if num_attempts > MAX_EACH or self.left < 1:
            return False
        self.left -= 1
        return True
