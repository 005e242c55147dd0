"""The best that can be done, by trying everything; shares no code with the package."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, product
from math import inf
from typing import NamedTuple

Progress = tuple[tuple[int, int], ...]
"""Of each request: prompt tokens prefilled, output tokens emitted."""


class Wish(NamedTuple):
    """A request: seconds, tokens, and the weight of a second of its latency."""

    ready_at: float
    prompt: int
    output: int
    weight: float


class Move(NamedTuple):
    """What one request may do in a step."""

    id: int
    prefills: bool
    tokens: int
    time: float
    kv: int
    after: tuple[int, int]


@dataclass
class Tiny:
    """An engine of few seats, with whatever policy is best."""

    wishes: list[Wish]
    seats: int
    chunked: bool
    additive: bool
    base: float
    prefill: tuple[float, float]
    decode: tuple[float, float]
    budget: int = 10**6
    kv_tokens: int = 10**6
    loses: bool = False
    """Whether KV can be lost: in chunked batching a second prefill then yields a token."""
    known: dict[tuple[float, Progress], float] = field(default_factory=dict)

    def optimum(self) -> float:
        """The least sum of weight * finish."""
        return self._best(0.0, tuple((0, 0) for _ in self.wishes))

    def _best(self, now: float, at: Progress) -> float:
        key = (round(now, 9), at)
        if key not in self.known:
            self.known[key] = min(self._futures(now, at), default=0.0)
        return self.known[key]

    def _futures(self, now: float, at: Progress) -> Iterator[float]:
        left = [i for i, wish in enumerate(self.wishes) if at[i][1] < wish.output]
        later = min((w.ready_at for i in left if (w := self.wishes[i]).ready_at > now), default=inf)
        if later < inf:
            yield self._best(later, at)
        moves = [list(self._moves(i, *at[i])) for i in left if self.wishes[i].ready_at <= now]
        for size in range(1, min(self.seats, len(moves)) + 1):
            for members in combinations(moves, size):
                for step in product(*members):
                    if self._allowed(step):
                        yield self._after(step, now, at)

    def _moves(self, i: int, done: int, emitted: int) -> Iterator[Move]:
        (b, c), (d, e) = self.prefill, self.decode
        prompt = self.wishes[i].prompt
        if done < prompt:
            for n in range(1, prompt - done + 1) if self.chunked else [prompt]:
                first = int(self.chunked and done + n == prompt)
                time = b * n + c * ((done + n) ** 2 - done**2)
                yield Move(i, True, n, time, prompt, (done + n, first))
            return
        kv = prompt + emitted + (not self.chunked)
        yield Move(i, False, 1, d + e * kv, kv, (done, emitted + 1))
        if self.chunked and self.loses:  # its last token, and computed again
            time = 2 * b + c * (kv**2 - (kv - 2) ** 2)
            yield Move(i, True, 2, time, kv, (done, emitted + 1))

    def _allowed(self, step: tuple[Move, ...]) -> bool:
        mixed = len({move.prefills for move in step}) > 1
        fits = sum(move.kv for move in step) <= self.kv_tokens
        within = sum(move.tokens for move in step) <= self.budget
        return fits and (within if self.chunked else not mixed)

    def _after(self, step: tuple[Move, ...], now: float, at: Progress) -> float:
        times = [move.time for move in step]
        end = now + self.base + (sum(times) if self.additive else max(times))
        then, cost = list(at), 0.0
        for move in step:
            then[move.id] = move.after
            wish = self.wishes[move.id]
            cost += wish.weight * end * (move.after[1] == wish.output)
        return cost + self._best(end, tuple(then))
