"""HeldHead: the head of an answer goes out with the beginning of its body.

Two pieces would cost two system calls, and wake the client twice.
"""

import asyncio


class HeldHead(asyncio.Transport):
    """A transport for one answer, around that of its connection.

    The first piece, the head, waits for the second, but no longer than the event loop takes to
    come round: a body may begin late.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._is_begun = False
        self._held = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, with the head before it if that is still here."""
        if self._is_begun:
            self._transport.write(self._held + data if self._held else data)
            self._held = b""
        else:
            self._is_begun, self._held = True, bytes(data)
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._held and not self._transport.is_closing():
            self._transport.write(self._held)
        self._held = b""

    def close(self) -> None:
        """Close the connection when all is sent."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closing."""
        return self._transport.is_closing()
