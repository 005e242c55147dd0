"""Steps, compiled: core/batch.py and the loop of reference.py, with a jump over quiet stretches.

Between two arrivals, finishes and shortages of memory the same requests decode step after step.
Nobody can take a seat meanwhile (core/seats.py says why), and the time of such a stretch has a
closed form, so the kernel goes to its end at once.
"""

import numpy as np

from semsched.core.cost import (
    StepWork,
    decode_line,
    prefers_swap,
    prefill_time,
    run_time,
    step_time,
)
from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.heap import ranks_before
from semsched.simulate.kernel.seats import (
    append,
    discard,
    enter,
    fill,
    finish,
    grow,
    num_idle,
    num_running,
    take,
    update_key,
)
from semsched.simulate.kernel.state import DECODING
from semsched.simulate.series import record


@compiled
def advance(s, cost, until_done):
    """Run until that many requests are done (finished or refused), or nobody is left."""
    v = s.vars[0]
    while v.num_done + v.num_refused < until_done:
        enter_ready(s, cost)
        fill(s, cost)
        quiet = quiet_steps(s, cost) if s.decoding[0] and not s.prefilling[0] else 0
        if quiet:
            jump(s, quiet)
        elif not step(s, cost) and not num_idle(s):
            if v.num_entered == len(s.entering):
                break
            v.now = s.requests[s.entering[v.num_entered]].ready_at


@compiled
def enter_ready(s, cost):
    v = s.vars[0]
    while v.num_entered < len(s.entering):
        id = s.entering[v.num_entered]
        if s.requests[id].ready_at > v.now:
            break
        v.num_entered += 1
        enter(s, cost, id)


# --- one step ------------------------------------------------------------------------------


@compiled
def step(s, cost):
    """Form and run the next step; False if nobody could do anything in it."""
    v = s.vars[0]
    if v.chunked or not s.prefilling[0]:
        grow(s, cost)
    if not num_running(s):
        return False
    if s.prefilling[0] or v.unsaved_tokens:
        irregular_step(s, cost)
    else:
        begin_stretch(s, cost)
        jump(s, 1)
    return True


@compiled
def irregular_step(s, cost):
    v = s.vars[0]
    if v.changed:
        note_change(s)
    num_decodes = s.decoding[0] if v.chunked or not s.prefilling[0] else 0
    took = step_time(cost, work_of(s, cost, num_decodes))
    began_at = v.now
    v.now += took
    v.unsaved_tokens = 0
    v.stretch_steps = 0
    v.num_steps += 1
    decode(s, num_decodes, 1, v.now)
    end_prefills(s, cost)
    v.busy_time += v.now - began_at
    v.kv_token_seconds += v.num_tokens * (v.now - began_at)
    v.kv_peak_tokens = max(v.kv_peak_tokens, v.num_tokens)
    finish_done(s)


@compiled
def work_of(s, cost, num_decodes):
    """Plan the prefills, within the budget, and add up the step."""
    v = s.vars[0]
    budget = v.max_num_batched_tokens - num_decodes
    if v.chunked:
        sort_prefilling(s, cost)
    tokens = squares = loads = 0
    longest = 0.0
    for i in range(1, s.prefilling[0] + 1):
        id = s.prefilling[i]
        load = load_of(s, cost, id)
        start = s.requests[id].resident + load
        num = s.requests[id].prompt_tokens + s.requests[id].emitted - start
        if v.chunked:
            num = min(num, budget)
            budget -= num
        s.planned[i] = num
        tokens += num
        squares += num * (2 * start + num)
        loads += load
        longest = max(longest, cost.load_token * load + prefill_time(cost, start, num))
    sum_context, max_context = contexts(s, num_decodes)
    return StepWork(
        tokens, squares, loads, v.unsaved_tokens, longest, num_decodes, sum_context, max_context
    )


@compiled
def sort_prefilling(s, cost):
    for i in range(1, s.prefilling[0] + 1):
        id = s.prefilling[i]
        update_key(s, cost, id)
        at = i
        while at > 1 and ranks_before(s.requests, id, s.prefilling[at - 1]):
            s.prefilling[at] = s.prefilling[at - 1]
            at -= 1
        s.prefilling[at] = id


@compiled
def load_of(s, cost, id):
    return s.requests[id].computed - s.requests[id].resident if prefers_swap(cost, s.requests[id].prompt_tokens) else 0


@compiled
def contexts(s, num_decodes):
    total = longest = 0
    for i in range(1, num_decodes + 1):
        total += s.requests[s.decoding[i]].resident
        longest = max(longest, s.requests[s.decoding[i]].resident)
    return total, longest


@compiled
def decode(s, num_decodes, num_steps, first_token_at):
    """Book decode steps for the first `num_decodes` of the decoding."""
    for i in range(1, num_decodes + 1):
        id = s.decoding[i]
        if not s.requests[id].emitted:
            s.requests[id].first_token_at = first_token_at
        s.requests[id].resident += num_steps
        s.requests[id].computed += num_steps
        s.requests[id].emitted += num_steps
    s.vars[0].num_tokens += num_decodes * num_steps


@compiled
def end_prefills(s, cost):
    v = s.vars[0]
    for i in range(s.prefilling[0], 0, -1):  # backwards: who is done leaves the list
        id = s.prefilling[i]
        num = s.planned[i] + load_of(s, cost, id)
        s.requests[id].resident += num
        s.requests[id].computed = max(s.requests[id].computed, s.requests[id].resident)
        v.num_tokens += num
        if s.requests[id].resident == s.requests[id].prompt_tokens + s.requests[id].emitted:
            discard(s.prefilling, id)
            append(s.decoding, id)
            s.requests[id].where = DECODING
            if v.chunked and not s.requests[id].emitted:
                s.requests[id].first_token_at = v.now
            s.requests[id].emitted += v.chunked


@compiled
def finish_done(s):
    for i in range(s.decoding[0], 0, -1):
        id = s.decoding[i]
        if s.requests[id].emitted == s.requests[id].output_tokens:
            finish(s, id)


@compiled
def note_change(s):
    v = s.vars[0]
    v.changed = 0
    for i in range(1, s.prefilling[0] + 1):
        note_start(s, s.prefilling[i])
    for i in range(1, s.decoding[0] + 1):
        note_start(s, s.decoding[i])
    record(s.points, s.cursor, v.now, v.num_tokens, num_running(s), num_idle(s))


@compiled
def note_start(s, id):
    if np.isnan(s.requests[id].started_at):
        s.requests[id].started_at = s.vars[0].now


# --- many steps at once --------------------------------------------------------------------


@compiled
def quiet_steps(s, cost):
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
def begin_stretch(s, cost):
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
def steps_to_finish(s):
    """Until somebody finishes, or is no longer nearly finished by prediction."""
    num = s.requests[s.decoding[1]].output_tokens - s.requests[s.decoding[1]].emitted
    for i in range(1, s.decoding[0] + 1):
        id = s.decoding[i]
        num = min(num, s.requests[id].output_tokens - s.requests[id].emitted)
        left = s.requests[id].predicted_output_tokens - s.requests[id].emitted
        if s.vars[0].finish_guard and left > 0:
            num = min(num, left)
    return num


@compiled
def steps_in_memory(s, num):
    """The most steps, up to `num`, for which there are free blocks."""
    v = s.vars[0]
    if blocks_to_grow(s, num) <= v.num_free:
        return num
    enough = 0
    while num - enough > 1:
        middle = (enough + num) // 2
        if blocks_to_grow(s, middle) <= v.num_free:
            enough = middle
        else:
            num = middle
    return enough


@compiled
def blocks_to_grow(s, num_steps):
    size = s.vars[0].block_size
    num = 0
    for i in range(1, s.decoding[0] + 1):
        id = s.decoding[i]
        over = s.requests[id].resident + num_steps - s.requests[id].num_blocks * size
        if over > 0:
            num += (over + size - 1) // size
    return num


@compiled
def steps_to_arrival(s, num):
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
def end_of(s, num_steps):
    v = s.vars[0]
    return v.stretch_at + run_time(v.first, v.growth, v.stretch_steps + num_steps)


@compiled
def jump(s, num):
    """Run `num` decode steps of the present stretch."""
    v = s.vars[0]
    for i in range(1, s.decoding[0] + 1):
        id = s.decoding[i]
        over = s.requests[id].resident + num - s.requests[id].num_blocks * v.block_size
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
