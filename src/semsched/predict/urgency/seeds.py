"""The prompts the urgency model is trained on: our own, each with the reason for its class.

A seed file is plain text: a heading `[CLASS REASON]`, then prompts, one a line, that share both.
Line breaks inside a prompt are written as `\\n`; lines that begin with `#` are comments.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from semsched.request import NUM_CLASSES


@dataclass(frozen=True, slots=True)
class Seed:
    """A prompt, its class, why it has it, and the file (without suffix) that it stands in."""

    text: str
    urgency: int
    why: str
    file: str

    @property
    def is_task(self) -> bool:
        """Whether it asks for work about a text or a matter, and nobody needs help."""
        return self.file.startswith(("hard", "ordinary"))

    @property
    def is_hard(self) -> bool:
        """Whether it is full of words of an emergency that it is not."""
        return self.file.startswith("hard")


def read_seeds(part: Literal["train", "heldout"]) -> list[Seed]:
    """The seeds to train on, or those kept apart: written by other hands, never trained on."""
    folder = files(__package__) / "seeds" / part
    found = sorted(folder.iterdir(), key=lambda file: file.name)
    return [seed for file in found if file.name.endswith(".txt") for seed in _read(file)]


def _read(file: Traversable) -> Iterator[Seed]:
    urgency, why = -1, ""
    for line in file.read_text("utf-8").split("\n"):
        heading = _heading(line)
        if heading:
            urgency, why = heading
        elif line.strip() and not line.startswith("#"):
            if urgency < 0:
                raise ValueError(f"{file.name}: a prompt before the first heading: {line:.60}")
            text = line.strip().replace("\\n", "\n")
            yield Seed(text, urgency, why, file.name.removesuffix(".txt"))


def _heading(line: str) -> tuple[int, str] | None:
    """ "[2 kidney stone]" -> (2, "kidney stone"); None for any other line."""
    digit, blank, why = line[1:].partition(" ")
    if line.startswith("[") and blank and line.endswith("]") and digit in _DIGITS:
        return int(digit), why[:-1]
    return None


_DIGITS = frozenset(map(str, range(NUM_CLASSES)))
