"""An indexed binary heap of request ids under (tier, value, id), best first.

`heap[0]` is the size, the ids follow; `requests[id].place` is where an id stands, so that it can
be taken out from anywhere. An id is in one heap at most, so all heaps share `place`.
"""

from semsched.simulate.kernel.compile import compiled
from semsched.simulate.kernel.state import Requests
from semsched.workload.workload import Ints


@compiled
def ranks_before(requests: Requests, a: int, b: int) -> bool:
    """Whether request a runs before b; ids are in order of arrival, so they break ties."""
    if requests[a].tier != requests[b].tier:
        return requests[a].tier < requests[b].tier
    if requests[a].value != requests[b].value:
        return requests[a].value < requests[b].value
    return a < b


@compiled
def push(heap: Ints, requests: Requests, id: int) -> None:
    """Put `id` in."""
    heap[0] += 1
    _rise(heap, requests, heap[0], id)


@compiled
def remove(heap: Ints, requests: Requests, id: int) -> None:
    """Take `id` out, wherever it stands."""
    hole = requests[id].place
    last = heap[heap[0]]
    heap[0] -= 1
    if last == id:
        return
    if hole > 1 and ranks_before(requests, last, heap[hole >> 1]):
        _rise(heap, requests, hole, last)
    else:
        _sink(heap, requests, hole, last)


@compiled
def _rise(heap: Ints, requests: Requests, at: int, id: int) -> None:
    while at > 1 and ranks_before(requests, id, heap[at >> 1]):
        heap[at] = heap[at >> 1]
        requests[heap[at]].place = at
        at >>= 1
    heap[at] = id
    requests[id].place = at


@compiled
def _sink(heap: Ints, requests: Requests, at: int, id: int) -> None:
    size = heap[0]
    while 2 * at <= size:
        child = 2 * at
        if child < size and ranks_before(requests, heap[child + 1], heap[child]):
            child += 1
        if ranks_before(requests, id, heap[child]):
            break
        heap[at] = heap[child]
        requests[heap[at]].place = at
        at = child
    heap[at] = id
    requests[id].place = at
