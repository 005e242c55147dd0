"""Building: the tables, made of the lexicon and a model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsched.predict.urgency import features, lexicon
from semsched.predict.urgency.features import AT_START, SCOPES, TASK
from semsched.predict.urgency.kernel.tables import (
    BEGINNING,
    BLANK_INSIDE,
    COLUMN_MARKS,
    GATE,
    GROUP,
    IS_BEFORE_YEARS,
    IS_CLAIM,
    IS_CLAIMING,
    IS_COLON,
    IS_COMMA,
    IS_DEGREE,
    IS_DENIAL,
    IS_EMERGENCY_NUMBER,
    IS_END,
    IS_KIN,
    IS_LEVEL,
    IS_LEVEL_WORD,
    IS_LEVELLED,
    IS_MARK,
    IS_MY,
    IS_NOW,
    IS_OR,
    IS_P,
    IS_QUESTION,
    IS_RIGHT,
    IS_SMALL,
    IS_STOP,
    IS_TELLING,
    IS_YEAR,
    LIST,
    MARK,
    NO_GRAM,
    NUM_KINDS,
    NUM_MARKS,
    NUM_VARIANTS,
    NUMBER,
    ORDINARY,
    PASS,
    PHRASE,
    PLAIN,
    SCOPE,
    STOP,
    UNKNOWN,
    VARIANTS,
    WORD,
    YEAR,
    Ints,
    Tables,
)
from semsched.predict.urgency.model import FACT, LinearModel
from semsched.predict.urgency.sign_words import SIGN_NAMES
from semsched.predict.urgency.vitals import is_telling
from semsched.predict.urgency.words import Memo
from semsched.request import NUM_CLASSES

_KINDS = {"group": GROUP, "gate": GATE, "scope": SCOPE}
_COMMAS = {"pass": PASS, "stop": STOP, "list": LIST}


def _kind_of(stem: str) -> int:
    if " " in stem:
        return BLANK_INSIDE
    if not stem[0].isalnum():
        return MARK
    if len(stem) == 4 and stem.startswith("19"):
        return YEAR
    return NUMBER if stem[0].isdigit() else ORDINARY


def build(model: LinearModel) -> tuple[Memo[int], Tables]:
    """What gives each stem its code, and the tables of our lexicon and of `model`."""
    grams = _grams(model.index)
    phrases = list(_phrases())
    known = sorted(_vocabulary(grams, phrases))
    codes = {stem: code for code, stem in enumerate(known, NUM_KINDS)}
    first_pair, pair_seconds, pair_rows = _pairs(model.index, grams)
    tables = Tables(
        words=_words(codes, grams, [stems[0] for stems, _ in phrases]),
        word_rows=_word_rows(model.index, grams),
        first_pair=first_pair,
        pair_seconds=pair_seconds,
        pair_rows=pair_rows,
        phrases=_phrase_records(phrases),
        phrase_words=_ints(codes[stem] for stems, _ in phrases for stem in stems),
        phrase_rows=_rows(model.index, (name for _, e in phrases for name in _names_of(e))),
        fact_rows=_rows(model.index, _fact_names()),
        variants=VARIANTS,
        number_row=model.index.get("#", -1),
        question=grams.get("?", UNKNOWN),
        seen=np.zeros(len(model.index) + 1, np.int64),
    )
    return Memo(lambda stem: codes.get(stem, _kind_of(stem))), tables


# --- grams ------------------------------------------------------------------------------------


def _grams(index: Mapping[str, int]) -> dict[str, int]:
    """A number for each word of the model's grams."""
    grams = {"^": BEGINNING}
    for name in index:
        if not name.startswith(FACT):
            for word in name.split(" "):
                grams.setdefault(_unmarked(word)[0], len(grams))
    return grams


def _unmarked(word: str) -> tuple[str, int]:
    """A word of a gram without the mark of a scope, and that mark's column."""
    if word and word[0] in COLUMN_MARKS:
        return word[1:], COLUMN_MARKS.index(word[0])
    return word, PLAIN


def _numbered(word: str, grams: Mapping[str, int]) -> int:
    base, mark = _unmarked(word)
    return grams[base] * NUM_MARKS + mark


def _word_rows(index: Mapping[str, int], grams: Mapping[str, int]) -> Ints:
    rows = np.full(len(grams) * NUM_MARKS, -1, np.int32)
    for name, row in index.items():
        if not name.startswith(FACT) and " " not in name:
            rows[_numbered(name, grams)] = row
    return rows


def _pairs(index: Mapping[str, int], grams: Mapping[str, int]) -> tuple[Ints, Ints, Ints]:
    """first_pair, pair_seconds and pair_rows of the tables."""
    words = [(name.split(" "), row) for name, row in index.items() if not name.startswith(FACT)]
    pairs = [
        (*(_numbered(each, grams) for each in pair), row) for pair, row in words if len(pair) == 2
    ]
    firsts, seconds, rows = np.array(sorted(pairs), np.int32).reshape(-1, 3).T
    first_pair = np.searchsorted(firsts, np.arange(len(grams) * NUM_MARKS + 1))
    return first_pair.astype(np.int32), seconds.copy(), rows.copy()


# --- words and phrases ------------------------------------------------------------------------

Phrase = tuple[list[str], lexicon.Entry]

_IS: Mapping[int, frozenset[str]] = {
    IS_SMALL: lexicon.SMALL,
    IS_END: lexicon.SENTENCE_ENDS,
    IS_STOP: lexicon.STOPS,
    IS_COMMA: frozenset({","}),
    IS_OR: frozenset({"or"}),
    IS_BEFORE_YEARS: lexicon.BEFORE_YEARS,
    IS_MY: frozenset({"my"}),
    IS_KIN: features.KIN,
    IS_CLAIMING: features.CLAIMING,
    IS_CLAIM: features.CLAIMS,
    IS_DENIAL: features.DENIALS,
    IS_DEGREE: features.DEGREES,
    IS_LEVELLED: features.LEVELLED,
    IS_LEVEL_WORD: features.LEVEL_WORDS,
    IS_LEVEL: features.LEVELS,
    IS_P: frozenset({"p"}),
    IS_RIGHT: frozenset({"right"}),
    IS_NOW: frozenset({"now"}),
    IS_COLON: frozenset({":"}),
    IS_EMERGENCY_NUMBER: features.NUMBERS,
    IS_QUESTION: frozenset({"?"}),
}


def _phrases() -> Iterator[Phrase]:
    """The phrases of the lexicon, those that begin alike together and the longer ones first."""
    for first, start in lexicon.lexicon().items():
        for longer in start.longer.values():
            yield from longer
        yield from (([first], entry) for entry in start.alone)


def _vocabulary(grams: Mapping[str, int], phrases: Sequence[Phrase]) -> set[str]:
    """The stems that are told apart."""
    in_phrases = {stem for stems, _ in phrases for stem in stems}
    quotes = {*lexicon.QUOTES, *lexicon.QUOTES.values()}
    known = {name for name in grams if name and features.gram(name) == name}
    return known.union(in_phrases, quotes, SIGN_NAMES, *_IS.values()) - {""}


def _words(
    codes: Mapping[str, int], grams: Mapping[str, int], firsts: Sequence[str]
) -> NDArray[Any]:
    """A record of WORD for each kind of unknown word and for each stem that has a code."""
    words = np.zeros(NUM_KINDS + len(codes), WORD)
    words["closes"] = -1
    words["gram"][:NUM_KINDS] = UNKNOWN, *[grams.get("#", UNKNOWN)] * 2, NO_GRAM
    words["bits"][:NUM_KINDS] = 0, IS_TELLING, IS_TELLING | IS_YEAR, IS_MARK
    for stem, code in codes.items():
        name = features.gram(stem)
        words["gram"][code] = grams.get(name, UNKNOWN) if name else NO_GRAM
        words["bits"][code] = _bits_of(stem)
    for opening, closing in lexicon.QUOTES.items():
        words["closes"][codes[opening]] = codes[closing]
    for at, first in enumerate(firsts):
        word = words[codes[first]]
        if word["last_phrase"] == 0:
            word["first_phrase"] = at
        word["last_phrase"] = at + 1
    return words


def _bits_of(stem: str) -> int:
    bits = sum(bit for bit, stems in _IS.items() if stem in stems)
    bits |= IS_MARK if features.is_mark(stem) else 0
    bits |= IS_TELLING if is_telling(stem) else 0
    return bits | (IS_YEAR if _kind_of(stem) == YEAR else 0)


def _phrase_records(phrases: Sequence[Phrase]) -> NDArray[Any]:
    records = np.zeros(len(phrases), PHRASE)
    gates = {entry.name: 0 for _, entry in phrases if entry.kind == "gate"}
    bits = {name: 1 << bit for bit, name in enumerate(gates)}
    first_word = 0
    for record, (stems, entry) in zip(records, phrases, strict=True):
        record["first_word"], record["length"] = first_word, len(stems)
        record["kind"], record["commas"] = _KINDS[entry.kind], _COMMAS[entry.commas]
        record["urgency"], record["reach"] = entry.urgency, entry.reach
        record["around"], record["gate"] = entry.around, bits.get(entry.name, 0)
        record["flag"] = lexicon.FLAGS.get(entry.name, 0)
        first_word += len(stems)
    return records


# --- facts ------------------------------------------------------------------------------------


def _names_of(entry: lexicon.Entry) -> list[str]:
    """Names of the facts that a phrase may be, in the order of the columns."""
    if entry.kind == "group":
        scopes = (*dict.fromkeys(SCOPES), TASK)
        return [*(entry.name + so for so in scopes), f"={entry.phrase}"]
    if entry.kind == "gate":
        return [entry.name, *[""] * 4, entry.name + AT_START]
    return [""] * NUM_VARIANTS


def _fact_names() -> Iterator[str]:
    for name in (*map(str, range(NUM_CLASSES)), features.NO_PHRASE):
        yield features.MOST_URGENT.format(name)
    for number in range(features.MAX_TASKS + 1):
        yield features.NUM_TASKS.format(number)
    yield features.PERSONAL
    for size in range(features.MAX_SIZE + 1):
        yield features.SIZE.format(size)


def _rows(index: Mapping[str, int], facts: Iterable[str]) -> Ints:
    return _ints(index.get(FACT + name, -1) if name else -1 for name in facts)


def _ints(numbers: Iterable[int]) -> Ints:
    return np.array(list(numbers), np.int32)
