"""The kernel: texts read and weighed as model.py does it, compiled."""

import logging
from math import sqrt
from threading import Lock

import numpy as np

from semsched.machine_code import direct
from semsched.predict.urgency.evidence import LEAST_WEIGHT, Weighed
from semsched.predict.urgency.features import NO_PHRASE, gram, has_several, signs
from semsched.predict.urgency.kernel.building import build
from semsched.predict.urgency.kernel.compile import CODE
from semsched.predict.urgency.kernel.desk import Counts, blank_desk
from semsched.predict.urgency.kernel.features import read
from semsched.predict.urgency.kernel.tables import COLUMN_MARKS, Ints
from semsched.predict.urgency.kernel.weighing import weigh_each, weigh_up
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
        self._names = model.names  # not at the first request: to sort them takes a while
        self._bias = model.bias.astype(np.float64)
        self._codes, self._tables = build(model)
        self._desk = blank_desk()
        self._lock = Lock()
        self._compile()
        CODE.note_cached()

    def _compile(self) -> None:
        weights, desk, five = self._model.weights, self._desk, np.zeros(NUM_CLASSES)
        chances, none = self._bias.copy(), np.zeros(0, np.int32)
        self._read = direct(read, self._tables, desk, none)
        self._weigh_up = direct(weigh_up, weights, desk, none, 1.0, 0, none, 1.0, chances, five)
        self._weigh_each = direct(
            weigh_each, weights, desk.features, 0, 1.0, chances, 0, 1.0, five, none
        )

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
            if self._read(self._tables, self._desk, codes):
                return self._weighed_up(words)
        return self._model.score(text)

    def weigh(self, score: Score, urgency: int) -> Weighed:
        """What speaks for `urgency` or against it, as evidence.weigh says it."""
        features, weights = score.features, np.empty(len(score.features))
        heavy = np.empty(len(features), np.int32)
        num = self._weigh_each(
            self._model.weights,
            features,
            score.num_grams,
            score.share,
            score.chances,
            urgency,
            LEAST_WEIGHT,
            weights,
            heavy,
        )
        heaviest = heavy[:num].tolist()
        return Weighed(score, self._names, features.tolist(), weights.tolist(), heaviest)

    def _weighed_up(self, words: Words) -> Score:
        """What lies on the desk, with what is left to be read by Python: vital signs, and words
        that are not known."""
        desk, model = self._desk, self._model
        count = Counts(*desk.counts.tolist())
        if count.words < len(words.stems):
            words = words.only(desk.kept[: count.words].tolist())
        vitals = read_vitals(words.stems) if count.telling else NOTHING
        signs = self._signs(vitals, count.most_urgent)
        unknown = _unknown(words, desk.unknown[: count.unknown].tolist()) if count.unknown else []
        share, parts = share_of(count.grams + len(unknown)), _ints(parts_of(unknown))
        part = share * sqrt(len(unknown) / max(len(parts), 1))
        chances, by_class = self._bias.copy(), np.zeros(NUM_CLASSES)
        pieces = (len(model.index), parts, part)
        num = self._weigh_up(model.weights, desk, signs, share, *pieces, chances, by_class)
        is_foreign = (
            not count.phrases
            and count.known <= LEAST_KNOWN * (count.known + len(unknown) - ("#" in unknown))
            and not has_several(vitals)
        )
        features = desk.features[:num].copy()
        among = (count.grams, share)
        return Score(words, vitals, features, *among, chances, by_class, is_foreign)

    def _signs(self, vitals: Vitals, most_urgent: int) -> Ints:
        """Rows of the facts that vital signs are, -1 for what the model does not know."""
        if vitals is NOTHING:
            return _NONE
        phrase = str(most_urgent) if most_urgent < NUM_CLASSES else NO_PHRASE
        index = self._model.index
        return _ints([index.get(FACT + name, -1) for name in signs(vitals, phrase)])


_NONE = np.zeros(0, np.int32)


def _ints(numbers: list[int]) -> Ints:
    return np.array(numbers, np.int32) if numbers else _NONE


def _unknown(words: Words, places: list[list[int]]) -> list[str]:
    """What the grams of words are called that are not known, each once."""
    stems = words.stems
    named = (COLUMN_MARKS[mark] + (gram(stems[at]) or stems[at]) for at, mark in places)
    return list(dict.fromkeys(named))
