"""The compiled heap against sorting."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.simulate.kernel.heap import push, remove
from semsched.simulate.kernel.state import REQUEST

keys = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(keys, st.data())
def test_best_first_whoever_is_taken_out(drawn: list[tuple[int, int]], data: st.DataObject) -> None:
    requests = np.zeros(len(drawn), REQUEST)
    requests["tier"], requests["value"] = np.array(drawn).T
    heap = np.zeros(len(drawn) + 1, dtype=np.int32)
    for id in range(len(drawn)):
        push(heap, requests, id)
    left = set(range(len(drawn)))
    while left:
        best = min(left, key=lambda id: (*drawn[id], id))
        assert (heap[0], heap[1]) == (len(left), best)
        out = data.draw(st.sampled_from(sorted(left)))
        remove(heap, requests, out)
        left.remove(out)
    assert heap[0] == 0
