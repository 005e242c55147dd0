"""Farewell: the last words on a connection whose requests nobody will read."""

import asyncio

from semsched.web.failure import ApiError

LINGER = 1.0
"""Seconds. Closing at once would throw away what the client is still sending, which resets the
connection and takes the answer from it."""


def last_words(error: ApiError) -> bytes:
    """An HTTP answer that ends its connection."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(error.body)),
        (b"connection", b"close"),
        *error.headers,
    ]
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d \r\n%b\r\n%b" % (error.status, head, error.body)


class Farewell(asyncio.Protocol):
    """Answers once, lets the client read, closes after LINGER at the latest.

    To take over a transport from another protocol. The answer goes out when the client has sent
    something, or at once if it did `already`: clients do not read before they have asked.
    """

    def __init__(self, transport: asyncio.Transport, error: ApiError, already: bool) -> None:
        self._transport = transport
        self._words = last_words(error)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LINGER, transport.abort)
        if already:
            self._speak()

    def data_received(self, _: bytes) -> None:
        """The client asks; the first time it is answered."""
        self._speak()

    def connection_lost(self, _: Exception | None) -> None:
        """The client has closed, too."""
        self._timer.cancel()

    def _speak(self) -> None:
        if self._words:
            self._transport.write(self._words)
            self._transport.write_eof()
            self._words = b""
