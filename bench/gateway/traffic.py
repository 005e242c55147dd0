"""Traffic: the shipped prompts with their classes, arriving at random."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from semsched.core.profile import load_profile
from semsched.engine.answers import LengthLimits, draw_answer
from semsched.request import CLASS_NAMES
from semsched.simulate import capacity
from semsched.workload import Workload
from semsched.workload.texts import TRIAGE, prompt_tokens, read_texts
from semsched.workload.workload import Floats

from .load import Ask, chat

PROFILE = load_profile("A100_4B")
SEATS = 16
MAX_TOKENS = 1000
"""What clients allow; the engine draws the lengths of its answers itself, mostly far below."""


@dataclass(frozen=True)
class Traffic:
    """Requests at random instants; times in seconds of the engine."""

    arrived_at: Floats
    text: tuple[str, ...]
    urgency: tuple[int, ...]
    max_tokens: int

    def asks(self, url: str, speed: float, key: str = "none") -> list[Ask]:
        """To be sent to an engine `speed` times as fast; each claims the class of its text."""
        return [
            Ask(
                float(at) / speed,
                url,
                chat(text, max_tokens=self.max_tokens),
                {
                    "x-request-priority": CLASS_NAMES[urgency],
                    "authorization": f"Bearer {key}",
                },
                str(urgency),
            )
            for at, text, urgency in zip(self.arrived_at, self.text, self.urgency, strict=True)
        ]


def engine_capacity(texts: tuple[str, ...], seed: int, max_tokens: int) -> float:
    """Requests/s that the engine can serve which draws its answers to these texts by `seed`."""
    lengths = [draw_answer(text, LengthLimits(max_tokens), seed).num_tokens for text in texts]
    requests = Workload.known(
        "texts",
        np.zeros(len(texts)),
        prompt_tokens(texts),
        np.array(lengths, dtype=np.int32),
        np.zeros(len(texts), dtype=np.int32),
    )
    return capacity(requests, PROFILE, SEATS)


def drawn(
    load: float, seconds: float, seed: int, *, engine_seed: int = 0, max_tokens: int = MAX_TOKENS
) -> Traffic:
    """Poisson arrivals at `load` times the engine's capacity, of the shipped texts in some order,
    none twice before all came once."""
    rng = np.random.default_rng(seed)
    texts = read_texts(TRIAGE)
    rate = load * engine_capacity(texts.text, engine_seed, max_tokens)
    gaps = rng.exponential(1 / rate, int(2 * rate * seconds) + 100)
    arrived_at = np.cumsum(gaps)
    arrived_at = arrived_at[arrived_at < seconds]
    order = list(_shuffled(len(texts.text), len(arrived_at), rng))
    text = tuple(texts.text[i] for i in order)
    return Traffic(arrived_at, text, tuple(int(texts.urgency[i]) for i in order), max_tokens)


def _shuffled(num: int, wanted: int, rng: np.random.Generator) -> Iterator[int]:
    for start in range(0, wanted, num):
        yield from rng.permutation(num)[: wanted - start].tolist()
