"""The kernel: texts read and weighed as model.py does it, compiled."""

import logging
from math import sqrt
from threading import Lock

import numpy as np

from semsched.predict.urgency.features import NO_PHRASE, gram, has_several, signs
from semsched.predict.urgency.kernel.building import build
from semsched.predict.urgency.kernel.compile import CODE
from semsched.predict.urgency.kernel.desk import Counts, blank_desk
from semsched.predict.urgency.kernel.features import read
from semsched.predict.urgency.kernel.tables import COLUMN_MARKS, Ints
from semsched.predict.urgency.kernel.weighing import weigh_up
from semsched.predict.urgency.model import (
    FACT,
    LEAST_KNOWN,
    LinearModel,
    Score,
    parts_of,
    share_of,
)
from semsched.predict.urgency.vitals import NOTHING, Vitals, read_vitals
from semsched.predict.urgency.words import Words, read_words
from semsched.request import NUM_CLASSES

_log = logging.getLogger(__name__)


class Kernel:
    """A linear model that reads by compiled code: the same scores up to rounding.

    Safe to share between threads. Making one takes half a second; where nobody has compiled it
    before, half a minute.
    """

    def __init__(self, model: LinearModel) -> None:
        if not CODE.is_cached():
            _log.warning("compiling the urgency model: half a minute, once")
        self._model = model
        self._bias = model.bias.astype(np.float64)
        self._codes, self._tables = build(model)
        self._desk = blank_desk()
        self._lock = Lock()
        self.score("")
        CODE.note_cached()

    @staticmethod
    def can_be_kept() -> bool:
        """Whether its machine code finds a place on disk; warns if not."""
        if not CODE.can_be_kept:
            _log.warning("%s: no place for machine code, so texts are read without", CODE.folder)
        return CODE.can_be_kept

    def score(self, text: str) -> Score:
        """The text read and weighed, as by the model."""
        words = read_words(text)
        codes = np.fromiter(map(self._codes.__getitem__, words.stems), np.int32, len(words.stems))
        with self._lock:
            if read(self._tables, self._desk, codes):
                return self._weighed(words)
        return self._model.score(text)

    def _weighed(self, words: Words) -> Score:
        """What lies on the desk, with what is left to be read by Python: vital signs, and words
        that are not known."""
        desk, model = self._desk, self._model
        count = Counts(*desk.counts.tolist())
        if count.words < len(words.stems):
            words = words.only(desk.kept[: count.words].tolist())
        vitals = read_vitals(words.stems) if count.telling else NOTHING
        unknown = _names(words, desk.unknown[: count.unknown].tolist())
        features = self._features(count, self._signs(vitals, count.most_urgent))
        share = share_of(count.grams + len(unknown))
        parts = np.array(parts_of(unknown), np.int32)
        part = share * sqrt(len(unknown) / max(len(parts), 1))
        chances = self._bias.copy()
        among = (features, count.grams, share)
        weigh_up(model.weights, chances, *among, len(model.index), parts, part)
        is_foreign = (
            not count.phrases
            and count.known <= LEAST_KNOWN * (count.known + len(unknown) - ("#" in unknown))
            and not has_several(vitals)
        )
        return Score(words, vitals, features, count.grams, share, chances, is_foreign)

    def _features(self, count: Counts, signs: list[int]) -> Ints:
        """What is on the desk, and the rows of facts that are true of the whole text."""
        facts = [*signs, count.size_row] if count.size_row >= 0 else signs
        end = count.features + len(facts)
        self._desk.features[count.features : end] = 0
        self._desk.features[count.features : end, 0] = facts
        return self._desk.features[:end].copy()

    def _signs(self, vitals: Vitals, most_urgent: int) -> list[int]:
        if vitals is NOTHING:
            return []
        phrase = str(most_urgent) if most_urgent < NUM_CLASSES else NO_PHRASE
        rows = (self._model.index.get(FACT + name) for name in signs(vitals, phrase))
        return [row for row in rows if row is not None]


def _names(words: Words, unknown: list[list[int]]) -> list[str]:
    """What the grams of words are called that are not known, each once."""
    stems = words.stems
    named = (COLUMN_MARKS[mark] + (gram(stems[at]) or stems[at]) for at, mark in unknown)
    return list(dict.fromkeys(named))
