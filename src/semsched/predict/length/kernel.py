"""The n-grams of a request and what they weigh, as machine code: ngrams.py says what is computed.

All of it in 64-bit integers, cut to 32 bits where a hash is.
"""

from math import sqrt
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from semsched.machine_code import MachineCode
from semsched.predict.length.features import Vector
from semsched.predict.length.ngrams import MAX_PIECES, NUM_BUCKETS, PRIME, Indices

CODE = MachineCode("length", ["predict/length/kernel.py", "predict/length/ngrams.py"])

Flags = NDArray[np.bool_]

_32_BITS, _SPACE = 0xFFFFFFFF, 0x20
_CRC = np.array([crc32(bytes([i ^ 0xFF])) ^ 0xFF000000 for i in range(256)])
"""The table of CRC-32, byte by byte, got out of zlib."""

_BEGIN, _END = crc32(b"^"), crc32(b"$")


@CODE.compiled
def corrections(
    text: bytes, numbers: Vector, middle: Vector, spread: Vector, seen: Flags, found: Indices
) -> tuple[float, float]:
    """What the weights of a learner add to log P50, and to the distance from there to log P90.

    `middle` and `spread` begin with the bias and the weights of `numbers`; those of the n-grams
    follow. The other arguments as in `distinct`; `seen` is left as it was.
    """
    correction, wider, total, num_dense = middle[0], spread[0], 0.0, 1 + len(numbers)
    for i in range(len(numbers)):
        correction += middle[1 + i] * numbers[i]
        wider += spread[1 + i] * numbers[i]
    num = distinct(text, seen, found)
    for i in range(num):
        total += middle[num_dense + found[i]]
    forget(seen, found, num)
    return correction + total / sqrt(num), wider


@CODE.compiled
def distinct(text: bytes, seen: Flags, found: Indices) -> int:
    """How many buckets the n-grams of `text` fall into; they are put into `found`, in no order.

    `text` is a prompt's `asked` in UTF-8 (surrogates let pass). `seen` [NUM_BUCKETS] is False
    everywhere before, and True at `found` after.
    """
    return _pieces(text, seen, found, _words(text, seen, found))


@CODE.compiled
def forget(seen: Flags, found: Indices, num: int) -> None:
    for i in range(num):
        seen[found[i]] = False


@CODE.compiled
def _words(text: bytes, seen: Flags, found: Indices) -> int:
    """Words and pairs of them, as far as `found` is filled then."""
    num, last, crc, begin = 0, _BEGIN, _32_BITS, 1
    for at in range(1, len(text)):
        if text[at] != _SPACE:
            crc = _CRC[(crc ^ text[at]) & 0xFF] ^ (crc >> 8)
        elif at > begin:
            word = crc ^ _32_BITS
            num = _note(_mixed(1, word), seen, found, num)
            num = _note(_mixed(_mixed(2, last), word), seen, found, num)
            last, crc, begin = word, _32_BITS, at + 1
    return _note(_mixed(_mixed(2, last), _END), seen, found, num)


@CODE.compiled
def _pieces(text: bytes, seen: Flags, found: Indices, num: int) -> int:
    """Three letters at a time."""
    first, second, num_letters, at = 0, 0, 0, 0
    while at < len(text) and num_letters < MAX_PIECES:
        letter, at = _letter(text, at)
        num_letters += 1
        if num_letters >= 3:
            piece = _mixed(_mixed(_mixed(3, first), second), letter)
            num = _note(piece, seen, found, num)
        first, second = second, letter
    return num


@CODE.compiled
def _letter(text: bytes, at: int) -> tuple[int, int]:
    """The code point that begins at `at`, and where the next one does."""
    lead = text[at] & 0xFF  # a signed number from here on
    if lead < 0x80:
        return lead, at + 1
    size = 2 + (lead >= 0xE0) + (lead >= 0xF0)
    letter = lead & (0x7F >> size)
    for i in range(at + 1, at + size):
        letter = letter << 6 | text[i] & 0x3F
    return letter, at + size


@CODE.compiled
def _mixed(mixed: int, part: int) -> int:
    mixed = ((mixed ^ part) * PRIME) & _32_BITS
    return mixed ^ (mixed >> 15)


@CODE.compiled
def _note(mixed: int, seen: Flags, found: Indices, num: int) -> int:
    bucket = mixed % NUM_BUCKETS
    if seen[bucket]:
        return num
    seen[bucket] = True
    found[num] = bucket
    return num + 1
