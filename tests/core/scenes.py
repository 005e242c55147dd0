"""Scenes for the tests of seats and batch.

A token takes a second to prefill and a second to decode, KV blocks have four tokens, and a
request is known by its tier: request 0 runs before request 1, and so on.
"""

from typing import Any

from semsched.core.cost import StepCost
from semsched.core.memory import KvMemory
from semsched.core.scheduling import Scheduling
from semsched.core.seats import Seats
from semsched.core.sequence import Sequence
from semsched.request import Rank, Request

BLOCK = 4
COPY = {"swap": 0.5, "recompute": 2.0}
"""Seconds to copy a token: cheaper or dearer than computing it."""


def seats(num_blocks: int = 100, *, lost: str = "recompute", **scheduling: Any) -> Seats:
    """An engine with that many KV blocks; lost KV is swapped or recomputed."""
    cost = StepCost(True, 0, 1, 0, 1, 0, COPY[lost], COPY[lost])
    return Seats(Scheduling(**scheduling), cost, KvMemory(num_blocks, BLOCK))


def arrive(
    seats: Seats,
    tier: int,
    *,
    prompt: int = 3,
    output: int = 20,
    urgency: int = 2,
    at: float = 0.0,
    id: int | None = None,
    slope: float = 0.0,
    longest: int | None = None,
    p90: int = 0,
) -> Sequence:
    """A request of that tier enters the queue."""
    id, longest = tier if id is None else id, longest or output
    request = Request(id, at, prompt, urgency, output, longest, predicted_p90_tokens=p90)
    return seats.add(request, Rank(tier, 0.0, slope))


def prefill(seats: Seats) -> None:
    """Finish the prefill of all who sit, as the batcher does."""
    for seq in seats.prefilling.copy():
        seats.memory.fill(seq, seq.known - seq.resident)
        seats.prefilling.remove(seq)
        seats.decoding.append(seq)


def decode(seats: Seats, seq: Sequence, num_tokens: int = 1) -> None:
    """Let `seq` emit tokens into the blocks it holds, as the batcher does."""
    assert seq in seats.decoding
    seq.emitted += num_tokens
    seats.memory.fill(seq, num_tokens)
    assert seq.resident <= seq.num_blocks * BLOCK


def seated(seats: Seats, tier: int, **request: Any) -> Sequence:
    """A request that came, took a free seat and is prefilled."""
    seq = arrive(seats, tier, **request)
    seats.fill(0.0)
    prefill(seats)
    assert seq in seats.decoding
    return seq


def where(seats: Seats, *seqs: Sequence) -> str:
    """Where each of them is: p prefilling, d decoding, z paused, w waiting, - gone."""
    places = {
        "p": seats.prefilling,
        "d": seats.decoding,
        "z": list(seats.paused),
        "w": list(seats.waiting),
    }
    return "".join(next((k for k, place in places.items() if seq in place), "-") for seq in seqs)
