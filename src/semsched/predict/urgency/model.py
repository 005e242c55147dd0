"""A linear model over named features: the weights, and what they make of a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semsched.predict.urgency.features import WHOLE, Place, Reading, pieces, read
from semsched.predict.urgency.verdict import Floats
from semsched.predict.urgency.vitals import Vitals
from semsched.predict.urgency.words import Words
from semsched.request import NUM_CLASSES

OUTPUTS = (0, 1, 2, 3, 4, 3, 4)
"""The class of each output: five for situations, two for work about a text or a matter.

A story about a heart attack and a stubbed toe share a class, not their words."""

GRAM_WEIGHT = 4.0
"""What all grams of a text weigh together (root mean square), against 1 of each fact."""

MAX_UNKNOWN = 30
"""Unknown words whose pieces are looked at."""

LEAST_KNOWN = 0.25
"""Share of the words below which a text is in a language that the model has not learned."""

FACT = "\t"
"""Stands before the name of a fact, so that no word can pass for one."""

Rows = NDArray[np.intp]


class Score(NamedTuple):
    """What was found in a text, and what the model makes of it."""

    words: Words
    vitals: Vitals
    features: NDArray[np.int32]
    """[features that have a name, 3]: row of the weights, and the words it stands on, [begin, end).
    The first `num_grams` are words and pairs, the others facts."""
    num_grams: int
    share: float
    """What each gram weighs, against 1 of each fact."""
    chances: Floats
    """Of each output, shape [len(OUTPUTS)]."""
    by_class: Floats
    """The same of each class, shape [5]."""
    is_foreign: bool
    """Whether next to nothing in the text is known."""

    @property
    def probabilities(self) -> Floats:
        """Of each class, shape [5]; even where there is next to nothing to go by."""
        if self.is_foreign:
            return np.full(NUM_CLASSES, 1 / NUM_CLASSES)
        return self.by_class


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Weights [features + NUM_PIECES, outputs] and a bias [outputs], in nats.

    `index` numbers the features by name; pieces of unknown words come after them.
    """

    index: Mapping[str, int]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @cached_property
    def names(self) -> list[str]:
        """The features that have one, by row."""
        return sorted(self.index, key=lambda name: self.index[name])

    def score(self, text: str) -> Score:
        """The text read and weighed."""
        reading = read(text)
        grams = self._named("", reading.grams)
        features = np.array(grams + self._named(FACT, reading.facts), np.int32).reshape(-1, 3)
        rows, values = encode(reading, self.index)
        share = float(values[0]) if grams else 0.0
        chances = self._chances(rows, values)
        return Score(
            reading.words,
            reading.vitals,
            features,
            len(grams),
            share,
            chances,
            classes(chances),
            self.is_foreign(reading),
        )

    def _named(self, kind: str, found: Mapping[str, Place]) -> list[tuple[int, int, int]]:
        index = self.index
        return [(index[kind + x], *place) for x, place in found.items() if kind + x in index]

    def _chances(self, rows: Rows, values: Floats) -> Floats:
        return softmax(values @ self.weights.take(rows, axis=0) + self.bias)

    def is_foreign(self, reading: Reading) -> bool:
        """Whether hardly a word is known, nor a phrase, nor a vital sign stated."""
        if any(place != WHOLE for place in reading.facts.values()) or reading.has_vitals:
            return False
        words = [name for name in reading.grams if " " not in name and name != "#"]
        return sum(name in self.index for name in words) <= LEAST_KNOWN * len(words)

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities of the classes, shape [len(texts), 5]."""
        rows = [self.score(text).probabilities for text in texts]
        return np.array(rows, dtype=np.float64).reshape(-1, NUM_CLASSES)


def encode(reading: Reading, index: Mapping[str, int]) -> tuple[Rows, Floats]:
    """A text as a sparse vector: rows of the weights and their values.

    First the grams and then the facts that are known, in the reading's order, then pieces. Grams
    share GRAM_WEIGHT, unknown words give their part of it to their pieces.
    """
    found = list(map(index.get, reading.grams))
    known = [row for row in found if row is not None]
    unknown = [
        name
        for name, row in zip(reading.grams, found, strict=True)
        if row is None and " " not in name
    ]
    facts = [row for name in reading.facts if (row := index.get(FACT + name)) is not None]
    parts = [len(index) + part for part in parts_of(unknown)]
    share = share_of(len(known) + len(unknown))
    values = np.ones(len(known) + len(facts) + len(parts))
    values[: len(known)] = share
    values[len(known) + len(facts) :] = share * sqrt(len(unknown) / max(len(parts), 1))
    return np.array(known + facts + parts, dtype=np.intp), values


def share_of(num_grams: int) -> float:
    """What each of so many grams weighs."""
    return GRAM_WEIGHT / sqrt(max(num_grams, 1))


def parts_of(unknown: Sequence[str]) -> list[int]:
    """The pieces of words that are not known, scope marks aside; each once, in order."""
    return sorted(set().union(*(pieces(name.lstrip("-~'")) for name in unknown[:MAX_UNKNOWN])))


def softmax(outputs: Floats) -> Floats:
    """Probabilities from log odds, along the last axis."""
    odds = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def classes(outputs: Floats) -> Floats:
    """Probabilities of the classes from those of the outputs, along the last axis."""
    merged = np.array(outputs[..., :NUM_CLASSES])
    merged[..., 3:] += outputs[..., NUM_CLASSES:]
    return merged
