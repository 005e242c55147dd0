"""What a step costs: the two step-time models and the predicted time still to do.

One formula per kind of work, shared by both models (p prompt tokens, c context tokens):

    prefill of n tokens after s   b n + c ((s + n)^2 - s^2)
    one token at context c        d + e (c + 1)

`paper` takes the maximum over the batch, as the paper's simulator does (arXiv 2506.12204,
section 5): a batch costs as much as its slowest member. `linear` adds up, as real engines do.
Every function here is plain arithmetic on scalars, so the compiled kernel compiles these very
functions; sums over a batch are sums of integers, so their order cannot matter.
"""

from typing import NamedTuple

from semsched.belief import tokens_left


class StepCost(NamedTuple):
    """Coefficients of the step time, in seconds."""

    additive: bool
    """True: costs of a batch add up (`linear`); False: the largest counts (`paper`)."""
    base: float
    """a: per step, whatever runs."""
    prefill_token: float
    """b: per prefilled token."""
    prefill_square: float
    """c: per squared prefilled token (attention)."""
    decode_seq: float
    """d: per decoding request."""
    decode_context: float
    """e: per token of context of a decoding request."""
    load_token: float
    """Copying the KV of a token back from host memory."""
    save_token: float
    """Copying the KV of a token out to host memory."""


def prefill_time(cost: StepCost, start: int, num_tokens: int) -> float:
    """Seconds to prefill `num_tokens` after `start` resident ones, base excluded."""
    end = start + num_tokens
    return cost.prefill_token * num_tokens + cost.prefill_square * (end * end - start * start)


def decode_line(
    cost: StepCost, num_seqs: int, sum_context: int, max_context: int
) -> tuple[float, float]:
    """A decode run is a line: its step j = 0, 1, .. takes (first + growth * j) seconds.

    The contexts are those before the run; each grows by one token a step.
    """
    if cost.additive:
        first = cost.decode_seq * num_seqs + cost.decode_context * (sum_context + num_seqs)
        return cost.base + first, cost.decode_context * num_seqs
    first = cost.decode_seq + cost.decode_context * (max_context + 1)
    return cost.base + first, cost.decode_context


def run_time(first: float, growth: float, num_steps: int) -> float:
    """Seconds of the first `num_steps` steps of a decode run (closed form, no drift)."""
    return first * num_steps + growth * (num_steps * (num_steps - 1) // 2)


def decode_time(cost: StepCost, context: int, num_tokens: int) -> float:
    """Seconds to decode `num_tokens`, alone on the engine, after `context` tokens."""
    tokens_attended = num_tokens * context + num_tokens * (num_tokens + 1) // 2
    return (cost.base + cost.decode_seq) * num_tokens + cost.decode_context * tokens_attended


def engine_time(cost: StepCost, prompt_tokens: int, output_tokens: int, seats: float) -> float:
    """Seconds by which a request holds up a busy engine that serves `seats` at a time.

    Under `paper` costs a decode step serves them all in the time of one, under `linear` they
    share the base only; a prefill holds all of them up. Takes columns, too.
    """
    decode = decode_time(cost, prompt_tokens, output_tokens)
    shared = cost.base * output_tokens if cost.additive else decode
    return prefill_time(cost, 0, prompt_tokens) + (decode - shared) + shared / seats


def remaining_time(
    cost: StepCost,
    prompt_tokens: int,
    computed: int,
    emitted: int,
    predicted_output_tokens: int,
    predicted_p90_tokens: int,
) -> float:
    """Predicted seconds still to do, alone on the engine; it never grows as a request runs.

    What an eviction took away is not counted, so that nobody falls back in the order by being
    evicted. The tokens left are costed as the last ones of the predicted length: at the context
    reached, a request that outlives its prediction would grow dearer with each token.
    """
    left = tokens_left(predicted_output_tokens, predicted_p90_tokens, emitted)
    time = decode_time(cost, prompt_tokens + predicted_output_tokens - left, left)
    if computed < prompt_tokens:
        time += cost.base + prefill_time(cost, computed, prompt_tokens - computed)
    return time


def restored_by_swap(cost: StepCost, restore: str, prompt_tokens: int) -> bool:
    """Whether lost KV is loaded back rather than computed again; takes columns, too.

    `cheaper` is the paper's rule (section 4). It compares the whole prompt, so the answer holds
    for all of a request's life.
    """
    if restore != "cheaper":
        return restore == "swap"
    prefill = cost.prefill_token * prompt_tokens + cost.prefill_square * prompt_tokens**2
    return cost.load_token * prompt_tokens <= prefill


class StepWork(NamedTuple):
    """What is in a step, added up over its requests; all but `longest` are whole numbers."""

    prefill_tokens: int
    prefill_squares: int
    """Sum of (end^2 - start^2) over the prefilled stretches."""
    load_tokens: int
    save_tokens: int
    longest: float
    """Seconds of the slowest prefill, its load included."""
    num_decodes: int
    sum_context: int
    max_context: int


def step_time(cost: StepCost, work: StepWork) -> float:
    """Seconds of one step of any kind; copies out of the GPU wait for nobody and are added."""
    decode = 0.0
    if work.num_decodes:
        line = decode_line(cost, work.num_decodes, work.sum_context, work.max_context)
        decode = line[0] - cost.base
    if cost.additive:
        time = (
            cost.prefill_token * work.prefill_tokens
            + cost.prefill_square * work.prefill_squares
            + cost.load_token * work.load_tokens
            + decode
        )
    else:
        time = max(work.longest, decode)
    return cost.base + time + cost.save_token * work.save_tokens
