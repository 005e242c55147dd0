"""A client that writes the bytes of its requests by hand."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from semsched.web.failure import Header
from tests.serve.faulty import CHAT
from tests.serve.live import Live, ask


class Said(NamedTuple):
    """An answer, as bytes say it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of an error in OpenAI's form."""
        code: str = json.loads(self.body)["error"]["code"]
        return code


def request(body: bytes, headers: Iterable[Header] = (), path: str = CHAT) -> bytes:
    """A request, whatever stands in its headers."""
    said = [(b"host", b"x"), (b"content-length", b"%d" % len(body)), *headers]
    lines = b"".join(b"%b: %b\r\n" % header for header in said)
    return b"POST %b HTTP/1.1\r\n%b\r\n%b" % (path.encode(), lines, body)


class Line:
    """A connection, by hand."""

    def __init__(self, there: Live) -> None:
        self._port = int(there.url.rpartition(":")[2])

    async def __aenter__(self) -> "Line":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def say(self, *parts: bytes, gap: float = 0.0) -> None:
        """Write these, so many seconds apart; it does not matter if nobody listens any more."""
        with suppress(ConnectionError):
            for part in parts:
                self._writer.write(part)
                await self._writer.drain()
                await asyncio.sleep(gap)

    async def answer(self) -> Said | None:
        """The next one; None if the connection is closed without."""
        async with asyncio.timeout(5):
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            status, *lines = head.decode("latin-1").strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            length = int(headers.get("content-length", "0"))
            return Said(int(status.split()[1]), headers, await self._reader.readexactly(length))

    async def ask(self, *parts: bytes, gap: float = 0.0) -> Said:
        """Say it and hear the answer."""
        await self.say(*parts, gap=gap)
        said = await self.answer()
        assert said is not None
        return said


async def is_well(there: Live) -> None:
    """Others are served as if nothing were."""
    async with asyncio.timeout(2), there.http.post(CHAT, json=ask()) as answer:
        assert answer.status == 200
