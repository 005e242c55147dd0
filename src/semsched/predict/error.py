"""The paper's error model: predictions made coarse, or made wrong, on purpose.

As arXiv 2506.12204 means it, not as its code does it: a mistaken class can be any class, and a
mistaken length stays on the scale of lengths. Each function returns a new workload whose truth
is untouched.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semsched.request import NUM_CLASSES
from semsched.workload.synthetic import MAX_TOKENS, check_range
from semsched.workload.workload import Ints, Workload


def rounded_lengths(
    workload: Workload,
    rng: np.random.Generator,
    *,
    max_output_length: int,
    length_bucket_num: int = 10,
) -> Workload:
    """Lengths as a predictor of `length_bucket_num` buckets sees them.

    The true length (tokens) is rounded to a multiple of the bucket width
    max_output_length / length_bucket_num, up or down with probability 1/2 each, and is at
    least 1. Nothing holds it at the maximum.
    """
    _check_buckets(max_output_length, length_bucket_num)
    # In whole numbers, so that an exact multiple is its own bucket in both directions.
    scaled = workload.output_tokens.astype(np.int64) * length_bucket_num
    below, above = scaled // max_output_length, -(-scaled // max_output_length)
    bucket = np.where(rng.random(len(workload)) < 0.5, above, below)
    predicted = _tokens(bucket * max_output_length / length_bucket_num, MAX_TOKENS)
    return replace(workload, predicted_output_tokens=predicted)


def mistaken_urgency(
    workload: Workload,
    rng: np.random.Generator,
    *,
    rate: float,
    distance: float,
    ranks: int = 5,
) -> Workload:
    """Each request's predicted class is mistaken with probability `rate`, independently.

    A mistaken class is int(ranks * distance) classes up or down, with probability 1/2 each.
    If that leaves 0..ranks-1 the other direction is taken; if both do, the nearer of the two
    ends 0 and ranks-1 that is not the class itself (equally near: the one in the drawn
    direction). So a mistake of distance 1/ranks or more always changes the class, and every
    class can be the mistaken one. Raises WorkloadError if a rate or distance is outside 0..1,
    or if a predicted class is outside 0..ranks-1.
    """
    check_range("ranks", ranks, int(workload.predicted_urgency.max()) + 1, NUM_CLASSES)
    mistaken, up = _mistakes(len(workload), rng, rate, distance)
    shift = int(ranks * distance)
    landing = np.array(
        [[_mistaken_class(held, step, ranks) for step in (-shift, shift)] for held in range(ranks)],
        dtype=np.int32,
    )
    urgency = workload.predicted_urgency
    wrong = landing[urgency, up.astype(np.intp)]
    return replace(workload, predicted_urgency=np.where(mistaken, wrong, urgency))


def mistaken_lengths(
    workload: Workload,
    rng: np.random.Generator,
    *,
    rate: float,
    distance: float,
    max_output_length: int,
    length_bucket_num: int = 10,
) -> Workload:
    """Each request's predicted length is mistaken with probability `rate`, independently.

    A mistaken length is int(length_bucket_num * distance) bucket widths up or down, with
    probability 1/2 each, and is at least 1 and at most `max_output_length` tokens. Raises
    WorkloadError if a rate or distance is outside 0..1.
    """
    _check_buckets(max_output_length, length_bucket_num)
    mistaken, up = _mistakes(len(workload), rng, rate, distance)
    shift = int(length_bucket_num * distance) * max_output_length / length_bucket_num
    predicted = workload.predicted_output_tokens
    wrong = _tokens(predicted.astype(np.float64) + np.where(up, shift, -shift), max_output_length)
    return replace(workload, predicted_output_tokens=np.where(mistaken, wrong, predicted))


def _mistakes(
    num_requests: int, rng: np.random.Generator, rate: float, distance: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Who is mistaken, and who of them upwards."""
    check_range("rate", rate, 0, 1)
    check_range("distance", distance, 0, 1)
    return rng.random(num_requests) < rate, rng.random(num_requests) < 0.5


def _mistaken_class(held: int, shift: int, ranks: int) -> int:
    for landing in (held + shift, held - shift):
        if 0 <= landing < ranks:
            return landing
    ends = (ranks - 1, 0) if shift > 0 else (0, ranks - 1)
    others = [end for end in ends if end != held]
    return min(others, key=lambda end: abs(end - held), default=held)


def _check_buckets(max_output_length: int, length_bucket_num: int) -> None:
    check_range("max_output_length", max_output_length, 1, MAX_TOKENS)
    check_range("length_bucket_num", length_bucket_num, 1, max_output_length)


def _tokens(lengths: NDArray[np.float64], longest: int) -> Ints:
    return np.clip(np.rint(lengths), 1, longest).astype(np.int32)
