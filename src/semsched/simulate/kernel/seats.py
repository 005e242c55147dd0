"""Seats, compiled: the decisions of core/seats.py on the arrays of `State`.

Function by function the same, in the same order; what each is for is said there. The keys of
running requests are brought up to date (`refresh`) before anybody is compared.
"""

from semsched.core.cost import prefers_swap, remaining_time
from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.heap import push, ranks_before, remove
from semsched.simulate.kernel.state import BY_CLASS, DECODING, NEVER, PAUSED, PREFILLING, WAITING


@compiled
def update_key(s, cost, id):
    left = remaining_time(
        cost, s.requests[id].prompt_tokens, s.requests[id].computed, s.requests[id].emitted, s.requests[id].predicted_output_tokens
    )
    s.requests[id].value = s.requests[id].offset + s.requests[id].slope * left


@compiled
def refresh(s, cost):
    for i in range(1, s.prefilling[0] + 1):
        update_key(s, cost, s.prefilling[i])
    for i in range(1, s.decoding[0] + 1):
        update_key(s, cost, s.decoding[i])


@compiled
def append(ids, id):
    ids[0] += 1
    ids[ids[0]] = id


@compiled
def discard(ids, id):
    at = 1
    while ids[at] != id:
        at += 1
    ids[at] = ids[ids[0]]
    ids[0] -= 1


# --- who is here ---------------------------------------------------------------------------


@compiled
def num_running(s):
    return s.prefilling[0] + s.decoding[0]


@compiled
def num_idle(s):
    return s.waiting[0] + s.paused[0]


@compiled
def enter(s, cost, id):
    v = s.vars[0]
    longest = s.requests[id].prompt_tokens + s.requests[id].max_output_tokens
    if blocks_for(s, longest) > v.num_blocks:
        v.num_refused += 1
    else:
        wait(s, cost, id)


@compiled
def finish(s, id):
    v = s.vars[0]
    leave(s, id)
    v.num_tokens -= s.requests[id].resident
    if s.requests[id].num_blocks:
        give_back(s, id, s.requests[id].num_blocks)
    v.settled = 0
    v.num_done += 1
    s.requests[id].finished_at = v.now
    s.requests[id].queue_time = v.now - s.requests[id].arrived_at - s.requests[id].seated_time


# --- seats ---------------------------------------------------------------------------------


@compiled
def fill(s, cost):
    v = s.vars[0]
    if v.settled and not v.finish_guard:
        return
    v.settled = 1
    if not num_idle(s):
        return
    refresh(s, cost)
    fresh = v.backfill or prefill_leads(s)
    while True:
        id = best_idle(s, fresh)
        if id < 0 or not can_seat(s, id):
            break
        seat(s, cost, id)
    v.settled = 1


@compiled
def pause(s, cost, id):
    leave(s, id)
    s.requests[id].num_preemptions += 1
    wait(s, cost, id)


@compiled
def wait(s, cost, id):
    v = s.vars[0]
    update_key(s, cost, id)
    known = s.requests[id].prompt_tokens + s.requests[id].emitted
    if s.requests[id].resident >= known - v.chunked and s.requests[id].emitted >= v.chunked:
        push(s.paused, s.requests, id)
        s.requests[id].where = PAUSED
    else:
        push(s.waiting, s.requests, id)
        s.requests[id].where = WAITING
    v.settled = 0


@compiled
def leave(s, id):
    v = s.vars[0]
    discard(s.decoding if s.requests[id].where == DECODING else s.prefilling, id)
    s.requests[id].seated_time += v.now - s.requests[id].seated_at
    v.changed = 1


@compiled
def prefill_leads(s):
    if not s.waiting[0]:
        return False
    leader = s.waiting[1]
    if s.paused[0] and ranks_before(s.requests, s.paused[1], leader):
        return False
    for i in range(1, s.prefilling[0] + 1):
        if ranks_before(s.requests, s.prefilling[i], leader):
            return False
    for i in range(1, s.decoding[0] + 1):
        if ranks_before(s.requests, s.decoding[i], leader):
            return False
    return can_seat(s, leader)


@compiled
def best_idle(s, fresh):
    if not fresh or not s.waiting[0]:
        return s.paused[1] if s.paused[0] else -1
    if s.paused[0] and ranks_before(s.requests, s.paused[1], s.waiting[1]):
        return s.paused[1]
    return s.waiting[1]


@compiled
def can_seat(s, id):
    v = s.vars[0]
    if num_running(s) >= v.max_num_seqs and worst_displaceable(s, id) < 0:
        return False
    short = blocks_to_sit(s, id) - v.num_free
    if short <= 0:
        return True
    for i in range(1, s.holders[0] + 1):
        if pays(s, id, s.holders[i], True):
            short -= s.requests[s.holders[i]].num_blocks
    return short <= 0


@compiled
def seat(s, cost, id):
    v = s.vars[0]
    if num_running(s) >= v.max_num_seqs:
        pause(s, cost, worst_displaceable(s, id))
    num_blocks = blocks_to_sit(s, id)
    make_room(s, cost, id, num_blocks, True)
    take(s, id, num_blocks)
    if s.requests[id].where == PAUSED:
        remove(s.paused, s.requests, id)
        append(s.decoding, id)
        s.requests[id].where = DECODING
    else:
        remove(s.waiting, s.requests, id)
        append(s.prefilling, id)
        s.requests[id].where = PREFILLING
    s.requests[id].seated_at = v.now
    v.changed = 1


@compiled
def blocks_to_sit(s, id):
    v = s.vars[0]
    if v.preemption == NEVER:
        tokens = s.requests[id].prompt_tokens + s.requests[id].max_output_tokens
    else:
        tokens = s.requests[id].prompt_tokens + s.requests[id].emitted + 1 - v.chunked
    return max(blocks_for(s, tokens) - s.requests[id].num_blocks, 0)


# --- preemption ----------------------------------------------------------------------------


@compiled
def worst_displaceable(s, asker):
    worst = -1
    for i in range(1, s.prefilling[0] + 1):
        worst = worse_displaceable(s, asker, s.prefilling[i], worst)
    for i in range(1, s.decoding[0] + 1):
        worst = worse_displaceable(s, asker, s.decoding[i], worst)
    return worst


@compiled
def worse_displaceable(s, asker, id, worst):
    if (worst < 0 or ranks_before(s.requests, worst, id)) and may_displace(s, asker, id):
        return id
    return worst


@compiled
def may_displace(s, asker, holder):
    v = s.vars[0]
    if v.preemption == NEVER or not ranks_before(s.requests, asker, holder):
        return False
    if v.preemption == BY_CLASS and s.requests[asker].urgency >= s.requests[holder].urgency:
        return False
    left = s.requests[holder].predicted_output_tokens - s.requests[holder].emitted
    nearly_finished = 0 < left <= v.finish_guard
    return not nearly_finished and s.requests[holder].num_preemptions < v.max_preemptions


# --- memory --------------------------------------------------------------------------------


@compiled
def blocks_for(s, num_tokens):
    size = s.vars[0].block_size
    return (num_tokens + size - 1) // size


@compiled
def take(s, id, num_blocks):
    s.vars[0].num_free -= num_blocks
    if not s.requests[id].num_blocks:
        append(s.holders, id)
        s.requests[id].holder_place = s.holders[0]
    s.requests[id].num_blocks += num_blocks


@compiled
def give_back(s, id, num_blocks):
    s.vars[0].num_free += num_blocks
    s.requests[id].num_blocks -= num_blocks
    if not s.requests[id].num_blocks:
        at, last = s.requests[id].holder_place, s.holders[s.holders[0]]
        s.holders[at] = last
        s.requests[last].holder_place = at
        s.holders[0] -= 1


@compiled
def grow(s, cost):
    """As in core, with the short case apart: only then does the order matter."""
    v = s.vars[0]
    num_asking = 0
    for i in range(1, s.decoding[0] + 1):
        id = s.decoding[i]
        num_asking += s.requests[id].resident >= s.requests[id].num_blocks * v.block_size
    if num_asking <= v.num_free:
        for i in range(1, s.decoding[0] + 1):
            id = s.decoding[i]
            if s.requests[id].resident >= s.requests[id].num_blocks * v.block_size:
                take(s, id, 1)
    else:
        refresh(s, cost)
        for _ in range(num_asking):
            id = best_asking(s)
            if id < 0:
                break
            grow_one(s, cost, id)


@compiled
def best_asking(s):
    best = -1
    for i in range(1, s.decoding[0] + 1):
        id = s.decoding[i]
        if s.requests[id].resident >= s.requests[id].num_blocks * s.vars[0].block_size:
            if best < 0 or ranks_before(s.requests, id, best):
                best = id
    return best


@compiled
def grow_one(s, cost, id):
    v = s.vars[0]
    if not v.num_free:
        make_room(s, cost, id, 1, False)
    if v.num_free:
        take(s, id, 1)
    else:
        pause(s, cost, id)


@compiled
def pays(s, asker, holder, admission):
    """Whether `holder` gives up KV for `asker`, which takes a seat or only grows in its own."""
    if admission and s.requests[holder].where >= PREFILLING:
        return may_displace(s, asker, holder)
    return ranks_before(s.requests, asker, holder)


@compiled
def make_room(s, cost, asker, num_blocks, admission):
    v = s.vars[0]
    while v.num_free < num_blocks:
        worst = -1
        for i in range(1, s.holders[0] + 1):
            id = s.holders[i]
            if worst < 0 or ranks_before(s.requests, worst, id):
                if pays(s, asker, id, admission):
                    worst = id
        if worst < 0:
            break
        if s.requests[worst].where >= PREFILLING:
            pause(s, cost, worst)
        evict(s, cost, worst, min(num_blocks - v.num_free, s.requests[worst].num_blocks))


@compiled
def evict(s, cost, id, num_blocks):
    v = s.vars[0]
    give_back(s, id, num_blocks)
    lost = max(s.requests[id].resident - s.requests[id].num_blocks * v.block_size, 0)
    s.requests[id].resident -= lost
    v.num_tokens -= lost
    v.num_evictions += 1
    if prefers_swap(cost, s.requests[id].prompt_tokens):
        s.requests[id].swapped_tokens += lost
        v.unsaved_tokens += lost
    else:
        s.requests[id].recomputed_tokens += lost
    if lost and s.requests[id].where == PAUSED:
        remove(s.paused, s.requests, id)
        wait(s, cost, id)
