"""The nouns: a request as a scheduler may see it, and the rank a policy gives it."""

import math
from dataclasses import dataclass
from typing import NamedTuple

NUM_CLASSES = 5
"""Urgency classes, 0 (most urgent: someone may be hurt) to 4 (nobody waits for it)."""

CLASS_NAMES = ("critical", "urgent", "standard", "low", "background")
"""What people call the classes, in their order."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a scheduler may know about a request; the truth stays with the workload.

    Instants are in seconds, lengths in tokens. `urgency` and `predicted_output_tokens` are
    beliefs: what the predictors said, right or wrong. `max_output_tokens` is the limit the
    client declared, `deadline` the instant by which it wants to be finished (inf: none).
    `predicted_p90_tokens` is the length that nine in ten such answers do not exceed, where
    `predicted_output_tokens` is the median (0: nothing is believed of the tail).
    """

    id: int
    arrived_at: float
    prompt_tokens: int
    urgency: int
    predicted_output_tokens: int
    max_output_tokens: int
    tenant: str = ""
    deadline: float = math.inf
    predicted_p90_tokens: int = 0


class Rank(NamedTuple):
    """A place in the order, as a straight line in the remaining time; lower runs first.

    `slope` is not negative: a request only moves forward while it runs, so no two requests
    can preempt each other in turn.
    """

    tier: float
    offset: float
    slope: float

    def key(self, remaining_time: float) -> tuple[float, float]:
        """The sort key of a request with `remaining_time` predicted seconds still to do."""
        return self.tier, self.offset + self.slope * remaining_time
