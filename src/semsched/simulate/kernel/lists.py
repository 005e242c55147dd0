"""Lists of ids, their size in front, and the keys of those in a seat."""

from semsched.core.cost import StepCost, remaining_time
from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.state import State
from semsched.workload.workload import Ints


@compiled
def append(ids: Ints, id: int) -> None:
    ids[0] += 1
    ids[ids[0]] = id


@compiled
def discard(ids: Ints, id: int) -> None:
    at = 1
    while ids[at] != id:
        at += 1
    ids[at] = ids[ids[0]]
    ids[0] -= 1


@compiled
def num_running(s: State) -> int:
    return s.prefilling[0] + s.decoding[0]


@compiled
def running(s: State, i: int) -> int:
    """The i-th request with a seat."""
    if i < s.prefilling[0]:
        return s.prefilling[i + 1]
    return s.decoding[i - s.prefilling[0] + 1]


@compiled
def num_idle(s: State) -> int:
    return s.waiting[0] + s.paused[0]


@compiled
def update_key(s: State, cost: StepCost, id: int) -> None:
    request = s.requests[id]
    left = remaining_time(
        cost,
        request.prompt_tokens,
        request.computed,
        request.emitted,
        request.predicted_output_tokens,
        request.predicted_p90_tokens,
    )
    request.value = request.offset + request.slope * left


@compiled
def refresh(s: State, cost: StepCost) -> None:
    for i in range(num_running(s)):
        update_key(s, cost, running(s, i))
