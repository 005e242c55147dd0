"""A prompt cut into words: capped, in linear time, for any text."""

import re
from typing import NamedTuple

from semsched.predict.length.vocabulary import KNOWN

MAX_EDGE = 4_000
"""Characters that are read at each end of a text."""

ASK_HEAD, ASK_TAIL = 120, 60
"""Words at each end in which the request itself is looked for; between them lies pasted text."""

_EACH = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # scripts without spaces: a character is a word
_WORD = re.compile(rf"[{_EACH}]|[^\W{_EACH}]+")  # two disjoint classes: nothing to backtrack

_ASCII = [chr(code) for code in range(128)]
_BLANKED = "".join(each.lower() if _WORD.match(each) else " " for each in _ASCII).ljust(256)
_PLAIN = _BLANKED.encode("ascii")
"""Bytes for bytes: ASCII in lower case with a blank for all that is no part of a word."""


class Prompt(NamedTuple):
    """What the features look at.

    `text` is the capped text, `num_characters` the length of the whole one. `words` are those of
    the capped text in lower case, `ask` the first and last of them, `asked` the same as one string
    with a space on either side of every word, so that phrases can be found as substrings. `known`
    are those that stand in `ask` and in our vocabulary.
    """

    text: str
    num_characters: int
    words: list[str]
    ask: list[str]
    asked: str
    known: frozenset[str]

    @property
    def num_words(self) -> float:
        """Words of the whole text, estimated from the part that was read."""
        if not self.text:
            return 0.0
        return len(self.words) * self.num_characters / len(self.text)


def read_prompt(text: str) -> Prompt:
    """Cut `text` into words; whatever it holds, and in time bounded by the caps."""
    capped = text if len(text) <= 2 * MAX_EDGE else f"{text[:MAX_EDGE]}\n{text[-MAX_EDGE:]}"
    words = _words(capped)
    ask = words if len(words) <= ASK_HEAD + ASK_TAIL else words[:ASK_HEAD] + words[-ASK_TAIL:]
    return Prompt(capped, len(text), words, ask, f" {' '.join(ask)} ", KNOWN.intersection(ask))


def _words(text: str) -> list[str]:
    if text.isascii():  # the same words in a sixth of the time
        return text.encode("ascii").translate(_PLAIN).decode("ascii").split()
    return _WORD.findall(text.lower())
