"""Desk: room to read a text in, and what the reading leaves there."""

from typing import NamedTuple

import numpy as np

from semsched.predict.urgency.kernel.tables import Ints
from semsched.predict.urgency.words import MAX_WORDS


class Counts(NamedTuple):
    """What a reading counts."""

    words: int
    """That are left once claims are gone."""
    grams: int
    """That the model knows."""
    features: int
    """The same, facts included."""
    unknown: int
    """Words that the model does not know, one as often as it stands there."""
    known: int
    """Words that it does, numbers aside."""
    most_urgent: int
    """Class of the most urgent phrase; NUM_CLASSES if there is none."""
    size_row: int
    """The fact how long the text is, -1 if the model does not know it."""
    phrases: int
    """Whether a phrase was found that says something."""
    telling: int
    """Whether a word may state a vital sign."""


WORDS, GRAMS, FEATURES, UNKNOWN, KNOWN, MOST_URGENT, SIZE_ROW, PHRASES, TELLING = range(
    len(Counts._fields)
)
"""Their places in `counts`."""


class Desk(NamedTuple):
    """Arrays for one text at a time."""

    codes: Ints
    """Of the words that are left once claims are gone."""
    kept: Ints
    """Their places among all words of the text."""
    flags: Ints
    """Of each, the scopes it stands in; before that, whether a word is part of a claim."""
    large: Ints
    """Places of those that are not passed over inside a phrase."""
    found: Ints
    """[phrases, 3]: number of the phrase, and where it stands, [begin, end)."""
    features: Ints
    """[features, 3]: row of the weights, and the words it stands on; grams, then facts."""
    unknown: Ints
    """[words, 2]: place and mark (column of word_rows) of words that the model does not know."""
    counts: Ints
    """Counts."""


def blank_desk() -> Desk:
    """Room for the longest text: a word begins one phrase of each kind at most."""
    return Desk(
        codes=np.zeros(MAX_WORDS, np.int32),
        kept=np.zeros(MAX_WORDS, np.int32),
        flags=np.zeros(MAX_WORDS, np.int32),
        large=np.zeros(MAX_WORDS, np.int32),
        found=np.zeros((3 * MAX_WORDS, 3), np.int32),
        features=np.zeros((9 * MAX_WORDS, 3), np.int32),
        unknown=np.zeros((MAX_WORDS, 2), np.int32),
        counts=np.zeros(len(Counts._fields), np.int32),
    )
