"""WaitQueue: the waiting requests, best key first."""

from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)
Key = tuple[Any, ...]


class WaitQueue(Generic[Id]):
    """An indexed binary heap of ids under totally ordered keys.

    `push`, `pop`, `remove` and `rerank` cost O(log n), `best` and membership O(1).
    Keys must be distinct under `<` for a repeatable order: end them with the id.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Key, Id]] = []
        self._index: dict[Id, int] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def __contains__(self, id: object) -> bool:
        return id in self._index

    def __iter__(self) -> Iterator[Id]:
        """Ids in heap order (the best first, the rest in no particular order)."""
        return (id for _, id in self._heap)

    def key(self, id: Id) -> Key:
        """The key under which `id` waits; KeyError if it does not."""
        return self._heap[self._index[id]][0]

    def best(self) -> Id:
        """The id with the lowest key; IndexError if nothing waits."""
        return self._heap[0][1]

    def push(self, id: Id, key: Key) -> None:
        """Let `id` wait under `key`; ValueError if it waits already."""
        if id in self._index:
            raise ValueError(f"request {id!r} is already waiting")
        self._heap.append((key, id))
        self._rise(len(self._heap) - 1)

    def pop(self) -> Id:
        """Remove and return the best id; IndexError if nothing waits."""
        id = self.best()
        self.remove(id)
        return id

    def remove(self, id: Id) -> None:
        """Take `id` out, wherever it stands; KeyError if it does not wait."""
        hole = self._index.pop(id)
        last = self._heap.pop()
        if hole < len(self._heap):
            self._heap[hole] = last
            self._settle(hole)

    def rerank(self, id: Id, key: Key) -> None:
        """Give a waiting `id` a new key; KeyError if it does not wait."""
        at = self._index[id]
        self._heap[at] = (key, id)
        self._settle(at)

    def _settle(self, at: int) -> None:
        if at and self._heap[at][0] < self._heap[(at - 1) >> 1][0]:
            self._rise(at)
        else:
            self._sink(at)

    def _rise(self, at: int) -> None:
        heap, index = self._heap, self._index
        item = heap[at]
        while at:
            parent = (at - 1) >> 1
            if heap[parent][0] <= item[0]:
                break
            heap[at] = heap[parent]
            index[heap[at][1]] = at
            at = parent
        heap[at] = item
        index[item[1]] = at

    def _sink(self, at: int) -> None:
        heap, index = self._heap, self._index
        item, size = heap[at], len(heap)
        while (child := 2 * at + 1) < size:
            if child + 1 < size and heap[child + 1][0] < heap[child][0]:
                child += 1
            if item[0] <= heap[child][0]:
                break
            heap[at] = heap[child]
            index[heap[at][1]] = at
            at = child
        heap[at] = item
        index[item[1]] = at
