"""HTTP on one connection: uvicorn's, bounded, and with requests that know their connection."""

import asyncio
import socket
import struct
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from semsched.web.departure import has_left
from semsched.web.failure import ApiError
from semsched.web.farewell import LINGER, Farewell
from semsched.web.held_head import HeldHead
from semsched.web.limits import Limits
from semsched.web.timer import Timer

LOOK_EVERY = 0.1
"""Seconds between two looks whether a client has left while nothing is read from it."""

STALL_TIME = 60.0
"""Seconds in which a client must take what is sent to it."""

_NO_LINGER = struct.pack("ii", 1, 0)
"""Makes a close a reset: nothing that is still under way is delivered."""


class Protocol(HttpToolsProtocol):
    """Bounds what comes before an application sees a request, and what comes after its answer."""

    def __init__(self, *, limits: Limits, **settings: Any) -> None:
        super().__init__(**settings)
        self._limits = limits
        self._in_head = False
        self._head_bytes = 0
        """Of an unfinished head, but for the piece with which it began."""
        self._wrong = ApiError(400, "invalid_http", "this is not HTTP")
        self._alarm = Timer(self.loop, self._late)
        self._lookout = Timer(self.loop, self._look)
        self._stall = Timer(self.loop, self._stalled)
        self._unanswered: deque[RequestResponseCycle] = deque()
        """Requests in their order, of which the first is being answered."""
        self._is_lost = False

    # --- the connection ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there: one too many, or one who should ask soon."""
        super().connection_made(transport)
        max_connections = self._limits.max_connections
        if len(self.connections) > max_connections:
            message = f"{max_connections} connections are open already"
            self._let_go(ApiError(503, "too_many_connections", message), already=False)
        else:
            self._alarm.set(self._limits.head_time)

    def data_received(self, data: bytes) -> None:
        """A piece of a request, or of several."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_head_bytes:
                self._let_go(self._too_large(), already=True)
                return
        super().data_received(data)
        if self._in_head and not self._alarm.is_set:
            self._alarm.set(self._limits.head_time)
        if self.flow.read_paused and not self._lookout.is_set:
            self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._is_lost = True
        self._stop_timers()
        self._disconnect()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """What is sent is not taken."""
        super().pause_writing()
        self._stall.set(STALL_TIME)

    def resume_writing(self) -> None:
        """It is taken again."""
        self._stall.stop()
        super().resume_writing()

    # --- a request -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.scope["state"] |= {"hang_up": self.hang_up, "gone": self.loop.create_future()}
        self._in_head, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. What trails a body is none: checks of the head are done by then."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: an application may see it."""
        self._in_head = False
        self._alarm.stop()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.max_head_bytes:
            self._wrong = self._too_large()
            raise self._wrong  # makes the parser fail
        super().on_headers_complete()
        self.cycle.transport = HeldHead(self.transport, self.loop)
        self._unanswered.append(self.cycle)

    def on_message_complete(self) -> None:
        """The body is whole. Reading stopped if it was large, but who leaves shall be noticed."""
        self._alarm.stop()
        self.scope["state"]["is_whole"] = True
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """The answer is out; whoever is still sending the question should stop."""
        self._unanswered.popleft()
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._alarm.set(LINGER)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """The parser failed."""
        self._let_go(self._wrong, already=True)

    # --- the end -------------------------------------------------------------------------

    def hang_up(self, reset: bool) -> None:
        """Close the connection as it is: reset, or after what was sent is delivered.

        For all who are concerned the client has left.
        """
        if not reset:
            self._close()
        elif not self._is_lost:  # else the number of its socket may be another's by now
            connection: socket.socket = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.transport.abort()
        self._disconnect()

    def _disconnect(self) -> None:
        """Tell those who answer. uvicorn tells the newest, which may not have begun."""
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
            gone: asyncio.Future[None] = cycle.scope["state"]["gone"]
            if not gone.done():
                gone.set_result(None)

    def _look(self) -> None:
        """Nothing is read from who has sent the next requests already, so nobody would notice."""
        if not self.flow.read_paused:
            return
        if has_left(self.transport.get_extra_info("socket")):
            self.transport.close()
        else:
            self._lookout.set(LOOK_EVERY)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _too_large(self) -> ApiError:
        most = self._limits.max_head_bytes
        return ApiError(413, "request_too_large", f"the head has more than {most} bytes")

    def _let_go(self, error: ApiError, already: bool) -> None:
        """Tell it why, unless it is in the middle of an earlier answer."""
        self._in_head = False
        self._alarm.stop()
        if self._is_answering:
            self._close()
            return
        self._stop_timers()  # the transport is another's from here on
        self.connections.discard(self)
        self.transport.set_protocol(Farewell(self.transport, error, already))

    def _close(self) -> None:
        """Close the connection when all is sent: the head of an answer may still be held."""
        answering = self._unanswered[0] if self._unanswered else self
        answering.transport.close()

    def _stop_timers(self) -> None:
        for timer in (self._alarm, self._lookout, self._stall):
            timer.stop()

    def _stalled(self) -> None:
        """It does not take what is sent; whoever has his whole answer may take his time."""
        if self._is_answering:
            self.hang_up(reset=True)
        else:
            self._stall.set(STALL_TIME)

    def _late(self) -> None:
        if self._is_answering:  # what it is owed comes before what it owes
            self._alarm.set(self._limits.head_time)
        else:
            self.transport.abort()
