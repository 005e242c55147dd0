"""Predictions by machine code; imported only when somebody asks for it, because numba is large."""

import numpy as np

from semsched.predict.length.features import read_signs
from semsched.predict.length.kernel import CODE, corrections, distinct, forget
from semsched.predict.length.ngrams import MAX_PIECES, NUM_BUCKETS, Indices
from semsched.predict.length.online import Learner
from semsched.predict.length.prior import guess
from semsched.predict.length.prompt import ASK_HEAD, ASK_TAIL, read_prompt

__all__ = ["CODE", "Compiled"]

_MOST_FOUND = 2 * (ASK_HEAD + ASK_TAIL) + 1 + MAX_PIECES
"""Words, pairs and pieces that a request can have."""


class Compiled:
    """What numpy does for one prediction in a dozen calls, in one; the same up to rounding.

    Works in memory of its own: one thread at a time.
    """

    def __init__(self) -> None:
        self._seen = np.zeros(NUM_BUCKETS, dtype=np.bool_)
        self._found = np.empty(_MOST_FOUND, dtype=np.intp)
        self.logs(Learner(), "")
        self.ngrams("")

    def logs(self, learner: Learner, text: str) -> tuple[float, float]:
        """`learner.logs(encode(text))`."""
        prompt = read_prompt(text)
        signs = read_signs(prompt)
        correction, wider = corrections(
            _bytes(prompt.asked),
            signs.numbers,
            learner.middle.values,
            learner.spread.values,
            self._seen,
            self._found,
        )
        return learner.blended(guess(signs), correction, wider)

    def ngrams(self, asked: str) -> Indices:
        """`ngrams(asked)`."""
        num = distinct(_bytes(asked), self._seen, self._found)
        forget(self._seen, self._found, num)
        return np.sort(self._found[:num])


def _bytes(asked: str) -> bytes:
    return asked.encode("utf-8", "surrogatepass")
