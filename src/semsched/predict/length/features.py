"""What a prompt says about the length of its answer, as numbers.

Two kinds: a few named numbers (`lexical`), which a person can read and the prior weighs by hand,
and hashed pieces of text (`ngrams`), which only mean something once answers were seen.
"""

from collections.abc import Callable, Mapping
from math import log, log1p
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from semsched.predict.length.prompt import Prompt

Vector = NDArray[np.float64]
Indices = NDArray[np.intp]

NUM_BUCKETS = 1 << 15
"""Buckets that n-grams are hashed into; a quarter of them would cost up to 0.02 of tau."""

MAX_PIECES = 800
"""Characters at the start of the request that are cut into pieces."""

_GROUPS: Mapping[str, str] = {
    "list": "list lists steps step enumerate bullet bullets outline table examples ideas ways "
    "tips reasons suggestions names options questions topics itinerary schedule",
    "long": "detailed detail comprehensive thorough thoroughly depth essay report tutorial guide "
    "article blog chapter course curriculum lesson proposal story script complete full entire "
    "everything elaborate extensive plan strategy documentation whitepaper thesis novel long",
    "short": "brief briefly short shortly concise concisely quick quickly succinct simply only "
    "tldr",
    "make": "write create implement build generate design develop make code program draft "
    "compose produce construct refactor",
    "explain": "explain describe discuss compare contrast analyze analyse why how difference "
    "differences evaluate",
    "code": "python javascript java typescript c cpp rust golang sql php html css react django "
    "flask api function class algorithm bash powershell kotlin swift pytorch tensorflow numpy "
    "pandas app application website database server regex scala haskell unity script game",
    "maths": "prove proof solve calculate compute equation integral theorem derivative "
    "probability matrix lemma evaluate determine",
    "which": "which who when where whose is are does did was can true false what",
    "translate": "translate translation rewrite rephrase paraphrase proofread grammar correct "
    "reword convert edit improve",
    "summarise": "summarize summarise summary tldr gist condense shorten abstract",
    "label": "classify extract label title categorize categorise sentiment category identify "
    "detect tag json name",
    "small_code": "function regex expression query formula line oneliner snippet command method "
    "select selector loop variable",
    "big_code": "app application website server plugin extension gui module project boilerplate "
    "system dashboard bot network training pipeline simulation database client framework",
    "fix": "fix error errors bug issue wrong debug fails failing correct find mistake",
    "study": "review research specification analysis methodology framework requirements academic "
    "professional policy business marketing literature steps process architecture",
    "fiction": "story poem song lyrics novel scene dialogue fanfic character characters plot",
}
"""Words that count, once each, if they stand in the request itself."""

_GROUP_WORDS = {name: frozenset(words.split()) for name, words in _GROUPS.items()}

_COUNTING = frozenset(["top", "best", "give", "list", "generate"])
_COUNTED = _COUNTING | _GROUP_WORDS["list"]
"""What stands before or behind the number of things that are asked for."""

_ONE_WORD = (
    "yes or no", "true or false", "one word", "single word", "only the answer", "answer only",
    "just the answer", "only answer", "only respond", "respond only", "respond with only",
    "output only", "only output", "single letter", "one line", "only return", "only write",
)  # fmt: skip
_STEPWISE = ("step by step", "in detail", "as much as possible", "in depth", "as many as")

_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "fifty": 50, "hundred": 100,
    "a": 1, "single": 1,
}  # fmt: skip

_UNIT_TOKENS: Mapping[str, float] = {
    "word": 1.4, "words": 1.4, "sentence": 28, "sentences": 28, "paragraph": 110,
    "paragraphs": 110, "page": 600, "pages": 600, "tokens": 1, "\u5b57": 1, "palabras": 1.6,
    "palavras": 1.6, "mots": 1.6, "worte": 2, "w\u00f6rter": 2, "parole": 1.8,
    "\u0441\u043b\u043e\u0432": 2.2,
}  # fmt: skip
"""Output tokens of one unit that an answer's length can be asked in."""

_REWORD = frozenset(["translate", "translation", "paraphrase", "proofread", "rephrase", "reword"])

_LEADS = frozenset(
    ["in", "to", "within", "under", "most", "about", "around", "least", "exactly", "a"]
)

_MANY = 40
"""A number before a unit is a wish for a length if one of the leads stands before it, or if it is
that many tokens and the prompt wants something made; else it belongs to the matter itself."""


def asked_tokens(prompt: Prompt) -> float:
    """Output tokens the prompt asks for in words ("in 50 words", "two paragraphs"); 0 if none.

    Of several wishes the largest: the others are about parts.
    """
    if _UNIT_TOKENS.keys().isdisjoint(prompt.vocabulary):
        return 0.0
    makes = bool(prompt.vocabulary & (_GROUP_WORDS["make"] | _GROUP_WORDS["summarise"]))
    largest = 0.0
    for before, count, unit in zip(("", *prompt.ask), prompt.ask, prompt.ask[1:], strict=False):
        tokens = _number(count) * _UNIT_TOKENS.get(unit, 0.0)
        if before in _LEADS or (makes and tokens >= _MANY and count != "a"):
            largest = max(largest, tokens)
    return min(largest, 20_000.0)


def asked_items(prompt: Prompt) -> float:
    """How many things are asked for ("top 10", "five ideas"); 0 if no number says so."""
    if _COUNTED.isdisjoint(prompt.vocabulary):
        return 0.0
    for count, thing in zip(prompt.ask, prompt.ask[1:], strict=False):
        if count in _COUNTING and (number := _number(thing)):
            return min(number, 200.0)
        if thing in _GROUP_WORDS["list"] and (number := _number(count)):
            return min(number, 200.0)
    return 0.0


def reworded_words(prompt: Prompt) -> float:
    """Words of a source whose answer is about as long as itself; 0 if nothing is reworded."""
    return prompt.num_words if prompt.vocabulary & _REWORD else 0.0


def _number(word: str) -> float:
    if word.isascii() and word.isdigit():
        return float(word[:6])
    return float(_NUMBERS.get(word, 0))


def _phrases(*phrases: str) -> Callable[[Prompt], float]:
    padded = [f" {phrase} " for phrase in phrases]
    return lambda prompt: float(any(phrase in prompt.asked for phrase in padded))


def _group(words: frozenset[str]) -> Callable[[Prompt], float]:
    return lambda prompt: min(len(prompt.vocabulary & words), 4) / 2


_CHOICES = [[f"{letter}{mark}" for letter in "ABC"] for mark in (") ", ". ", ": ")]


def _choices(prompt: Prompt) -> float:
    return float(any(all(map(prompt.text.__contains__, marks)) for marks in _CHOICES))


_QUESTION_MARKS = ("?", "\uff1f", "\u061f")

LEXICAL: Mapping[str, Callable[[Prompt], float]] = {
    "length": lambda prompt: log1p(prompt.num_words) / 4,
    "very_short": lambda prompt: float(prompt.num_words < 8),
    "very_long": lambda prompt: max(log1p(prompt.num_words) - log(200), 0.0),
    "question_end": lambda prompt: float(prompt.text.rstrip().endswith(_QUESTION_MARKS)),
    "questions": lambda prompt: log1p(min(prompt.text.count("?"), 10)),
    "fenced": lambda prompt: float("```" in prompt.text),
    "code_marks": lambda prompt: log1p(sum(map(prompt.text.count, "{};="))) / 4,
    "lines": lambda prompt: log1p(prompt.text.count("\n")) / 4,
    "digits": lambda prompt: log1p(sum(map(str.isdigit, prompt.words))) / 3,
    "choices": _choices,
    "one_word": _phrases(*_ONE_WORD),
    "stepwise": _phrases(*_STEPWISE),
    "how_to": _phrases(
        "how to", "how do i", "how can i", "how do you", "how should i", "how would"
    ),
    "how_many": _phrases("how much", "how many", "how long", "how old", "what time", "how far"),
    "items": lambda prompt: log1p(asked_items(prompt)) / 2,
    "asked": lambda prompt: log1p(asked_tokens(prompt)) / 6,
    "foreign": lambda prompt: float(not prompt.text.isascii()),
    **{name: _group(words) for name, words in _GROUP_WORDS.items()},
    "reworded": lambda prompt: log1p(reworded_words(prompt)) / 5,
}
"""The named numbers, each about 0 to 2."""


def lexical(prompt: Prompt) -> Vector:
    """The named numbers in the order of LEXICAL, shape [len(LEXICAL)], all finite."""
    return np.array([feature(prompt) for feature in LEXICAL.values()])


def ngrams(prompt: Prompt) -> Indices:
    """Buckets, each once and sorted, of the request's words, word pairs and 3-character pieces.

    The pieces carry over where words do not: inflected languages, scripts without spaces,
    spelling mistakes. Hashed alike everywhere, so that what was learned survives the process.
    """
    words = np.array([_hash_of(word) for word in ("^", *prompt.ask, "$")], dtype=np.uint32)
    opening = prompt.asked[:MAX_PIECES].encode("utf-32-le", "surrogatepass")
    letters = np.frombuffer(opening, dtype="<u4").astype(np.uint32)
    hashed = (
        _mixed(words[1:-1]),
        _mixed(words[:-1], words[1:]),
        _mixed(letters[:-2], letters[1:-1], letters[2:]),
    )
    return np.unique(np.concatenate(hashed) % NUM_BUCKETS).astype(np.intp)


def _hash_of(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))


_PRIME = np.uint32(2_654_435_761)
"""Spreads neighbours: 2**32 over the golden ratio (Knuth, TAOCP volume 3, 6.4)."""


def _mixed(*parts: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """One hash for each row of numbers; their order and how many there are matter."""
    mixed = np.full(len(parts[0]), len(parts), dtype=np.uint32)
    for part in parts:
        mixed = (mixed ^ part) * _PRIME
        mixed ^= mixed >> 15
    return mixed
