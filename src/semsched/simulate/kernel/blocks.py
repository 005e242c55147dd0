"""KvMemory, compiled: the counts of core/memory.py on the arrays of `State`."""

from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.lists import append
from semsched.simulate.kernel.state import State


@compiled
def blocks_for(s: State, num_tokens: int) -> int:
    size = s.vars[0].block_size
    return (num_tokens + size - 1) // size


@compiled
def asks(s: State, id: int) -> bool:
    """Whether the next token of `id` starts a block."""
    request = s.requests[id]
    return request.resident >= request.num_blocks * s.vars[0].block_size


@compiled
def take(s: State, id: int, num_blocks: int) -> None:
    request = s.requests[id]
    s.vars[0].num_free -= num_blocks
    if not request.num_blocks:
        append(s.holders, id)
        request.holder_place = s.holders[0]
    request.num_blocks += num_blocks


@compiled
def give_back(s: State, id: int, num_blocks: int) -> None:
    request = s.requests[id]
    s.vars[0].num_free += num_blocks
    request.num_blocks -= num_blocks
    if not request.num_blocks:
        at, last = request.holder_place, s.holders[s.holders[0]]
        s.holders[at] = last
        s.requests[last].holder_place = at
        s.holders[0] -= 1
