"""Dice that remember nothing: the same words give the same throw, on every machine."""

from hashlib import blake2b


def throw(*words: object) -> int:
    """64 bits that depend on the words and nothing else."""
    text = "\x1f".join(map(str, words))
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


def uniform(*words: object) -> float:
    """A number in (0, 1), neither end included."""
    return ((throw(*words) >> 11) + 0.5) / 2**53
