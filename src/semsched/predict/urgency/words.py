"""A text cut into words: capped, in linear time, for any text."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

MAX_HEAD, MAX_TAIL = 1_100, 500
"""Characters that are read at each end of a text; what is asked stands at one of them."""

MAX_WORDS = 280
"""Words and marks that are looked at, two thirds of them at the beginning."""

_SEAM = "\n"
"""Stands between the two ends of a text, so that nothing is read across the gap."""

_EACH = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
"""Scripts in which a character carries about as much as a syllable or a word elsewhere."""

_MARKED = "\u0300-\u036f\u0900-\u0dff"
"""Combining marks, and scripts of India, which are full of them: parts of words all the same."""


def _pattern(each: str, letter: str, flags: int = 0) -> re.Pattern[str]:
    """Words, numbers, marks and line ends; `each` is a class of characters that are words.

    What one repetition may hold can begin nothing that follows it: nothing to backtrack.
    """
    number = r"\d+(?:[.,\u00b7]\d+)?"
    mark = r"[^\w\s\x1c-\x1f]"  # those are blank, but not in ASCII mode
    word = rf"{letter}+(?:['\u2019]{letter}+|(?<=s)['\u2019](?!\w))?"  # don't; the neighbours' dog
    return re.compile(rf"{word}|{number}|{mark}|\n{each}", flags)


_ASCII_WORD = _pattern("", "[a-zA-Z]", re.ASCII)
_ANY_WORD = _pattern(f"|[{_EACH}]", rf"(?:[^\W\d_{_EACH}{_MARKED}]|[{_MARKED}])")
"""The same on texts that are ASCII; the first takes half the time."""

_ENDINGS = ("ingly", "ings", "ing", "edly", "ed", "es", "s", "ly", "e")
_SHORTEST_STEM, _LONGEST_STEM = 4, 40

T = TypeVar("T")


class Memo(dict[str, T]):
    """What a function says of words, remembered: a dictionary costs a third of an lru_cache.

    `memo[word]` never fails. Long words, and those beyond the first 65,536, are not remembered.
    """

    MAX_WORDS = 1 << 16  # emptying it would cost somebody 6 ms

    def __init__(self, function: Callable[[str], T]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, word: str) -> T:
        value = self._function(word)
        if len(self) < self.MAX_WORDS and len(word) <= _LONGEST_STEM:
            self[word] = value
        return value

    def of(self, words: Sequence[str]) -> list[T]:
        """What it says of each."""
        return list(map(self.__getitem__, words))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text, in order: lower-case stems, numbers, marks, and line ends.

    `raw` are the same as written. `text` is what was given; the words come from its two ends.
    `places` numbers them among all words of the text, None if none was left out.
    """

    text: str
    stems: list[str]
    raw: list[str]
    places: list[int] | None = None

    def only(self, places: list[int]) -> "Words":
        """These words alone."""
        stems, raw = [self.stems[i] for i in places], [self.raw[i] for i in places]
        return Words(self.text, stems, raw, places)

    def spans(self) -> list[tuple[int, int]]:
        """Where each word stands in `text`: [start, end)."""
        spans = self._all_spans()
        return spans if self.places is None else [spans[i] for i in self.places]

    def _all_spans(self) -> list[tuple[int, int]]:
        head, tail = _edges(self.text)
        word = _word(self.text)
        spans = [match.span() for match in word.finditer(head)]
        shift = len(self.text) - len(tail)
        if tail:
            spans.append((len(head), len(head)))
        spans += [(a + shift, b + shift) for a, b in (m.span() for m in word.finditer(tail))]
        return _capped(spans)


def read_words(text: str) -> Words:
    """Cut `text` into words; whatever it holds, and in time bounded by the caps."""
    head, tail = _edges(text)
    word = _word(text)
    raw = _capped(word.findall(head) + ([_SEAM, *word.findall(tail)] if tail else []))
    return Words(text, _STEMS.of(raw), raw)


def _word(text: str) -> re.Pattern[str]:
    return _ASCII_WORD if text.isascii() else _ANY_WORD


def _edges(text: str) -> tuple[str, str]:
    if len(text) <= MAX_HEAD + MAX_TAIL:
        return text, ""
    return text[:MAX_HEAD], text[-MAX_TAIL:]


def _capped(items: list[T]) -> list[T]:
    if len(items) <= MAX_WORDS:
        return items
    head = MAX_WORDS * 2 // 3
    return items[:head] + items[head - MAX_WORDS :]


def stem(word: str) -> str:
    """The word in lower case without apostrophe and without the commonest English endings.

    Crude on purpose: "breathing", "breathes" and "breathe" must meet, nothing needs to be
    pronounceable.
    """
    if word[0].isdecimal() and word.isascii():  # a number ends in nothing; most are met once
        return word[:_LONGEST_STEM]
    if not word.isascii():
        word = unicodedata.normalize("NFKC", word[:_LONGEST_STEM])
    word = word.lower().replace("\u2019", "'")[:_LONGEST_STEM]
    word = word.removesuffix("'s").replace("'", "") or word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return _undoubled(word[: -len(ending)])
    return word


_STEMS = Memo(stem)


def stems_of(words: str) -> frozenset[str]:
    """The stems of words parted by blanks."""
    return frozenset(map(stem, words.split()))


def _undoubled(word: str) -> str:
    """ "stopp" of "stopped" is "stop"."""
    return word[:-1] if word[-1] == word[-2] not in "sl" else word
