"""Flood: a client that costs little, for finding out how much a server bears.

Keeps a number of connections busy, each with one request at a time.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple


class Poured(NamedTuple):
    """What came of a flood."""

    num_answers: int
    """Answers with status 200 that were whole."""
    num_errors: int
    num_events: int
    """Events of the streams among them."""
    num_reads: int
    """Pieces in which the answers came."""
    seconds: float


class _Connection(asyncio.Protocol):
    def __init__(self, flood: "_Flood") -> None:
        self._flood = flood
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        self._flood.lost()

    def _ask(self) -> None:
        del self._buffer[:]
        if self._flood.is_over:
            self._transport.close()
        else:
            self._transport.write(next(self._flood.requests))

    def data_received(self, data: bytes) -> None:
        self._flood.read(data)
        self._buffer += data
        if self._is_whole():
            self._flood.answered(self._buffer.startswith(b"HTTP/1.1 200"))
            self._ask()

    def _is_whole(self) -> bool:
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return False
        at = self._buffer.find(b"content-length: ", 0, head)
        if at < 0:
            return self._buffer.endswith(b"\r\n0\r\n\r\n")
        size = int(self._buffer[at + 16 : self._buffer.index(b"\r\n", at)])
        return len(self._buffer) >= head + 4 + size


class _Flood:
    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests = requests
        self.is_over = False
        self.num_answers = self.num_errors = self.num_events = self.num_reads = 0
        self.num_open = 0

    def read(self, data: bytes) -> None:
        if not self.is_over:
            self.num_reads += 1
            self.num_events += data.count(b"data: {")

    def answered(self, is_good: bool) -> None:
        if not self.is_over:
            self.num_answers += is_good
            self.num_errors += not is_good

    def lost(self) -> None:
        self.num_open -= 1
        self.num_errors += not self.is_over


def request_of(body: bytes, path: str = "/v1/chat/completions", headers: str = "") -> bytes:
    """A POST as it goes over the wire; `headers`: lines that end with CR LF."""
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def address_of(url: str) -> tuple[str, int]:
    """Host and port of `http://host:port`."""
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


async def flood(
    url: str, requests: Sequence[bytes], num_connections: int, seconds: float
) -> Poured:
    """Send `requests` round and round for so long; what is under way then is not counted."""
    host, port = address_of(url)
    pouring = _Flood(cycle(requests))
    loop = asyncio.get_running_loop()
    began_at = time.perf_counter()
    for _ in range(num_connections):
        await loop.create_connection(lambda: _Connection(pouring), host, port)
        pouring.num_open += 1
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began_at
    pouring.is_over = True
    await _drained(pouring)
    return Poured(
        pouring.num_answers, pouring.num_errors, pouring.num_events, pouring.num_reads, took
    )


async def _drained(pouring: _Flood, within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while pouring.num_open:
            await asyncio.sleep(0.02)
