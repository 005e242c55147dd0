"""Which words a class rests on, and how much each weighs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from semsched.predict.urgency.features import WHOLE
from semsched.predict.urgency.lexicon import SMALL
from semsched.predict.urgency.model import FACT, OUTPUTS, LinearModel, Score
from semsched.predict.urgency.verdict import Evidence, Floats
from semsched.predict.urgency.vitals import Vitals
from semsched.predict.urgency.words import Memo, Words, stems_of
from semsched.request import NUM_CLASSES

MAX_EVIDENCE = 8
"""Pieces of evidence that are shown."""

LEAST_WEIGHT = 0.05
"""Nats below which a piece of evidence is not worth naming."""


class Weighed(NamedTuple):
    """Features of a text, and what each weighs (nats): above 0 it speaks for a class, below
    against it."""

    score: Score
    names: Sequence[str]
    """Of all features, by row."""
    places: list[list[int]]
    """Of this text's features: row, and the words it stands on, [begin, end)."""
    weights: list[float]
    heavy: list[int]
    """Which of them weigh LEAST_WEIGHT or more, the weightiest first."""

    def name(self, at: int) -> str:
        """Of a feature."""
        return self.names[self.places[at][0]].removeprefix(FACT)


def weigh(model: LinearModel, score: Score, urgency: int) -> Weighed:
    """What speaks for `urgency` or against it.

    The weight of a feature is what it adds to the log odds of the likeliest output of that class
    against all others, to the first order.
    """
    direction = _direction(score.chances.tolist(), urgency)
    weights = model.weights.take(score.features[:, 0], axis=0) @ direction
    weights[: score.num_grams] *= score.share
    sizes = np.abs(weights)
    heavy = np.flatnonzero(sizes >= LEAST_WEIGHT)
    heavy = heavy[np.argsort(-sizes[heavy], kind="stable")]
    return Weighed(score, model.names, score.features.tolist(), weights.tolist(), heavy.tolist())


def _direction(chances: list[float], urgency: int) -> Floats:
    """The likeliest output of a class against the others as they stand, shape [len(OUTPUTS)]."""
    best = max(_OUTPUTS_OF[urgency], key=chances.__getitem__)
    others = max(sum(chances) - chances[best], 1e-12)
    direction = [-chance / others for chance in chances]
    direction[best] = 1.0
    return np.array(direction)


_OUTPUTS_OF = [
    [i for i, of in enumerate(OUTPUTS) if of == urgency] for urgency in range(NUM_CLASSES)
]


def shown(weighed: Weighed) -> tuple[Evidence, ...]:
    """The weightiest as spans of the text; overlapping words are named once."""
    text, spans = weighed.score.words.text, weighed.score.words.spans()
    kept: list[Evidence] = []
    taken: set[int] = set()
    for at in weighed.heavy:
        if len(kept) == MAX_EVIDENCE:
            break
        _, begin, end = weighed.places[at]
        if not taken.isdisjoint(range(begin, end)):
            continue
        taken.update(range(begin, end))
        start, stop = (spans[begin][0], spans[end - 1][1]) if end else WHOLE
        words = text[start:stop]
        kept.append(Evidence(start, stop, words, weighed.name(at), weighed.weights[at]))
    return tuple(kept)


MAX_REASON_WORDS = 3

_EMPTY = stems_of(
    "has had was were have with him her them then than from for the under over into onto about at "
    "by but not can cant get got two three since who what which how when post more less also"
)
"""Words that tell a reader nothing."""

_LOUD = 0.3
"""Nats from which on a phrase or a vital sign is named before words."""


def words_for(weighed: Weighed) -> str:
    """The words that speak loudest for the class, as one line: "chest pain", "systolic 83"."""
    score, said = weighed.score, list[str]()
    for at in _loudest(weighed):
        _, begin, end = weighed.places[at]
        words = _said(score.words, begin, end) if end else _value(score.vitals, weighed.name(at))
        if words and not any(words in other for other in said):
            said.append(words)
        if len(said) == MAX_REASON_WORDS:
            break
    return ", ".join(said)[:120]


def _loudest(weighed: Weighed) -> list[int]:
    """What speaks for the class: phrases and vital signs before mere words."""
    weights, num_grams = weighed.weights, weighed.score.num_grams
    loud, others = list[int](), list[int]()
    for at in weighed.heavy:
        if weights[at] > 0:
            (loud if at >= num_grams and weights[at] >= _LOUD else others).append(at)
    return loud + others


def _said(words: Words, begin: int, end: int) -> str:
    """The words as written; "" if none of them means anything by itself, or all are numbers."""
    tells = 0
    for stem in words.stems[begin:end]:
        tells |= _TELLS[stem]
    return " ".join(words.raw[begin:end]) if tells == _MEANS | _IS_WORD else ""


_MEANS, _IS_WORD = 1, 2


def _tells(stem: str) -> int:
    means = stem not in SMALL and stem not in _EMPTY and (len(stem) > 2 or not stem.isascii())
    return means * _MEANS | (not stem[0].isdigit()) * _IS_WORD


_TELLS = Memo(_tells)
"""Whether a word means anything by itself, and whether it is no number."""


def _value(vitals: Vitals, name: str) -> str:
    """ "systolic 3" (points) -> "systolic 83"; "" for what is no vital sign."""
    field = name.split(" ")[0]
    value = getattr(vitals, field, None)
    return "" if value is None else f"{field.replace('_', ' ')} {value:.3g}"
