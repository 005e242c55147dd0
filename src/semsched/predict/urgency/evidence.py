"""Which words a class rests on, and how much each weighs."""

from typing import NamedTuple

from semsched.predict.urgency.features import WHOLE, Place, Reading
from semsched.predict.urgency.lexicon import SMALL
from semsched.predict.urgency.model import FACT, OUTPUTS, LinearModel, Score
from semsched.predict.urgency.verdict import Evidence
from semsched.predict.urgency.words import stems_of

MAX_EVIDENCE = 8
"""Pieces of evidence that are shown."""

LEAST_WEIGHT = 0.05
"""Nats below which a piece of evidence is not worth naming."""


class Weighed(NamedTuple):
    """A feature, the words it stands on, and its weight in nats."""

    name: str
    place: Place
    weight: float


def weigh(model: LinearModel, reading: Reading, score: Score, urgency: int) -> list[Weighed]:
    """What speaks for `urgency` (above 0) or against it (below), the weightiest first, down to
    LEAST_WEIGHT.

    The weight of a feature is what it adds to the log odds of the likeliest output of that class
    against all others, to the first order.
    """
    chances = score.chances.copy()
    best = max((i for i, of in enumerate(OUTPUTS) if of == urgency), key=lambda i: chances[i])
    chances[best] = 0.0
    direction = -chances / max(chances.sum(), 1e-12)
    direction[best] = 1.0
    weights = score.values * (model.weights.take(score.rows, axis=0) @ direction)
    found = [
        Weighed(name, place, weight)
        for (name, place), weight in zip(_known(model, reading), weights.tolist(), strict=False)
        if abs(weight) >= LEAST_WEIGHT
    ]
    return sorted(found, key=lambda item: -abs(item.weight))


def _known(model: LinearModel, reading: Reading) -> list[tuple[str, Place]]:
    """The features that have a name and a weight, in the order of `encode`."""
    grams = [item for item in reading.grams.items() if item[0] in model.index]
    return grams + [item for item in reading.facts.items() if FACT + item[0] in model.index]


def shown(reading: Reading, weighed: list[Weighed]) -> tuple[Evidence, ...]:
    """The weightiest as spans of the text; overlapping words are named once."""
    spans = reading.words.spans()
    kept: list[Evidence] = []
    taken: set[int] = set()
    for name, (begin, end), weight in weighed:
        if len(kept) == MAX_EVIDENCE:
            break
        if not taken.isdisjoint(range(begin, end)):
            continue
        taken.update(range(begin, end))
        start, stop = (spans[begin][0], spans[end - 1][1]) if end else WHOLE
        kept.append(Evidence(start, stop, reading.words.text[start:stop], name, weight))
    return tuple(kept)


MAX_REASON_WORDS = 3

_EMPTY = stems_of(
    "has had was were have with him her them then than from for the under over into onto about at "
    "by but not can cant get got two three since who what which how when post more less also"
)
"""Words that tell a reader nothing."""

_LOUD = 0.3
"""Nats from which on a phrase or a vital sign is named before words."""


def words_for(reading: Reading, weighed: list[Weighed]) -> str:
    """The words that speak loudest for the class, as one line: "chest pain", "systolic 83"."""
    said: list[str] = []
    for name, (begin, end), _ in _loudest(reading, weighed):
        words = _said(reading, begin, end) if end else _value(reading, name)
        if words and not any(words in other for other in said):
            said.append(words)
        if len(said) == MAX_REASON_WORDS:
            break
    return ", ".join(said)[:120]


def _loudest(reading: Reading, weighed: list[Weighed]) -> list[Weighed]:
    """What speaks for the class: phrases and vital signs before mere words."""
    speaking = [item for item in weighed if item.weight > 0]
    return sorted(speaking, key=lambda item: item.name not in reading.facts or item.weight < _LOUD)


def _said(reading: Reading, begin: int, end: int) -> str:
    """The words as written; "" if none of them means anything by itself."""
    stems = reading.words.stems[begin:end]
    telling = any(
        stem not in SMALL and stem not in _EMPTY and (len(stem) > 2 or not stem.isascii())
        for stem in stems
    )
    numbers = all(stem[0].isdigit() for stem in stems)
    return " ".join(reading.words.raw[begin:end]) if telling and not numbers else ""


def _value(reading: Reading, name: str) -> str:
    """ "systolic 3" (points) -> "systolic 83"; "" for what is no vital sign."""
    field = name.split(" ")[0]
    value = getattr(reading.vitals, field, None)
    return "" if value is None else f"{field.replace('_', ' ')} {value:.3g}"
