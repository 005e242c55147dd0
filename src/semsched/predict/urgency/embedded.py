"""A second look at a text by its sentence embedding, in time or not at all."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from semsched.errors import InputError
from semsched.predict.embed import Encoder as MiniLM
from semsched.predict.embed.encoder import SIZE
from semsched.predict.urgency.model import classes, softmax
from semsched.predict.urgency.verdict import Floats

DEADLINE = 0.05
"""Seconds that an answer is worth waiting for; 128 tokens take 10 ms on one core."""

_log = logging.getLogger(__name__)


class Encoder(Protocol):
    """Texts to vectors: `semsched.predict.embed.Encoder`, or another."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings of unit length, shape [len(texts), size]."""
        ...


@dataclass(frozen=True, eq=False)
class Head:
    """Log odds of model.OUTPUTS from an embedding: weights [size, outputs], bias [outputs].

    `share` is the part of the embedding in the mix, 0 to 1, that fitted best on held-out folds.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    share: float = 1.0

    def probabilities(self, embeddings: NDArray[np.float32]) -> Floats:
        """Of the classes, shape [len(embeddings), 5]."""
        outputs = np.asarray(embeddings @ self.weights + self.bias, dtype=np.float64)
        return classes(softmax(outputs))


def mix(first: Floats, second: Floats, share: float) -> Floats:
    """The geometric mean of two opinions, shape [..., 5] each, `share` of it the second's."""
    logs = (1 - share) * np.log(first + 1e-9) + share * np.log(second + 1e-9)
    return softmax(logs)


class SecondLook:
    """Encoder and head in a thread of their own. What is not ready by `deadline` (s) is None.

    One text at a time: while a late one is under way the others do without.
    """

    def __init__(self, encoder: Encoder, head: Head, deadline: float = DEADLINE) -> None:
        self.head = head
        self._encoder = encoder
        self._deadline = deadline
        self._free = BoundedSemaphore()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="semsched-embed")

    @classmethod
    def with_minilm(cls, head: Head | None, deadline: float = DEADLINE) -> Self:
        """By the sentence model of extra `embed`, exported on first use.

        Raises InputError if its packages are missing or the model was trained without a head, or
        with one for other embeddings.
        """
        if head is None:
            raise InputError("the urgency model has no head for embeddings: train it with --embed")
        if len(head.weights) != SIZE:
            raise InputError(
                f"the urgency model has a head for embeddings of {len(head.weights)} numbers,"
                f" must be {SIZE}: train it again with --embed"
            )
        return cls(MiniLM.load(), head, deadline)

    def look(self, text: str) -> Floats | None:
        """Probabilities of the classes, shape [5]; None if late, busy or failed."""
        late_at = time.monotonic() + self._deadline
        if not self._free.acquire(timeout=self._deadline):
            return None
        future = self._thread.submit(self._encoder.encode, [text])
        future.add_done_callback(self._done)
        try:
            embedding = future.result(timeout=max(late_at - time.monotonic(), 0))
            return np.asarray(self.head.probabilities(embedding)[0])
        except TimeoutError:
            return None
        except Exception as error:  # noqa: BLE001 - a failure costs a text its second look only
            # The message of the error might quote the text.
            _log.warning("sentence embedding failed (%s)", type(error).__name__)
            return None

    def _done(self, _: Future[NDArray[np.float32]]) -> None:
        self._free.release()
