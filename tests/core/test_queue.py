"""WaitQueue against a plain sorted dictionary."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from semsched.core.queue import WaitQueue

keys = st.tuples(st.integers(0, 4), st.integers(0, 9))
ids = st.integers(0, 30)


class QueueMachine(RuleBasedStateMachine):
    """Any sequence of operations leaves the heap equal to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: WaitQueue[int] = WaitQueue()
        self.model: dict[int, tuple[int, ...]] = {}

    @rule(id=ids, key=keys)
    def push(self, id: int, key: tuple[int, int]) -> None:
        if id in self.model:
            with pytest.raises(ValueError, match="already waiting"):
                self.queue.push(id, (*key, id))
        else:
            self.queue.push(id, (*key, id))
            self.model[id] = (*key, id)

    @precondition(lambda self: self.model)
    @rule()
    def pop(self) -> None:
        best = min(self.model, key=self.model.__getitem__)
        assert self.queue.pop() == best
        del self.model[best]

    @rule(id=ids)
    def remove(self, id: int) -> None:
        if id in self.model:
            self.queue.remove(id)
            del self.model[id]
        else:
            with pytest.raises(KeyError):
                self.queue.remove(id)

    @rule(id=ids, key=keys)
    def rerank(self, id: int, key: tuple[int, int]) -> None:
        if id in self.model:
            self.queue.rerank(id, (*key, id))
            self.model[id] = (*key, id)
        else:
            with pytest.raises(KeyError):
                self.queue.rerank(id, (*key, id))

    @invariant()
    def same_content(self) -> None:
        assert len(self.queue) == len(self.model)
        assert set(self.queue) == set(self.model)
        assert all(self.queue.key(id) == key for id, key in self.model.items())
        if self.model:
            assert self.queue.best() == min(self.model, key=self.model.__getitem__)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, deadline=None)


def test_empty_queue_has_no_best() -> None:
    with pytest.raises(IndexError):
        WaitQueue[int]().best()
