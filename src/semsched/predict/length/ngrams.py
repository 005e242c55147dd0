"""Hashed pieces of a request: they only mean something once answers were seen.

The pieces of words carry over where words do not: inflected languages, scripts without spaces,
spelling mistakes. Hashed alike everywhere, so that what was learned survives the process.
"""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

NUM_BUCKETS = 1 << 15
"""Buckets that n-grams are hashed into; a quarter of them would cost up to 0.02 of tau."""

MAX_PIECES = 800
"""Characters at the start of the request that are cut into pieces."""

PRIME = 2_654_435_761
"""Spreads neighbours: 2**32 over the golden ratio (Knuth, TAOCP volume 3, 6.4)."""


def ngrams(asked: str) -> Indices:
    """Buckets, each once and sorted, of words, word pairs and 3-character pieces.

    `asked` is that of a Prompt: words with a space on either side.
    """
    ends = f"^{asked}$".encode("utf-8", "surrogatepass").split()
    words = np.array(list(map(crc32, ends)), dtype=np.uint32)
    opening = asked[:MAX_PIECES].encode("utf-32-le", "surrogatepass")
    letters = np.frombuffer(opening, dtype="<u4").astype(np.uint32, copy=False)
    hashed = (
        _mixed(words[1:-1]),
        _mixed(words[:-1], words[1:]),
        _mixed(letters[:-2], letters[1:-1], letters[2:]),
    )
    return _distinct(np.concatenate(hashed) % NUM_BUCKETS)


def _mixed(*parts: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """One hash for each row of numbers; their order and how many there are matter."""
    mixed = np.full(len(parts[0]), len(parts), dtype=np.uint32)
    for part in parts:
        mixed ^= part
        mixed *= np.uint32(PRIME)
        mixed ^= mixed >> 15
    return mixed


def _distinct(buckets: NDArray[np.uint32]) -> Indices:
    """Each once and sorted; np.unique takes seven times as long."""
    buckets.sort()
    is_new = np.ones(len(buckets), dtype=np.bool_)
    np.not_equal(buckets[1:], buckets[:-1], out=is_new[1:])
    return buckets[is_new].astype(np.intp)
