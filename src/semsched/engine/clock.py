"""Clocks: time is a parameter of an engine, so that tests can run it without waiting."""

import asyncio
import time
from typing import Protocol

MAX_LAG = 0.5
"""Seconds of real time by which an engine may be late and still catch up."""


class Clock(Protocol):
    """What an engine may ask of time. Instants are seconds of the engine's own time."""

    speed: float
    """Seconds of the engine's time in a second of its clients'."""

    def now(self) -> float:
        """The present instant; it never falls."""
        ...

    async def sleep_until(self, instant: float) -> float:
        """Let others run, until `instant` at least; returns the instant to go on from.

        That is `instant` itself, so that late wake-ups do not add up, or a later one if the time
        lost is more than can be caught up.
        """
        ...

    async def wait(self, woken: asyncio.Event) -> None:
        """Let time pass until `woken` is set."""
        ...


class WallClock:
    """Real time since the clock was made, `speed` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._origin = time.monotonic()

    def now(self) -> float:
        """The present instant."""
        return (time.monotonic() - self._origin) * self.speed

    async def sleep_until(self, instant: float) -> float:
        """Sleep to `instant`; a machine that was halted does not make up for it in a burst."""
        left = (instant - self.now()) / self.speed
        await asyncio.sleep(max(left, 0.0))
        return instant if left > -MAX_LAG else self.now()

    async def wait(self, woken: asyncio.Event) -> None:
        """Wait for the event."""
        await woken.wait()
