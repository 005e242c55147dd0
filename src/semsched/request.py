"""The nouns: a request as a scheduler may see it, and the rank a policy gives it."""

from dataclasses import dataclass
from typing import NamedTuple

NUM_CLASSES = 5
"""Urgency classes, 0 (most urgent: someone may be hurt) to 4 (nobody waits for it)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a scheduler may know about a request; the truth stays with the workload.

    Times are in seconds, lengths in tokens. `urgency` and `predicted_output_tokens`
    are beliefs: what the predictors said, right or wrong.
    """

    id: int
    arrived_at: float
    prompt_tokens: int
    urgency: int
    predicted_output_tokens: int
    tenant: str = ""
    deadline: float | None = None


class Rank(NamedTuple):
    """A place in the order, as a straight line in the remaining time; lower runs first."""

    tier: float
    offset: float
    slope: float

    def key(self, remaining_time: float) -> tuple[float, float]:
        """The sort key of a request with `remaining_time` predicted seconds still to do."""
        return self.tier, self.offset + self.slope * remaining_time
