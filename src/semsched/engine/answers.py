"""Answers: what an engine without a model says, and how long it goes on.

The length is drawn from what the length predictor believes before it has seen anything
(log-normal through its P50 and P90), so that predictors have something to be right about. The
same prompt, limits and seed give the same answer.
"""

from math import exp, log
from statistics import NormalDist
from typing import Literal, NamedTuple

from semsched.engine.dice import throw, uniform
from semsched.predict.length import prior_lengths

WORDS = (
    " the of and to in is that it for as with on be at by this from or an are which one can "
    "first then so if more time when there also some may most they their you we each other way "
    "about many than into only very part used case point both same small large number "
    "change order result reason usually often between under after before while because however "
    "example answer question work people water light day place line set know see make take"
).split()
"""A token each, with the space before it."""

_NORMAL = NormalDist()
_Z90 = _NORMAL.inv_cdf(0.9)


class LengthLimits(NamedTuple):
    """What the client says of the answer's length: 0 <= min_tokens <= max_tokens, in tokens."""

    max_tokens: int
    min_tokens: int = 0
    ignore_eos: bool = False
    """Whether the answer goes on to max_tokens."""


class Answer(NamedTuple):
    """An answer to come."""

    num_tokens: int
    reason: Literal["stop", "length"]
    start: int
    """Where in the list of words it begins."""

    def word(self, token: int) -> int:
        """The place in WORDS of a token of the answer, counted from 0."""
        return (self.start + token * token + 7 * token) % len(WORDS)

    def text(self, num_tokens: int) -> str:
        """Its first tokens, put together."""
        return "".join(f" {WORDS[self.word(token)]}" for token in range(num_tokens))


def draw_answer(prompt: str, limits: LengthLimits, seed: int) -> Answer:
    """The answer to `prompt`, at least one token long."""
    wanted = limits.max_tokens if limits.ignore_eos else _natural_length(prompt, seed)
    num_tokens = max(min(max(wanted, limits.min_tokens), limits.max_tokens), 1)
    reason: Literal["stop", "length"] = "length" if num_tokens == limits.max_tokens else "stop"
    return Answer(num_tokens, reason, throw("words", seed, prompt) % len(WORDS))


def _natural_length(prompt: str, seed: int) -> int:
    """Output tokens if nobody limits them."""
    believed = prior_lengths([prompt])
    p50, p90 = float(believed.p50[0]), float(believed.p90[0])
    spread = log(p90 / p50) / _Z90
    return round(p50 * exp(spread * _NORMAL.inv_cdf(uniform("length", seed, prompt))))
