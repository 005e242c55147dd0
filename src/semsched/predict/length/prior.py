"""The length of an answer by rules of thumb, before any answer was seen.

The coefficients are round numbers set by hand: what a person who has read many answers would
guess. They are logarithms, so 0.7 means twice as long. The groups of words were revised once,
after reading which prompts of a development set (Arena-Hard 0.1) a first version misjudged, so
its figures there flatter it a little.
"""

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np

from semsched.predict.length.features import LEXICAL, Signs, read_signs
from semsched.predict.length.lengths import Caps, Lengths, lengths
from semsched.predict.length.prompt import read_prompt

TYPICAL = 400.0
"""Tokens of an answer to a prompt that shows no sign of anything."""

COEFFICIENTS: Mapping[str, float] = {
    "length": 0.12, "very_short": -0.1, "question_end": -0.1, "questions": -0.12, "choices": -0.4,
    "one_word": -1.0, "stepwise": 0.3, "items": 0.2, "list": 0.15, "long": 0.4, "short": -0.4,
    "make": 0.2, "explain": 0.2, "code": 0.15, "which": -0.15, "summarise": -0.3, "label": -0.3,
    "translate": -0.3, "small_code": -0.25, "big_code": 0.25, "fix": -0.15, "study": 0.2,
    "how_to": 0.2, "how_many": -0.35,
}  # fmt: skip
"""What one unit of a named number adds to the logarithm of the length; the others add nothing."""

SPREAD = 0.9
"""log P90 - log P50 of an answer whose length nobody asked for."""

ASKED_SPREAD = 0.3
"""The same of an answer whose length was asked for in words."""

ASKED_WEIGHT = 0.8
"""How far a length asked for in words overrides the other signs."""

REWORDED_TOKENS, REWORDED_WEIGHT = 1.5, 0.5
"""Output tokens for each word of a text to be reworded, and how far that overrides the signs."""

_LOG_TYPICAL = log(TYPICAL)
_WEIGHTS = np.array([COEFFICIENTS.get(name, 0.0) for name in LEXICAL])


class Guess(NamedTuple):
    """Natural logarithms of tokens: of P50, and of P90 / P50."""

    log_p50: float
    spread: float


def guess(signs: Signs) -> Guess:
    """The prior of a prompt that shows `signs`."""
    log_p50 = _LOG_TYPICAL + float(_WEIGHTS.dot(signs.numbers))
    if asked := signs.asked_tokens:
        return Guess(log_p50 + ASKED_WEIGHT * (log(max(asked, 1.0)) - log_p50), ASKED_SPREAD)
    if source := signs.reworded_words:
        same = log(REWORDED_TOKENS * max(source, 1.0))
        log_p50 += REWORDED_WEIGHT * (same - log_p50)
    return Guess(log_p50, SPREAD)


def prior_lengths(texts: Sequence[str], max_output_tokens: Caps = None) -> Lengths:
    """P50 and P90 of output tokens by rules of thumb, shape [len(texts)] each."""
    guesses = [guess(read_signs(read_prompt(text))) for text in texts]
    p50 = [exp(each.log_p50) for each in guesses]
    p90 = [exp(each.log_p50 + each.spread) for each in guesses]
    return lengths(p50, p90, max_output_tokens)
