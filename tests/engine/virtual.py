"""Virtual time for an engine: what is due happens at its instant, exactly, and nobody waits."""

import asyncio
import math
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from semsched.engine import EmbeddedEngine, Generation, Job


class VirtualClock:
    """A clock that jumps; what is due at the end of a sleep happens before it ends."""

    speed = 1.0

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, instant: float, action: Callable[[], None]) -> None:
        """Let `action` happen at `instant`."""
        heappush(self._due, (instant, next(self._order), action))

    def now(self) -> float:
        return self._now

    async def sleep_until(self, instant: float) -> float:
        self._let_happen(instant)
        self._now = instant
        await asyncio.sleep(0)
        return instant

    async def wait(self, woken: asyncio.Event) -> None:
        while not woken.is_set() and self._due:
            self._let_happen(self._due[0][0])
            await asyncio.sleep(0)
        await woken.wait()

    def _let_happen(self, until: float) -> None:
        while self._due and self._due[0][0] <= until:
            self._now, _, action = heappop(self._due)
            action()


def submit_at(
    clock: VirtualClock, engine: EmbeddedEngine, jobs: list[tuple[float, Job]]
) -> list[Generation]:
    """Let each job arrive at its instant; the list fills as they do."""
    there: list[Generation] = []
    for instant, job in jobs:
        clock.at(instant, lambda job=job: there.append(engine.submit(job)))  # type: ignore[misc]
    return there


async def until_idle(clock: VirtualClock, engine: EmbeddedEngine) -> None:
    """Run the engine until all that will ever happen has happened."""
    idle = asyncio.Event()
    clock.at(math.inf, idle.set)
    await idle.wait()
    assert engine.num_there == 0
