"""What a prompt says about the length of its answer, as named numbers that a person can read.

The prior weighs them by hand. What only means something once answers were seen is in ngrams.py.
"""

from math import log, log1p
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semsched.predict.length.prompt import Prompt
from semsched.predict.length.vocabulary import (
    COUNTED,
    COUNTING,
    GROUPS,
    GROUPS_OF,
    LEADS,
    MAKING,
    NUMBERS,
    PHRASES,
    PHRASES_OF,
    REWORD,
    UNIT_TOKENS,
)

Vector = NDArray[np.float64]

LEXICAL = (
    *("length", "very_short", "very_long", "question_end", "questions"),
    *("fenced", "code_marks", "lines", "digits", "choices"),
    *PHRASES,
    *("items", "asked", "foreign"),
    *GROUPS,
    "reworded",
)
"""The names of the numbers, in their order."""

_MOST_TOKENS, _MOST_ITEMS = 20_000.0, 200.0
"""What is asked for beyond these is not meant."""

_MANY = 40
"""A number before a unit is a wish for a length if one of the leads stands before it, or if it is
that many tokens and the prompt wants something made; else it belongs to the matter itself."""

_VERY_LONG = log(200)
_CHOICES = [[f"{letter}{mark}" for letter in "ABC"] for mark in (") ", ". ", ": ")]
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")


class Signs(NamedTuple):
    """What a prompt shows of the length of its answer.

    `numbers` in the order of LEXICAL, shape [len(LEXICAL)], all finite, each about 0 to 2; two of
    them also as they are: tokens asked for in words, and words of a text to be reworded.
    """

    numbers: Vector
    asked_tokens: float
    reworded_words: float


def read_signs(prompt: Prompt) -> Signs:
    """The named numbers of `prompt`."""
    asked, source = asked_tokens(prompt), reworded_words(prompt)
    numbers = _of_size(prompt.num_words)
    numbers += _of_text(prompt)
    numbers += _of_phrases(prompt)
    numbers += log1p(asked_items(prompt)) / 2, log1p(asked) / 6, float(not prompt.text.isascii())
    numbers += _of_groups(prompt)
    numbers.append(log1p(source) / 5)
    return Signs(np.array(numbers), asked, source)


def asked_tokens(prompt: Prompt) -> float:
    """Output tokens the prompt asks for in words ("in 50 words", "two paragraphs"); 0 if none.

    Of several wishes the largest: the others are about parts.
    """
    if UNIT_TOKENS.keys().isdisjoint(prompt.known):
        return 0.0
    makes = not MAKING.isdisjoint(prompt.known)
    largest, before, count = 0.0, "", ""
    for word in prompt.ask:
        if word in UNIT_TOKENS:
            tokens = _number(count) * UNIT_TOKENS[word]
            if before in LEADS or (makes and tokens >= _MANY and count != "a"):
                largest = max(largest, tokens)
        before, count = count, word
    return min(largest, _MOST_TOKENS)


def asked_items(prompt: Prompt) -> float:
    """How many things are asked for ("top 10", "five ideas"); 0 if no number says so."""
    if COUNTED.isdisjoint(prompt.known):
        return 0.0
    for at, word in enumerate(prompt.ask):
        if word in COUNTED and (number := _number_beside(prompt.ask, at)):
            return min(number, _MOST_ITEMS)
    return 0.0


def reworded_words(prompt: Prompt) -> float:
    """Words of a source whose answer is about as long as itself; 0 if nothing is reworded."""
    return 0.0 if REWORD.isdisjoint(prompt.known) else prompt.num_words


def _number_beside(words: list[str], at: int) -> float:
    """The number before a thing ("five ideas") or behind what counts ("top 10"); 0 if none."""
    number = _number(words[at - 1]) if at and words[at] in GROUPS["list"] else 0.0
    if not number and words[at] in COUNTING and at + 1 < len(words):
        number = _number(words[at + 1])
    return number


def _number(word: str) -> float:
    if word.isascii() and word.isdigit():
        return float(word[:6])
    return float(NUMBERS.get(word, 0))


def _of_size(num_words: float) -> list[float]:
    size = log1p(num_words)
    return [size / 4, float(num_words < 8), max(size - _VERY_LONG, 0.0)]


def _of_text(prompt: Prompt) -> list[float]:
    text, count = prompt.text, prompt.text.count
    return [
        float(text.rstrip().endswith(_QUESTION_MARKS)),
        log1p(min(count("?"), 10)),
        float("```" in text),
        log1p(count("{") + count("}") + count(";") + count("=")) / 4,
        log1p(count("\n")) / 4,
        log1p(sum(map(str.isdigit, prompt.words))) / 3,
        _choices(text),
    ]


def _choices(text: str) -> float:
    if "B" not in text:  # soon said, and mostly so
        return 0.0
    return float(any(a in text and b in text and c in text for a, b, c in _CHOICES))


def _of_phrases(prompt: Prompt) -> list[float]:
    numbers = [0.0] * len(PHRASES)
    for word in prompt.known:
        for phrase, kind in PHRASES_OF.get(word, ()):
            if phrase in prompt.asked:
                numbers[kind] = 1.0
    return numbers


def _of_groups(prompt: Prompt) -> list[float]:
    """Half the words of each group that stand in the request, each counted once, at most 4."""
    numbers = [0.0] * len(GROUPS)
    for word in prompt.known:
        for group in GROUPS_OF.get(word, ()):
            if numbers[group] < 2.0:
                numbers[group] += 0.5
    return numbers
