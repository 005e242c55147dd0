"""Steps, compiled: core/batch.py and the loop of reference.py, jumping where it is quiet."""

from semsched.core.cost import StepCost, StepWork, prefill_time, step_time
from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.heap import ranks_before
from semsched.simulate.kernel.lists import num_idle, num_running, update_key
from semsched.simulate.kernel.progress import (
    contexts,
    decode,
    end_prefills,
    finish_done,
    load_of,
    note_change,
)
from semsched.simulate.kernel.seats import enter, fill, grow
from semsched.simulate.kernel.state import State
from semsched.simulate.kernel.stretch import begin_stretch, jump, quiet_steps


@compiled
def advance(s: State, cost: StepCost, until_done: int) -> None:
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
def enter_ready(s: State, cost: StepCost) -> None:
    v = s.vars[0]
    while v.num_entered < len(s.entering):
        id = s.entering[v.num_entered]
        if s.requests[id].ready_at > v.now:
            break
        v.num_entered += 1
        enter(s, cost, id)


@compiled
def step(s: State, cost: StepCost) -> bool:
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
def irregular_step(s: State, cost: StepCost) -> None:
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
    end_prefills(s)
    v.busy_time += v.now - began_at
    v.kv_token_seconds += v.num_tokens * (v.now - began_at)
    v.kv_peak_tokens = max(v.kv_peak_tokens, v.num_tokens)
    finish_done(s)


@compiled
def work_of(s: State, cost: StepCost, num_decodes: int) -> StepWork:
    """Plan the prefills, within the budget, and add up the step."""
    v = s.vars[0]
    budget = v.max_num_batched_tokens - num_decodes
    if v.chunked:
        sort_prefilling(s, cost)
    tokens = squares = loads = 0
    longest = 0.0
    for i in range(1, s.prefilling[0] + 1):
        id = s.prefilling[i]
        request = s.requests[id]
        load = load_of(s, id)
        start = request.resident + load
        num = request.prompt_tokens + request.emitted - start
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
def sort_prefilling(s: State, cost: StepCost) -> None:
    for i in range(1, s.prefilling[0] + 1):
        id = s.prefilling[i]
        update_key(s, cost, id)
        at = i
        while at > 1 and ranks_before(s.requests, id, s.prefilling[at - 1]):
            s.prefilling[at] = s.prefilling[at - 1]
            at -= 1
        s.prefilling[at] = id
