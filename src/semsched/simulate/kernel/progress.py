"""Progress: what a step leaves behind in the books, compiled."""

import numpy as np

from semsched.simulate.kernel.blocks import give_back
from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.lists import append, discard, num_idle, num_running, running
from semsched.simulate.kernel.seats import leave
from semsched.simulate.kernel.state import DECODING, State
from semsched.simulate.series import record


@compiled
def contexts(s: State, num_decodes: int) -> tuple[int, int]:
    total = longest = 0
    for i in range(1, num_decodes + 1):
        total += s.requests[s.decoding[i]].resident
        longest = max(longest, s.requests[s.decoding[i]].resident)
    return total, longest


@compiled
def decode(s: State, num_decodes: int, num_steps: int, first_token_at: float) -> None:
    """Book decode steps for the first `num_decodes` of the decoding."""
    for i in range(1, num_decodes + 1):
        request = s.requests[s.decoding[i]]
        if not request.emitted:
            request.first_token_at = first_token_at
        request.resident += num_steps
        request.computed += num_steps
        request.emitted += num_steps
    s.vars[0].num_tokens += num_decodes * num_steps


@compiled
def end_prefills(s: State) -> None:
    v = s.vars[0]
    for i in range(s.prefilling[0], 0, -1):  # backwards: who is done leaves the list
        id = s.prefilling[i]
        request = s.requests[id]
        num = s.planned[i] + load_of(s, id)
        request.resident += num
        request.computed = max(request.computed, request.resident)
        v.num_tokens += num
        if request.resident == request.prompt_tokens + request.emitted:
            discard(s.prefilling, id)
            append(s.decoding, id)
            request.where = DECODING
            if v.chunked and not request.emitted:
                request.first_token_at = v.now
            request.emitted += v.chunked


@compiled
def load_of(s: State, id: int) -> int:
    request = s.requests[id]
    return request.computed - request.resident if request.swaps else 0


@compiled
def finish_done(s: State) -> None:
    num_done = s.vars[0].num_done
    for i in range(s.decoding[0], 0, -1):
        request = s.requests[s.decoding[i]]
        if request.emitted == request.output_tokens:
            if s.vars[0].num_done == num_done:
                record_point(s)
            finish(s, s.decoding[i])
    if s.vars[0].num_done > num_done:
        record_point(s)


@compiled
def record_point(s: State) -> None:
    v = s.vars[0]
    record(s.points, s.cursor, v.now, v.num_tokens, num_running(s), num_idle(s))


@compiled
def finish(s: State, id: int) -> None:
    request = s.requests[id]
    v = s.vars[0]
    leave(s, id)
    v.num_tokens -= request.resident
    if request.num_blocks:
        give_back(s, id, request.num_blocks)
    v.settled = 0
    v.num_done += 1
    request.finished_at = v.now
    request.queue_time = v.now - request.arrived_at - request.seated_time


@compiled
def note_change(s: State) -> None:
    v = s.vars[0]
    v.changed = 0
    for i in range(num_running(s)):
        request = s.requests[running(s, i)]
        if np.isnan(request.started_at):
            request.started_at = v.now
    record_point(s)
