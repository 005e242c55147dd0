"""A prompt cut into words: capped, in linear time, for any text."""

import re
from dataclasses import dataclass

MAX_EDGE = 4_000
"""Characters that are read at each end of a text."""

ASK_HEAD, ASK_TAIL = 120, 60
"""Words at each end in which the request itself is looked for; between them lies pasted text."""

_EACH = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # scripts without spaces: a character is a word
_WORD = re.compile(rf"[{_EACH}]|[^\W{_EACH}]+")  # two disjoint classes: nothing to backtrack


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the features look at.

    `text` is the capped text, `num_characters` the length of the whole one. `words` are those of
    the capped text in lower case, `ask` the first and last of them, `asked` the same as one string
    with a space on either side of every word, so that phrases can be found as substrings.
    """

    text: str
    num_characters: int
    words: tuple[str, ...]
    ask: tuple[str, ...]
    asked: str
    vocabulary: frozenset[str]

    @property
    def num_words(self) -> float:
        """Words of the whole text, estimated from the part that was read."""
        if not self.text:
            return 0.0
        return len(self.words) * self.num_characters / len(self.text)


def read_prompt(text: str) -> Prompt:
    """Cut `text` into words; whatever it holds, and in time bounded by the caps."""
    capped = text if len(text) <= 2 * MAX_EDGE else f"{text[:MAX_EDGE]}\n{text[-MAX_EDGE:]}"
    words = tuple(_WORD.findall(capped.lower()))
    ask = words if len(words) <= ASK_HEAD + ASK_TAIL else words[:ASK_HEAD] + words[-ASK_TAIL:]
    return Prompt(capped, len(text), words, ask, f" {' '.join(ask)} ", frozenset(ask))
