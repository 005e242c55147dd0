"""Client: the other end of an HTTP connection, as one request meets it."""

import asyncio
from collections.abc import Callable, Sequence

from starlette.types import Receive, Scope, Send

from semsched.web.failure import ApiError, Header
from semsched.web.limits import Limits

JSON: Header = (b"content-type", b"application/json")


class GoneError(Exception):
    """The client has left; there is nobody to answer."""


async def read_all(receive: Receive, limits: Limits) -> bytes:
    """A request's body; raises ApiError (408, 413) or GoneError."""
    try:
        async with asyncio.timeout(limits.body_time):
            return await _read(receive, limits.max_body_bytes)
    except TimeoutError:
        message = f"the body took longer than {limits.body_time:g} s"
        raise ApiError(408, "body_timeout", message) from None


async def _read(receive: Receive, max_bytes: int) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise ApiError(413, "request_too_large", f"the body has more than {max_bytes} bytes")
        more = message.get("more_body", False)
    return b"".join(parts)


class _Watched:
    """A context manager that cancels its task when the client is `gone`, unless it `is_answered`.

    By hand: a generator would take twice the time, for every request.
    """

    def __init__(self, gone: asyncio.Future[None], is_answered: Callable[[], bool]) -> None:
        self._gone = gone
        self._is_answered = is_answered
        self._is_within = True

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: coroutines run in tasks
        self._task = task
        self._gone.add_done_callback(self._leave)

    def _leave(self, _: object) -> None:
        if self._is_within and not self._is_answered():
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_within = False
        self._gone.remove_done_callback(self._leave)
        was_cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
        if was_cancelled and self._gone.done() and not self._is_answered():
            self._task.uncancel()
            raise GoneError from None


class Client:
    """Reads one request and answers it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._gone = asyncio.Event()
        self._answered = False
        self.has_started = False
        """Whether the head of the answer is out."""

    async def body(self, limits: Limits) -> bytes:
        """The request's body; raises ApiError (408, 413) or GoneError."""
        if self._scope.get("state", {}).get("is_whole"):  # a timer would cost more than reading it
            return await _read(self._receive, limits.max_body_bytes)
        return await read_all(self._receive, limits)

    # --- answers -------------------------------------------------------------------------

    # A client that has stopped reading holds up an engine: semsched.web.protocol lets it go.

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        """Send the head of the answer."""
        self.has_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, more: bool) -> None:
        """Send a part of the body; the last one ends the answer."""
        self._answered = not more
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def answer(self, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
        """Send a whole answer, JSON."""
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, [JSON, length, *headers])
        await self.write(body, more=False)

    # --- the end -------------------------------------------------------------------------

    def watched(self) -> "_Watched":
        """What is done within is cancelled when the client leaves; raises GoneError then.

        Needs semsched.web.protocol; raises LookupError under another.
        """
        return _Watched(self._scope["state"]["gone"], lambda: self._answered)

    async def watch(self, on_leave: Callable[[], object]) -> None:
        """Call `on_leave` when the client leaves."""
        await self.leave()
        on_leave()

    async def leave(self) -> None:
        """Wait until the client leaves."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()

    async def pause(self, seconds: float) -> None:
        """Wait, less long if a watched client leaves; raises GoneError then."""
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except TimeoutError:
            return
        raise GoneError

    async def hang_up(self, reset: bool) -> None:
        """Close the connection as it is: reset, or after what was sent is delivered.

        Needs semsched.web.protocol; raises LookupError under another.
        """
        hang_up: Callable[[bool], None] = self._scope["state"]["hang_up"]
        self._answered = True  # the client does not leave: it is left
        self._gone.set()
        hang_up(reset)
