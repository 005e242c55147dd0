"""A linear model over named features: the weights, and what they make of a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semsched.predict.urgency.features import WHOLE, Reading, pieces, read
from semsched.predict.urgency.verdict import Floats
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
    """What the model makes of a text: its sparse vector, and the chances of each output.

    rows and values [features], chances [len(OUTPUTS)].
    """

    rows: Rows
    values: NDArray[np.float32]
    chances: Floats
    is_foreign: bool
    """Whether next to nothing in the text is known."""

    @property
    def probabilities(self) -> Floats:
        """Of each class, shape [5]; even where there is next to nothing to go by."""
        if self.is_foreign:
            return np.full(NUM_CLASSES, 1 / NUM_CLASSES)
        return classes(self.chances)


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Weights [features + NUM_PIECES, outputs] and a bias [outputs], in nats.

    `index` numbers the features by name; pieces of unknown words come after them.
    """

    index: Mapping[str, int]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def score(self, reading: Reading) -> Score:
        """The reading weighed."""
        rows, values = encode(reading, self.index)
        outputs = values @ self.weights.take(rows, axis=0) + self.bias
        return Score(rows, values, softmax(outputs.astype(np.float64)), self.is_foreign(reading))

    def is_foreign(self, reading: Reading) -> bool:
        """Whether hardly a word is known, nor a phrase, nor a vital sign stated."""
        if any(place != WHOLE for place in reading.facts.values()) or reading.has_vitals:
            return False
        words = [name for name in reading.grams if " " not in name and name != "#"]
        return sum(name in self.index for name in words) <= LEAST_KNOWN * len(words)

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities of the classes, shape [len(texts), 5]."""
        rows = [self.score(read(text)).probabilities for text in texts]
        return np.array(rows, dtype=np.float64).reshape(-1, NUM_CLASSES)


def encode(reading: Reading, index: Mapping[str, int]) -> tuple[Rows, NDArray[np.float32]]:
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
    share = GRAM_WEIGHT / sqrt(max(len(known) + len(unknown), 1))
    parts = sorted(set().union(*(pieces(name.lstrip("-~'")) for name in unknown[:MAX_UNKNOWN])))
    facts = [row for name in reading.facts if (row := index.get(FACT + name)) is not None]
    rows = known + facts + [len(index) + part for part in parts]
    values = np.ones(len(rows), dtype=np.float32)
    values[: len(known)] = share
    values[len(known) + len(facts) :] = share * sqrt(len(unknown) / max(len(parts), 1))
    return np.array(rows, dtype=np.intp), values


def softmax(outputs: Floats) -> Floats:
    """Probabilities from log odds, along the last axis."""
    odds = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def classes(outputs: Floats) -> Floats:
    """Probabilities of the classes from those of the outputs, along the last axis."""
    merged = np.array(outputs[..., :NUM_CLASSES])
    merged[..., 3:] += outputs[..., NUM_CLASSES:]
    return merged
