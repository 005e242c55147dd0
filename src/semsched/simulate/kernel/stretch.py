"""Stretches: many decode steps at once.

Between two arrivals, finishes and shortages of memory the same requests decode step after step.
Nobody can take a seat meanwhile (core/seats.py says why), and the time of such a stretch has a
closed form, so the kernel goes to its end at once.
"""

from semsched.core.cost import StepCost, decode_line, run_time
from semsched.simulate.kernel.blocks import take
from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.progress import contexts, decode, finish_done, note_change
from semsched.simulate.kernel.state import State

MAX_STEPS = 2**31
"""More than any request has."""


@compiled
def quiet_steps(s: State, cost: StepCost) -> int:
    """How many decode steps lie before the next change; 0 if memory is short in the first."""
    v = s.vars[0]
    if v.unsaved_tokens:
        return 0
    num = steps_in_memory(s, steps_to_finish(s))
    if num:
        begin_stretch(s, cost)
        num = steps_to_arrival(s, num)
    return num


@compiled
def begin_stretch(s: State, cost: StepCost) -> None:
    v = s.vars[0]
    if v.changed:
        note_change(s)
    elif v.stretch_steps:
        return
    sum_context, max_context = contexts(s, s.decoding[0])
    v.first, v.growth = decode_line(cost, s.decoding[0], sum_context, max_context)
    v.stretch_at = v.now
    v.stretch_steps = 0


@compiled
def steps_to_finish(s: State) -> int:
    """Until somebody finishes, or is no longer nearly finished by prediction."""
    num = MAX_STEPS
    for i in range(1, s.decoding[0] + 1):
        request = s.requests[s.decoding[i]]
        num = min(num, request.output_tokens - request.emitted)
        left = request.predicted_output_tokens - request.emitted
        if s.vars[0].finish_guard and left > 0:
            num = min(num, left)
    return num


@compiled
def steps_in_memory(s: State, num: int) -> int:
    """The most steps, up to `num`, for which there are free blocks."""
    num_free = s.vars[0].num_free
    if blocks_to_grow(s, num) <= num_free:
        return num
    enough = 0
    while num - enough > 1:
        middle = (enough + num) // 2
        if blocks_to_grow(s, middle) <= num_free:
            enough = middle
        else:
            num = middle
    return enough


@compiled
def blocks_to_grow(s: State, num_steps: int) -> int:
    size = s.vars[0].block_size
    num = 0
    for i in range(1, s.decoding[0] + 1):
        request = s.requests[s.decoding[i]]
        over = request.resident + num_steps - request.num_blocks * size
        if over > 0:
            num += (over + size - 1) // size
    return num


@compiled
def steps_to_arrival(s: State, num: int) -> int:
    """The fewest steps, up to `num`, that end when somebody enters."""
    v = s.vars[0]
    if v.num_entered == len(s.entering):
        return num
    ready_at = s.requests[s.entering[v.num_entered]].ready_at
    too_few = 0
    while num - too_few > 1:
        middle = (too_few + num) // 2
        if end_of(s, middle) < ready_at:
            too_few = middle
        else:
            num = middle
    return num


@compiled
def end_of(s: State, num_steps: int) -> float:
    v = s.vars[0]
    return v.stretch_at + run_time(v.first, v.growth, v.stretch_steps + num_steps)


@compiled
def jump(s: State, num: int) -> None:
    """Run `num` decode steps of the present stretch."""
    v = s.vars[0]
    for i in range(1, s.decoding[0] + 1):
        id = s.decoding[i]
        request = s.requests[id]
        over = request.resident + num - request.num_blocks * v.block_size
        if over > 0:
            take(s, id, (over + v.block_size - 1) // v.block_size)
    began_at, tokens, seqs = v.now, v.num_tokens, s.decoding[0]
    first = v.first + v.growth * v.stretch_steps
    decode(s, seqs, num, end_of(s, 1))
    v.now = end_of(s, num)
    v.stretch_steps += num
    v.num_steps += num
    v.busy_time += v.now - began_at
    # sum over j of (tokens + seqs (j + 1)) (first + growth j)
    v.kv_token_seconds += first * (tokens * num + seqs * num * (num + 1) / 2)
    v.kv_token_seconds += v.growth * tokens * (num * (num - 1) / 2)
    v.kv_token_seconds += v.growth * seqs * ((num - 1) * num * (num + 1) / 3)
    v.kv_peak_tokens = max(v.kv_peak_tokens, v.num_tokens)
    finish_done(s)
