"""Fleet: the backends, how each is doing, and how much each may be given.

Our own ledger says what a backend has been given; what the backend says of itself arrives late
and only moves the limits.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import aiohttp

from semsched.core.ledger import Capacity
from semsched.serve.backend import (
    FIRST_SEATS,
    RECENT,
    Adapter,
    Answer,
    Kind,
    Probe,
    Reading,
    Timeouts,
    Upstream,
    adapted_seats,
    adapter_of,
    new_session,
)
from semsched.serve.config import Backend as Settings
from semsched.serve.desk import Desk
from semsched.web.failure import Header

FAILURES_TO_REST = 5
"""Requests failed in a row, whatever it says of its health."""
REST_TIME = 5.0
"""Seconds without work after that."""

_log = logging.getLogger(__name__)


class Backend:
    """One engine: how to ask it, whether it is up, and how many seats it has."""

    def __init__(
        self, settings: Settings, kind: Kind, session: aiohttp.ClientSession, desk: Desk
    ) -> None:
        self.settings = settings
        self.kind: Kind = kind
        self.name = settings.name
        self.adapter: Adapter = adapter_of(kind, settings.low_values_first)
        self.is_up = False
        self.why = "not asked yet"
        self.reading: Reading | None = None
        self.seats = settings.seats or FIRST_SEATS
        self.kv_tokens = settings.kv_tokens or 0
        self._running: deque[int] = deque(maxlen=RECENT)
        """Requests that it ran, by its last readings."""
        self._num_failed = 0
        self._resting: asyncio.TimerHandle | None = None
        self._desk = desk
        key = settings.api_key()
        self._upstream = Upstream(
            settings.url,
            session,
            Timeouts(settings.connect_time, settings.first_byte_time, settings.read_time),
            key.get_secret_value() if key else None,
        )
        self._probe = Probe(
            kind, self._upstream, self._on_health, self._on_reading, path=settings.health_path
        )

    async def ask(self, path: str, content: bytes, headers: Iterable[Header]) -> Answer:
        """Its answer; raises UpstreamError."""
        return await self._upstream.open(path, content, headers)

    async def get(self, path: str, within: float, max_bytes: int) -> tuple[int, bytes]:
        """Status and body of a page of it; raises UpstreamError."""
        return await self._upstream.get(path, within, max_bytes)

    def go_on_from(self, old: "Backend") -> None:
        """What was found out of the same engine under other settings holds on."""
        if old.settings.url == self.settings.url:
            self.seats = self.settings.seats or old.seats
            self.kv_tokens = self.settings.kv_tokens or old.kv_tokens
            self._running.extend(old._running)

    async def look(self) -> tuple[bool, str]:
        """Whether it is well, and why."""
        return await self._probe.check()

    def begin(self, is_well: bool, why: str) -> None:
        """It takes requests if it is well."""
        self._probe.note(is_well, why)

    async def watch(self) -> None:
        """Ask how it is doing, until cancelled."""
        await self._probe.run()

    def leave(self) -> None:
        """It takes nothing more, whatever becomes of what it was given."""
        if self._resting:
            self._resting.cancel()
        if self.is_up:
            self.is_up = False
            self._desk.close_backend(self.name)

    def note_failure(self, is_gone: bool = False) -> None:
        """It failed a request: see at once whether it is still there.

        `is_gone`: there was no connection. One that says it is well and fails whatever it is given
        rests for a while, if there is another: the requests may be at fault.
        """
        self._num_failed += 1
        self._probe.alarm(is_gone)
        if self._num_failed >= FAILURES_TO_REST and self._desk.dispatcher.ledger.num_open > 1:
            self._rest()

    def note_success(self) -> None:
        """It answered a request."""
        self._num_failed = 0

    def _rest(self) -> None:
        if self._resting is None and self.is_up:
            _log.warning(
                "backend %s rests for %d s: it failed %d requests in a row",
                *(self.name, REST_TIME, self._num_failed),
            )
            self._desk.close_backend(self.name)
            self._resting = asyncio.get_running_loop().call_later(REST_TIME, self._return)

    def _return(self) -> None:
        self._resting, self._num_failed = None, 0
        self._open()

    @property
    def in_flight(self) -> int:
        """Requests that it was given and has not finished."""
        ledger = self._desk.dispatcher.ledger
        return len(ledger[self.name].loads) if self.name in ledger else 0

    def _on_health(self, is_up: bool, why: str) -> None:
        self.why = why
        if is_up:
            _log.info("backend %s is up", self.name)
            self.is_up = True
            self._open()
            return
        _log.warning("backend %s is down: %s", self.name, why)
        if self.is_up:
            self.is_up = False
            self._desk.close_backend(self.name)

    def _on_reading(self, reading: Reading) -> None:
        """What it says of itself: where the configuration is silent, it sets the limits."""
        self.reading = reading
        self._running.append(reading.num_running)
        seats, kv_tokens = self.seats, self.kv_tokens
        if self.settings.seats is None:
            wanting = bool(self._desk.dispatcher.lanes)
            most_running = max(self._running)
            self.seats = adapted_seats(seats, self.in_flight, reading, most_running, wanting)
        if self.settings.kv_tokens is None and reading.kv_tokens:
            self.kv_tokens = reading.kv_tokens
        if (seats, kv_tokens) != (self.seats, self.kv_tokens):
            self._open()

    def _open(self) -> None:
        """Give it work, unless it is down or rests."""
        if not self.is_up or self._resting is not None:
            return
        self._desk.open_backend(
            self.name,
            Capacity(
                self.seats,
                self.kv_tokens,
                min(self.settings.reserve, self.seats - 1),
                self.settings.preempts,
            ),
        )


class Fleet:
    """The backends by name. One that was removed answers what it was given."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._backends: dict[str, Backend] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}

    def __getitem__(self, name: str) -> Backend:
        return self._backends[name]

    def __iter__(self) -> Iterator[Backend]:
        """Those that are in the configuration."""
        return (self._backends[name] for name in self._watches)

    @property
    def num_up(self) -> int:
        """Backends that take requests."""
        return sum(backend.is_up for backend in self)

    async def __aenter__(self) -> Self:
        self._session = new_session()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop watching, and close all connections."""
        await self._unwatch(self._watches)
        self._drop(list(self._watches))
        await self._session.close()

    async def set(self, backends: Iterable[tuple[Settings, Kind]]) -> None:
        """From now on these; those whose settings did not change go on as they are.

        The others are asked how they are before any leaves, so that nobody finds all of them gone.
        Raises InputError, and changes nothing, if one lacks the key to its API.
        """
        wanted = {settings.name: (settings, kind) for settings, kind in backends}
        gone = [name for name in self._watches if not self._stays(name, wanted)]
        new = [
            Backend(settings, kind, self._session, self._desk)
            for name, (settings, kind) in wanted.items()
            if name not in self._watches or name in gone
        ]
        for backend in new:
            if backend.name in gone:
                backend.go_on_from(self._backends[backend.name])
        found = await asyncio.gather(*(backend.look() for backend in new))
        await self._unwatch(gone)
        self._drop(gone)
        for backend, (is_well, why) in zip(new, found, strict=True):
            self._backends[backend.name] = backend
            self._watches[backend.name] = asyncio.create_task(backend.watch())
            backend.begin(is_well, why)

    def _stays(self, name: str, wanted: Mapping[str, tuple[Settings, Kind]]) -> bool:
        return name in wanted and self._backends[name].settings == wanted[name][0]

    async def _unwatch(self, names: Iterable[str]) -> None:
        """Ask these no more; they go on taking requests."""
        watches = [self._watches[name] for name in names]
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            del self._watches[name]
            self._backends[name].leave()
