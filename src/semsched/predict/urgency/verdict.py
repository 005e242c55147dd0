"""What is said of a text: the class, why, how sure, and the words it rests on."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Source = Literal["claim", "rule", "model", "judge", "none"]
"""Who decided: the client, the operator's rules, our model, a second model; none of them could."""

UNSURE = 2
"""The class of what cannot be judged: neither ahead of the urgent nor behind the idle."""


class Evidence(NamedTuple):
    """Words [start, end) of the text, what they were taken for, and how much they weigh.

    `weight` is in nats: above 0 it speaks for the class given, below 0 against it. What stands on
    the text as a whole (a blood pressure, its length) has no words: start = end = 0.
    """

    start: int
    end: int
    words: str
    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Urgency 0 (most urgent) to 4, a reason in one line, and the words it rests on.

    `probabilities` are the model's, of the classes 0..4; None where no model spoke: a claim or a
    rule decided, or the model failed.
    """

    urgency: int
    reason: str
    probabilities: tuple[float, ...] | None = None
    evidence: tuple[Evidence, ...] = ()
    source: Source = "model"

    def moved(self, urgency: int, reason: str) -> Self:
        """The same verdict with another class, and why."""
        return replace(self, urgency=urgency, reason=reason)
