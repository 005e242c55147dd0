"""The board's stream of events: the latest snapshot, to a bounded number of listeners."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable

import msgspec
from msgspec.structs import replace

from semsched.serve.board.snapshot import Snapshot

MAX_LISTENERS = 64
"""Event streams that are open at the same time."""


class TooManyListenersError(Exception):
    """MAX_LISTENERS event streams are open already."""


class Feed:
    """Server-sent events: `take`'s snapshots, one for all listeners, as often as `interval`.

    A listener is handed the latest snapshot when it is ready for one, so a slow one misses some
    and makes nothing pile up. A snapshot that says nothing new is not sent; after `ping_time`
    seconds of silence a `ping` event is (an event, because a page cannot see comments).
    """

    def __init__(
        self, take: Callable[[], Snapshot], *, interval: float = 0.5, ping_time: float = 10.0
    ) -> None:
        self._take = take
        self._interval = interval
        self._max_quiet = max(round(ping_time / interval), 1)
        self._closing = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._frame = b""
        self._version = 0
        self._taken_at = -math.inf
        self.num_listeners = 0

    def listen(self) -> AsyncGenerator[bytes, None]:
        """Frames, the latest snapshot at once; raises TooManyListenersError.

        A place is taken with the first frame, and given back when the generator is closed.
        """
        if self.num_listeners >= MAX_LISTENERS:
            raise TooManyListenersError
        return self._frames()

    def close(self) -> None:
        """Ends all streams, for a server that stops."""
        self._closing.set()

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        if self.num_listeners >= MAX_LISTENERS:
            return  # the last places went to others between `listen` and now
        self.num_listeners += 1
        try:
            async for frame in self._news():
                yield frame
        finally:
            self.num_listeners -= 1

    async def _news(self) -> AsyncGenerator[bytes, None]:
        yield b"retry: 1000\n\n"
        sent, quiet = 0, 0
        while not self._closing.is_set():
            version, frame = self._latest()
            quiet = quiet + 1 if version == sent else 0
            if version != sent or quiet == self._max_quiet:
                yield frame if version != sent else b"event: ping\ndata: 1\n\n"
                sent, quiet = version, 0
            await self._pause()

    def _latest(self) -> tuple[int, bytes]:
        """The latest frame with its number; listeners within half an interval share a snapshot."""
        now = asyncio.get_running_loop().time()
        if now - self._taken_at >= self._interval / 2:
            self._taken_at = now
            self._renew(self._take())
        return self._version, self._frame

    def _renew(self, snapshot: Snapshot) -> None:
        old, self._snapshot = self._snapshot, snapshot
        if old is None or replace(snapshot, at=old.at, uptime=old.uptime) != old:
            self._version += 1
            self._frame = b"event: snapshot\ndata: " + msgspec.json.encode(snapshot) + b"\n\n"

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._interval):
                await self._closing.wait()
        except TimeoutError:
            pass
