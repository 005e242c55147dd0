"""Synthetic workloads: the paper's bursts, a Poisson stream, a bursty stream."""

import math
import random
from collections.abc import Sequence

import numpy as np

from semsched.request import NUM_CLASSES
from semsched.workload.workload import Floats, Ints, Workload, WorkloadError

MAX_TOKENS = int(np.iinfo(np.int32).max)
"""The longest length a workload's columns can hold, in tokens."""


def check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise WorkloadError, naming the parameter, unless `value` is finite and low..high."""
    if not (math.isfinite(value) and low <= value <= high):
        wanted = f"at least {low}" if math.isinf(high) else f"from {low} to {high}"
        raise WorkloadError(f"{name} is {value}, must be {wanted}")


def check_positive(name: str, value: float) -> None:
    """Raise WorkloadError, naming the parameter, unless `value` is finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        raise WorkloadError(f"{name} is {value}, must be a finite number above 0")


def paper(
    *,
    user_request_gap: float = 1.0,
    max_concurrent_user_requests: int = 5,
    gap_num: int = 20,
    ranks: int = 5,
    max_prompt_length: int = 500,
    max_output_length: int = 500,
    seed: int = 0,
) -> Workload:
    """The workload of the paper (arXiv 2506.12204): bursts of random size at equal gaps.

    Burst i of `gap_num` arrives at i * user_request_gap seconds and holds 0 to
    max_concurrent_user_requests requests; urgency is uniform on 0..ranks-1, lengths on
    1..max-1 tokens. The draws come in the order of the paper's code, so a seed gives as many
    requests as there. Raises WorkloadError for a parameter out of range, or if all bursts
    are empty.
    """
    check_range("user_request_gap", user_request_gap, 0)
    check_range("max_concurrent_user_requests", max_concurrent_user_requests, 1)
    check_range("gap_num", gap_num, 1)
    check_range("ranks", ranks, 1, NUM_CLASSES)
    check_range("max_prompt_length", max_prompt_length, 2, MAX_TOKENS)
    check_range("max_output_length", max_output_length, 2, MAX_TOKENS)
    rng = random.Random(seed)  # noqa: S311
    sizes = [rng.randint(0, max_concurrent_user_requests) for _ in range(gap_num)]
    num_requests = sum(sizes)

    def uniform(low: int, high: int) -> Ints:
        return np.array([rng.randint(low, high) for _ in range(num_requests)], dtype=np.int32)

    urgency = uniform(0, ranks - 1)
    prompt_tokens = uniform(1, max_prompt_length - 1)
    output_tokens = uniform(1, max_output_length - 1)
    return Workload.known(
        "paper",
        np.repeat(np.arange(gap_num) * float(user_request_gap), sizes),
        prompt_tokens,
        output_tokens,
        urgency,
        max_output_tokens=np.full(num_requests, max_output_length - 1, dtype=np.int32),
    )


def poisson(
    num_requests: int,
    *,
    rate: float,
    mix: Sequence[float],
    max_prompt_length: int = 500,
    max_output_length: int = 500,
    seed: int = 0,
) -> Workload:
    """Independent arrivals at `rate` requests/s; the rest as in `bursty`."""
    return _stream(
        "poisson", num_requests, rate, 1.0, mix, max_prompt_length, max_output_length, seed
    )


def bursty(
    num_requests: int,
    *,
    rate: float,
    mix: Sequence[float],
    burstiness: float = 4.0,
    max_prompt_length: int = 500,
    max_output_length: int = 500,
    seed: int = 0,
) -> Workload:
    """Arrivals in clumps: Gamma gaps of mean 1/rate seconds.

    `burstiness` is the squared coefficient of variation of the gaps (1 is Poisson). Urgency
    is drawn by the five weights of `mix`, lengths are uniform on 1..max tokens, both ends
    included. Raises WorkloadError for a parameter out of range.
    """
    return _stream(
        "bursty", num_requests, rate, burstiness, mix, max_prompt_length, max_output_length, seed
    )


def arrivals(num_requests: int, rate: float, burstiness: float, rng: np.random.Generator) -> Floats:
    """Instants (s) of a renewal process with Gamma gaps, the first one gap after 0.

    The gaps have mean 1/rate and the squared coefficient of variation `burstiness`.
    """
    check_range("num_requests", num_requests, 1)
    check_positive("rate", rate)
    check_positive("burstiness", burstiness)
    gaps = rng.standard_gamma(1 / burstiness, size=num_requests)
    gaps *= burstiness / rate
    return np.cumsum(gaps, out=gaps)


def draw_urgency(num_requests: int, mix: Sequence[float], rng: np.random.Generator) -> Ints:
    """Classes drawn independently, class c with probability mix[c] / sum(mix).

    Raises WorkloadError unless `mix` is five finite weights, none negative, not all 0.
    """
    weights = np.asarray(mix, dtype=np.float64)
    if weights.shape != (NUM_CLASSES,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise WorkloadError(f"mix is {list(mix)}, must be {NUM_CLASSES} weights of at least 0")
    if not weights.any():
        raise WorkloadError(f"mix is {list(mix)}, must have a weight above 0")
    # Scaled first, so that huge weights cannot overflow the sum; divided by the last partial
    # sum, so that the edges end at exactly 1 and a class of weight 0 is never drawn.
    edges = np.cumsum(weights / weights.max())
    edges /= edges[-1]
    drawn = rng.random(num_requests)
    return np.searchsorted(edges, drawn, side="right").astype(np.int32)


def _stream(
    name: str,
    num_requests: int,
    rate: float,
    burstiness: float,
    mix: Sequence[float],
    max_prompt_length: int,
    max_output_length: int,
    seed: int,
) -> Workload:
    check_range("max_prompt_length", max_prompt_length, 1, MAX_TOKENS)
    check_range("max_output_length", max_output_length, 1, MAX_TOKENS)
    check_range("seed", seed, 0)
    rng = np.random.default_rng(seed)

    def lengths(longest: int) -> Ints:
        return rng.integers(1, longest, size=num_requests, dtype=np.int32, endpoint=True)

    return Workload.known(
        name,
        arrivals(num_requests, rate, burstiness, rng),
        lengths(max_prompt_length),
        lengths(max_output_length),
        draw_urgency(num_requests, mix, rng),
        max_output_tokens=np.full(num_requests, max_output_length, dtype=np.int32),
    )
