"""Prompts with what came of them, to draw requests from: a JSON object a line.

    {"text": "my chest hurts and I am sweating", "label": 1, "len": 210}

`label` is the true urgency class, `len` the answer's output tokens.
"""

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from semsched.workload.table import read_table
from semsched.workload.workload import Floats, Ints, Workload, WorkloadError

TRIAGE = "triage"
SHIPPED = resources.files("semsched.workload") / "traces" / "triage.jsonl"

BYTES_PER_TOKEN = 4
"""Of UTF-8: the usual estimate where no tokenizer is at hand."""


class Texts(NamedTuple):
    """Prompts, their urgency classes and the output tokens of their answers, all of one length."""

    text: tuple[str, ...]
    urgency: Ints
    output_tokens: Ints


def read_texts(path: str | Path) -> Texts:
    """The prompts in a JSONL file, or the shipped ones named `triage`.

    Raises WorkloadError with one line.
    """
    if path == TRIAGE:
        with resources.as_file(SHIPPED) as file:
            return read_texts(file)
    table = read_table(Path(path), {"text", "label", "len"})
    for column in ("text", "label", "len"):
        if column not in table.text.columns:
            raise WorkloadError(f"{path}: no {column}: rows must be like {_EXAMPLE}")
    text = table.text["text"]
    table.demand("text", text.is_not_null().to_numpy(), "a text")
    return Texts(tuple(text.to_list()), table.classes("label"), table.whole("len"))


_EXAMPLE = '{"text": "...", "label": 0, "len": 12}'


def drawn_from(texts: Texts, name: str, arrived_at: Floats, rng: np.random.Generator) -> Workload:
    """Requests that arrive at `arrived_at` (s), each with a prompt drawn from `texts`.

    No prompt comes twice before all came once: its answer would have been learned.
    """
    rounds = -(-len(arrived_at) // len(texts.text))
    drawn = np.concatenate([rng.permutation(len(texts.text)) for _ in range(rounds)])
    drawn = drawn[: len(arrived_at)]
    text = tuple(texts.text[i] for i in drawn)
    known = Workload.known(
        name,
        arrived_at,
        prompt_tokens(text),
        texts.output_tokens[drawn],
        texts.urgency[drawn],
        max_output_tokens=np.full(len(drawn), texts.output_tokens.max(), dtype=np.int32),
    )
    return replace(known, text=text)


def prompt_tokens(texts: tuple[str, ...]) -> Ints:
    """Tokens of each text by the size of it, at least 1."""
    sizes = [len(text.encode("utf-8", "replace")) for text in texts]
    tokens: Ints = np.maximum(np.array(sizes) // BYTES_PER_TOKEN, 1).astype(np.int32)
    return tokens
