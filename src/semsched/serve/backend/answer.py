"""Answer: what a backend says, as it comes, and every way in which it may break off."""

import asyncio
from collections.abc import AsyncIterator
from math import inf
from typing import Literal

import aiohttp

from semsched.serve.backend.events import WholeEvents
from semsched.serve.backend.headers import passed_on

FailureKind = Literal["connect", "reset", "timeout", "protocol"]

MAX_LOOK_GAP = 1.0
"""Seconds between two looks at a body that is awaited."""


class UpstreamError(Exception):
    """A backend failed.

    connect: there was no connection; it has not seen the request. reset: the connection broke, or
    the body ended early. timeout: it was silent for too long. protocol: what it said is not HTTP.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def failure(error: Exception) -> UpstreamError:
    """What an error of aiohttp's means."""
    message = str(error) or type(error).__name__
    match error:
        case (
            aiohttp.ClientConnectorError()
            | aiohttp.ConnectionTimeoutError()
            | aiohttp.ServerFingerprintMismatch()
        ):
            return UpstreamError("connect", message)
        case TimeoutError():
            return UpstreamError("timeout", message)
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | RuntimeError():
            # aiohttp's RuntimeError: one reads on though the connection is lost
            return UpstreamError("reset", message)
    return UpstreamError("protocol", message)


class Answer:
    """A backend's answer under way. A context manager that closes it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._watch = _Watch(response)
        self.status = response.status
        self.headers = passed_on(response.raw_headers)
        """Those that are meant for the client; names in lower case."""
        self.is_stream = response.content_type == "text/event-stream"
        self.is_encoded = response.headers.get("content-encoding", "identity") != "identity"
        """Whether its bytes mean something else than they say."""
        if self.is_stream:  # an event of ours may follow
            self.headers = [header for header in self.headers if header[0] != b"content-length"]
        self._events = WholeEvents()
        self.first = b""
        """The first bytes of the body; status 200 only."""

    @property
    def is_over(self) -> bool:
        """Whether the whole body has come and was taken."""
        return self._response.content.at_eof()

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def start(self, read_time: float) -> None:
        """Wait for the first bytes, if they matter; from then on for `read_time` at most."""
        if self.status < 200 or 300 <= self.status < 400:  # where it points to is not for clients
            raise UpstreamError("protocol", f"status {self.status} is no answer")
        if self.status == 200:
            self.first = await self._next()
        self._watch.limit(read_time)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole body, `first` included; each item is all that is there. To be asked for once.

        Of a stream, only whole events: what follows the last one is the `rest`.

        Raises UpstreamError if it breaks off; the last bytes before that may be lost.
        """
        feed = self._events.feed if self.is_stream else bytes
        try:
            data = self.first or await self._next()
            while data:
                if part := feed(data):
                    yield part
                data = await self._next()
        finally:
            self.close()

    @property
    def rest(self) -> bytes:
        """The end of a stream, if it ended within an event."""
        return self._events.held

    async def _next(self) -> bytes:
        """All that is there, or what comes next; b'' at the end."""
        content = self._response.content
        if content.total_bytes == self._watch.num_read and not content.is_eof():
            self._watch.begin()
        try:
            data = await content.readany()
        except (aiohttp.ClientError, TimeoutError, RuntimeError) as error:
            raise failure(error) from error
        self._watch.num_read += len(data)
        return data

    async def read(self, max_bytes: int) -> bytes:
        """The whole body; raises UpstreamError if it breaks off or has more than `max_bytes`."""
        parts, size = [], 0
        async for data in self.chunks():
            parts.append(data)
            size += len(data)
            if size > max_bytes:
                raise UpstreamError("protocol", f"the body has more than {max_bytes} bytes")
        return b"".join(parts)

    def close(self) -> None:
        """Give the connection back if the whole body has come, else end it at once.

        May be called again.
        """
        self._watch.stop()
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        self._response.close()


class _Watch:
    """Ends a body that is silent for too long, or whose connection is lost.

    aiohttp does not tell a reader that a chunk was malformed: it closes the connection, stops its
    own timers and lets the reader wait for ever. And its timer costs a call for every chunk,
    where this one looks now and then.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._silent_time = inf
        self.num_read = 0
        """Bytes that were taken. While there are more, the backend is not the one to wait for."""

    def begin(self) -> None:
        """Somebody waits for it: look from now on, unless that is done already."""
        if self._timer is None:
            self._start()

    def limit(self, silent_time: float) -> None:
        """From now on it may be silent for so many seconds."""
        self._silent_time = silent_time
        if self._timer is not None:
            self._start()

    def _start(self) -> None:
        self.stop()
        self._seen, self._seen_at = self._state, self._loop.time()
        self._arm(min(self._silent_time, MAX_LOOK_GAP))

    def stop(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()

    @property
    def _state(self) -> tuple[int, int]:
        return self._response.content.total_bytes, self.num_read

    def _arm(self, gap: float) -> None:
        self._timer = self._loop.call_later(gap, self._look)

    def _look(self) -> None:
        content, connection = self._response.content, self._response.connection
        if connection is None or content.is_eof() or content.exception() is not None:
            return
        if connection.closed:
            content.set_exception(aiohttp.ClientPayloadError("the connection was lost"))
            return
        left = self._seen_at + self._silent_time - self._loop.time()
        if self._state != self._seen or content.total_bytes > self.num_read:
            self._start()
        elif left <= 0:
            content.set_exception(aiohttp.SocketTimeoutError(f"silent for {self._silent_time:g} s"))
        else:
            self._arm(min(left, MAX_LOOK_GAP))
