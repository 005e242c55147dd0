"""Tables: what the lexicon and the model know, as arrays that compiled code can read. building.py
fills them.

Words are numbers here: a known stem has a code, all others share a few by their kind.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semsched.predict.urgency.features import MARKS, MAX_TASKS
from semsched.request import NUM_CLASSES

Ints = NDArray[np.int32]

(
    IS_MARK, IS_TELLING, IS_YEAR, IS_SMALL, IS_END, IS_STOP, IS_COMMA, IS_OR, IS_BEFORE_YEARS,
    IS_MY, IS_KIN, IS_CLAIMING, IS_CLAIM, IS_DENIAL, IS_DEGREE, IS_LEVELLED, IS_LEVEL_WORD,
    IS_LEVEL, IS_P, IS_RIGHT, IS_NOW, IS_COLON, IS_EMERGENCY_NUMBER, IS_QUESTION,
) = (1 << bit for bit in range(24))  # fmt: skip
"""What a word may be."""

WORD = np.dtype(
    [
        ("bits", "i4"),  # of the above
        ("gram", "i4"),  # NO_GRAM for a mark, UNKNOWN for a word that no gram of the model holds
        ("first_phrase", "i4"),  # phrases that begin with it: [first_phrase, last_phrase)
        ("last_phrase", "i4"),
        ("closes", "i4"),  # code of the mark that ends the quotation it begins; -1: it begins none
    ]
)
NO_GRAM, UNKNOWN, BEGINNING = -1, -2, 0
"""BEGINNING is the gram that stands before the first word."""

GROUP, GATE, SCOPE = range(3)
PASS, STOP, LIST = range(3)

PHRASE = np.dtype(
    [
        ("first_word", "i4"),  # its words: phrase_words[first_word : first_word + length]
        ("length", "i4"),
        ("kind", "i4"),
        ("urgency", "i4"),
        ("reach", "i4"),
        ("commas", "i4"),
        ("around", "i4"),
        ("flag", "i4"),  # of a scope
        ("gate", "i4"),  # bit of a gate's name
    ]
)

PLAIN, NEGATED, PAST, QUOTED, GATED, OWN, NUM_VARIANTS = *range(6), 6
"""Columns of phrase_rows: a group's name as it is, marked by a scope or by a task, and the fact
that a phrase is by itself. A gate has PLAIN, and OWN for the beginning of a text."""

COLUMN_MARKS = tuple(dict.fromkeys(MARKS))
"""The mark of each column from PLAIN to QUOTED; also the columns of word_rows."""
NUM_MARKS = len(COLUMN_MARKS)

VARIANTS = np.array([COLUMN_MARKS.index(mark) for mark in MARKS], np.int32)
"""The column by the flags of a word."""

MOST_URGENT = 0
NUM_TASKS = MOST_URGENT + NUM_CLASSES + 1
PERSONAL = NUM_TASKS + MAX_TASKS + 1
SIZE = PERSONAL + 1
"""Where the facts about a whole text begin in fact_rows."""


class Tables(NamedTuple):
    """Rows are those of the model's weights, -1 for what the model does not know."""

    words: NDArray[Any]
    """[codes] of WORD."""
    word_rows: Ints
    """[grams * NUM_MARKS]: of a gram with the mark of a scope before it."""
    first_pair: Ints
    """[grams * NUM_MARKS + 1]: the pairs that begin with it."""
    pair_seconds: Ints
    """[pairs]: gram * NUM_MARKS + mark of the second word, ascending within a first one."""
    pair_rows: Ints
    phrases: NDArray[Any]
    """[phrases] of PHRASE, in the order in which they are tried."""
    phrase_words: Ints
    phrase_rows: Ints
    """[phrases * NUM_VARIANTS]."""
    fact_rows: Ints
    variants: Ints
    """VARIANTS."""
    number_row: int
    """Of the gram that all numbers share."""
    question: int
    """The gram of a question mark at the end of a text."""
    seen: NDArray[np.int64]
    """[rows + 1]: the last text in which a row was met; how many texts there were."""


BLANK_INSIDE, ORDINARY, NUMBER, YEAR, MARK, NUM_KINDS = *range(-1, 4), 4
"""Codes of stems that are not known. BLANK_INSIDE: compatibility forms may unfold to several
words; such a text is left to the reference."""
