"""Seats, compiled: the decisions of core/seats.py on the arrays of `State`.

Function by function the same; what each is for is said there. The keys of running requests are
brought up to date (`refresh`) before anybody is compared.
"""

from semsched.core.cost import StepCost
from semsched.simulate.kernel.blocks import asks, blocks_for, give_back, take
from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.heap import push, ranks_before, remove
from semsched.simulate.kernel.lists import (
    append,
    discard,
    num_idle,
    num_running,
    refresh,
    running,
    update_key,
)
from semsched.simulate.kernel.state import (
    BY_CLASS,
    DECODING,
    NEVER,
    PAUSED,
    PREFILLING,
    WAITING,
    State,
)


@compiled
def enter(s: State, cost: StepCost, id: int) -> None:
    request = s.requests[id]
    v = s.vars[0]
    longest = request.prompt_tokens + request.max_output_tokens
    if blocks_for(s, longest) > v.num_blocks:
        v.num_refused += 1
        return
    if not v.num_tiers:
        v.num_tiers, v.first_tier = 1, request.tier
    elif request.tier != v.first_tier:
        v.num_tiers = 2
    wait(s, cost, id)


@compiled
def fill(s: State, cost: StepCost) -> None:
    v = s.vars[0]
    if v.settled and not v.finish_guard:
        return
    if not num_idle(s):
        v.settled = 1
        return
    refresh(s, cost)
    opened = v.backfill
    while True:
        opened = opened or prefill_leads(s)
        if not seat_best(s, cost, opened):
            break
    if not v.backfill:
        while seat_best(s, cost, False):
            pass
    v.settled = 1


@compiled
def seat_best(s: State, cost: StepCost, fresh: bool) -> bool:
    id = best_idle(s, fresh)
    if id < 0 or not can_seat(s, id):
        return False
    seat(s, cost, id)
    return True


@compiled
def prefill_leads(s: State) -> bool:
    if not s.waiting[0]:
        return False
    leader = s.waiting[1]
    if s.paused[0] and ranks_before(s.requests, s.paused[1], leader):
        return False
    for i in range(num_running(s)):
        if is_ahead(s, running(s, i), leader):
            return False
    return can_seat(s, leader)


@compiled
def is_ahead(s: State, a: int, b: int) -> bool:
    """Whether a is better than b by tier or, without tiers, by value."""
    one, other = s.requests[a], s.requests[b]
    if s.vars[0].num_tiers > 1:
        return one.tier < other.tier
    return one.value < other.value


@compiled
def best_idle(s: State, fresh: bool) -> int:
    if not fresh or not s.waiting[0]:
        return s.paused[1] if s.paused[0] else -1
    if s.paused[0] and ranks_before(s.requests, s.paused[1], s.waiting[1]):
        return s.paused[1]
    return s.waiting[1]


@compiled
def can_seat(s: State, id: int) -> bool:
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
def seat(s: State, cost: StepCost, id: int) -> None:
    request = s.requests[id]
    v = s.vars[0]
    if num_running(s) >= v.max_num_seqs:
        pause(s, cost, worst_displaceable(s, id))
    num_blocks = blocks_to_sit(s, id)
    make_room(s, cost, id, num_blocks, True)
    take(s, id, num_blocks)
    if request.where == PAUSED:
        remove(s.paused, s.requests, id)
        append(s.decoding, id)
        request.where = DECODING
    else:
        remove(s.waiting, s.requests, id)
        append(s.prefilling, id)
        request.where = PREFILLING
    request.seated_at = v.now
    v.changed = 1


@compiled
def blocks_to_sit(s: State, id: int) -> int:
    request = s.requests[id]
    v = s.vars[0]
    if v.preemption == NEVER:
        p90, limit = request.predicted_p90_tokens, request.max_output_tokens
        planned = min(p90, limit) if p90 else limit
        tokens = request.prompt_tokens + max(planned, request.emitted + 1)
    else:
        tokens = request.prompt_tokens + request.emitted + 1 - v.chunked
    return max(blocks_for(s, tokens) - request.num_blocks, 0)


@compiled
def pause(s: State, cost: StepCost, id: int) -> None:
    leave(s, id)
    s.requests[id].num_preemptions += 1
    wait(s, cost, id)


@compiled
def wait(s: State, cost: StepCost, id: int) -> None:
    request = s.requests[id]
    v = s.vars[0]
    update_key(s, cost, id)
    known = request.prompt_tokens + request.emitted
    if request.resident >= known - v.chunked and request.emitted >= v.chunked:
        push(s.paused, s.requests, id)
        request.where = PAUSED
    else:
        push(s.waiting, s.requests, id)
        request.where = WAITING
    v.settled = 0


@compiled
def leave(s: State, id: int) -> None:
    request = s.requests[id]
    v = s.vars[0]
    discard(s.decoding if request.where == DECODING else s.prefilling, id)
    request.seated_time += v.now - request.seated_at
    v.changed = 1


@compiled
def worst_displaceable(s: State, asker: int) -> int:
    worst = -1
    for i in range(num_running(s)):
        id = running(s, i)
        if (worst < 0 or ranks_before(s.requests, worst, id)) and may_displace(s, asker, id):
            worst = id
    return worst


@compiled
def may_displace(s: State, asker: int, holder: int) -> bool:
    v = s.vars[0]
    if v.preemption == NEVER or not ranks_before(s.requests, asker, holder):
        return False
    if v.preemption == BY_CLASS and s.requests[asker].urgency >= s.requests[holder].urgency:
        return False
    request = s.requests[holder]
    left = request.predicted_output_tokens - request.emitted
    nearly_finished = 0 < left <= v.finish_guard
    return not nearly_finished and request.num_preemptions < v.max_preemptions


@compiled
def grow(s: State, cost: StepCost) -> None:
    """As in core, with the short case apart: only then does the order matter."""
    v = s.vars[0]
    num_asking = 0
    for i in range(1, s.decoding[0] + 1):
        num_asking += asks(s, s.decoding[i])
    if num_asking > v.num_free:
        refresh(s, cost)
        for _ in range(num_asking):
            grow_one(s, cost, best_asking(s))
        return
    for i in range(1, s.decoding[0] + 1):
        if asks(s, s.decoding[i]):
            take(s, s.decoding[i], 1)


@compiled
def best_asking(s: State) -> int:
    best = -1
    for i in range(1, s.decoding[0] + 1):
        id = s.decoding[i]
        if asks(s, id) and (best < 0 or ranks_before(s.requests, id, best)):
            best = id
    return best


@compiled
def grow_one(s: State, cost: StepCost, id: int) -> None:
    v = s.vars[0]
    if id < 0:
        return  # those who asked last paid for better ones
    if not v.num_free:
        make_room(s, cost, id, 1, False)
    if v.num_free:
        take(s, id, 1)
    else:
        pause(s, cost, id)


@compiled
def pays(s: State, asker: int, holder: int, admission: bool) -> bool:
    """Whether `holder` gives up KV for `asker`, which takes a seat or only grows in its own."""
    if admission and s.requests[holder].where >= PREFILLING:
        return may_displace(s, asker, holder)
    return ranks_before(s.requests, asker, holder)


@compiled
def make_room(s: State, cost: StepCost, asker: int, num_blocks: int, admission: bool) -> None:
    v = s.vars[0]
    while v.num_free < num_blocks:
        worst = -1
        for i in range(1, s.holders[0] + 1):
            id = s.holders[i]
            if (worst < 0 or ranks_before(s.requests, worst, id)) and pays(s, asker, id, admission):
                worst = id
        if worst < 0:
            break
        if s.requests[worst].where >= PREFILLING:
            pause(s, cost, worst)
        evict(s, cost, worst, min(num_blocks - v.num_free, s.requests[worst].num_blocks))


@compiled
def evict(s: State, cost: StepCost, id: int, num_blocks: int) -> None:
    request = s.requests[id]
    v = s.vars[0]
    give_back(s, id, num_blocks)
    lost = max(request.resident - request.num_blocks * v.block_size, 0)
    request.resident -= lost
    v.num_tokens -= lost
    v.num_evictions += 1
    if request.swaps:
        request.swapped_tokens += lost
        v.unsaved_tokens += lost
    else:
        request.recomputed_tokens += lost
    if lost and request.where == PAUSED:
        remove(s.paused, s.requests, id)
        wait(s, cost, id)
