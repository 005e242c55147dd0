"""Probe: asks a backend now and then how it is doing, and tells who wants to know."""

import asyncio
import random
from collections.abc import Callable
from typing import NamedTuple

from semsched.serve.backend.adapter import Kind
from semsched.serve.backend.answer import UpstreamError
from semsched.serve.backend.reading import Reading, parse_metrics
from semsched.serve.backend.upstream import Upstream

FAILURES_TO_EJECT = 3
SUCCESSES_TO_RETURN = 2

MAX_PAGE_BYTES = 8 * 2**20

OnHealth = Callable[[bool, str], None]
OnReading = Callable[[Reading], None]


class Pace(NamedTuple):
    """Seconds."""

    health: float = 2.0
    """Between two checks, give or take a tenth."""
    metrics: float = 1.0
    """Between two readings, give or take a tenth."""
    answer: float = 2.0
    """For an answer."""


class Probe:
    """Watches one backend while `run` runs.

    `on_health(is_up, why)` is called after the first check and whenever that changes: three
    failures in a row make it down, two good checks bring it back. `on_reading` gets every reading;
    a hosted API (openai) gives none. `path` is the page that tells its health: /health unless told,
    or /v1/models of a hosted API that has no such page. `chance`, from 0 to 1, spreads the checks.
    """

    def __init__(
        self,
        kind: Kind,
        upstream: Upstream,
        on_health: OnHealth,
        on_reading: OnReading,
        *,
        path: str | None = None,
        pace: Pace | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._kind = kind
        self._upstream = upstream
        self._on_reading = on_reading
        self._pace = pace or Pace()
        self._chance = chance
        self._health = _Health(on_health)
        self._paths = [path or "/health"]
        if kind == "openai" and path is None:
            self._paths.append("/v1/models")
        self._alarm = asyncio.Event()

    async def run(self) -> None:
        """Never returns; to be cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._check_always())
            if self._kind != "openai":
                tasks.create_task(self._read_always())

    def note(self, is_good: bool, why: str) -> None:
        """What a check from elsewhere found."""
        self._health.note(is_good, why)

    def alarm(self, is_gone: bool) -> None:
        """It failed in live traffic, and is checked at once. That there was no connection counts
        as a failed check; what went wrong on one may be the fault of what was asked."""
        if is_gone:
            self._health.note(False, "no connection")
        self._alarm.set()

    # --- health --------------------------------------------------------------------------

    async def _check_always(self) -> None:
        while True:
            self._alarm.clear()
            self._health.note(*await self.check())
            await self._pause(self._pace.health)

    async def _pause(self, seconds: float) -> None:
        """So long, or until the alarm."""
        try:
            async with asyncio.timeout(self._jittered(seconds)):
                await self._alarm.wait()
        except TimeoutError:
            return

    async def check(self) -> tuple[bool, str]:
        """Whether it is well, and why; nobody is told."""
        path = self._paths[0]
        try:
            status, _ = await self._upstream.get(path, self._pace.answer, MAX_PAGE_BYTES)
        except UpstreamError as error:
            return False, f"{path}: {error}"
        if status == 404 and len(self._paths) > 1:
            del self._paths[0]
            return await self.check()
        # 429: it is there, and busy with others
        return status < 300 or status == 429, f"{path}: status {status}"

    # --- metrics -------------------------------------------------------------------------

    async def _read_always(self) -> None:
        while True:
            reading = await self._read()
            if reading is not None:
                self._on_reading(reading)
            await asyncio.sleep(self._jittered(self._pace.metrics))

    async def _read(self) -> Reading | None:
        try:
            status, page = await self._upstream.get("/metrics", self._pace.answer, MAX_PAGE_BYTES)
        except UpstreamError:
            return None
        return parse_metrics(page.decode("utf-8", "replace")) if status == 200 else None

    def _jittered(self, seconds: float) -> float:
        """So that not all backends are asked at the same moment."""
        return seconds * (0.9 + 0.2 * self._chance())


class _Health:
    """Checks in a row, and what they mean."""

    def __init__(self, on_change: OnHealth) -> None:
        self._on_change = on_change
        self._is_up: bool | None = None
        self._num_alike = 0
        self._last = False

    def note(self, is_good: bool, why: str) -> None:
        """The result of a check."""
        self._num_alike = self._num_alike + 1 if is_good == self._last else 1
        self._last = is_good
        needed = SUCCESSES_TO_RETURN if is_good else FAILURES_TO_EJECT
        if is_good != self._is_up and (self._is_up is None or self._num_alike >= needed):
            self._is_up = is_good
            self._on_change(is_good, why)
