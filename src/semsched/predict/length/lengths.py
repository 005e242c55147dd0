"""A predicted length as a distribution, and what is left of it while tokens come out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semsched.belief import length_beyond, shape_of

Floats = NDArray[np.float64]
Caps = int | Sequence[int | None] | None
"""The most tokens an answer may have: for all, one each (None: no limit), or no limit."""

LONGEST = 1e6
"""Tokens beyond which no prediction goes."""


class Lengths(NamedTuple):
    """Output tokens, shape [n] each: half of such answers are shorter than p50, 9 of 10 than p90.

    1 <= p50 <= p90, not rounded.
    """

    p50: Floats
    p90: Floats


def lengths(p50: ArrayLike, p90: ArrayLike, max_output_tokens: Caps = None) -> Lengths:
    """Quantiles (tokens) put in order and under their caps."""
    low, high = (np.atleast_1d(np.asarray(each, dtype=np.float64)) for each in (p50, p90))
    most = caps(max_output_tokens, len(low)).tolist()
    pairs = map(in_bounds, low.tolist(), high.tolist(), most)
    return Lengths(*np.array(list(pairs), dtype=np.float64).reshape(-1, 2).T)


def in_bounds(p50: float, p90: float, cap: float) -> tuple[float, float]:
    """One P50 and P90 put in order and under a cap (at least 1)."""
    low = min(max(p50, 1.0), LONGEST)
    return min(low, cap), min(max(p90, low), LONGEST, cap)


def caps(max_output_tokens: Caps, num_texts: int) -> Floats:
    """The caps as an array [num_texts], inf where there is none, at least 1."""
    if max_output_tokens is None or isinstance(max_output_tokens, int):
        max_output_tokens = [max_output_tokens]
    values = [np.inf if cap is None else min(max(cap, 1), LONGEST) for cap in max_output_tokens]
    return np.broadcast_to(np.array(values, dtype=np.float64), num_texts)


def remaining(believed: Lengths, produced: ArrayLike, max_output_tokens: Caps = None) -> Lengths:
    """Tokens still to come, given that `produced` (shape [n]) are out and the answer goes on.

    The length is taken as log-logistic through P50 and P90 (belief.py); the result holds the same
    quantiles of length - produced under the condition length > produced, each at least 1. Of equal
    quantiles (a cap) what is left of them. Source: TRAIL (arXiv 2410.01035) refines from hidden
    states while running; this is the part that needs nothing but the count.
    """
    out = np.broadcast_to(np.asarray(produced, dtype=np.float64), believed.p50.shape)
    left = [
        [_left(p50, p90, gone, quantile) for quantile in (0.5, 0.9)]
        for p50, p90, gone in zip(*believed, out, strict=True)
    ]
    low, high = np.array(left, dtype=np.float64).reshape(-1, 2).T
    most = np.maximum(caps(max_output_tokens, len(out)) - out, 1.0)
    return Lengths(np.minimum(low, most), np.minimum(high, most))


def _left(p50: float, p90: float, produced: float, quantile: float) -> float:
    is_sure = p90 / p50 <= 1.0
    end = p50 if is_sure else length_beyond(p50, shape_of(p50, p90), produced, quantile)
    return min(max(end - produced, 1.0), LONGEST)
