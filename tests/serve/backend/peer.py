"""A backend that does exactly what a test says, byte by byte, behind a real socket."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from semsched.serve.backend.answer import Answer
from semsched.serve.backend.upstream import Timeouts, Upstream, new_session

FDS = Path("/proc/self/fd")


def num_sockets() -> int:
    """Open sockets of this process."""
    count = 0
    for fd in FDS.iterdir():
        with suppress(FileNotFoundError):
            count += str(fd.readlink()).startswith("socket:")
    return count


def whole(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    """An answer in one piece."""
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """A part of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Call:
    """One connection, seen from the backend."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Head and body of the next request; b'' if the client has gone."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            return head + await self.reader.readexactly(int(length or 0))
        return b""

    async def send(self, *parts: bytes, gap: float = 0.0) -> None:
        """Write the parts, so many seconds apart."""
        for at, part in enumerate(parts):
            if at:
                await asyncio.sleep(gap)
            self._writer.write(part)
            await self._writer.drain()

    async def gone(self) -> None:
        """Return when the client has closed the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """End the connection, and what is on its way with it."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """End it."""
        self._writer.close()


Script = Callable[[Call], Awaitable[None]]


def answering(*parts: bytes, gap: float = 0.0) -> Script:
    """Each request gets these bytes; the connection stays open."""

    async def script(call: Call) -> None:
        while await call.request():
            await call.send(*parts, gap=gap)

    return script


async def says_nothing(call: Call) -> None:
    await call.request()
    await call.gone()


async def resets(call: Call) -> None:
    await call.request()
    call.reset()


async def closes(call: Call) -> None:
    await call.request()
    call.close()


async def never_reads(_: Call) -> None:
    await asyncio.Event().wait()


def then(*parts: bytes, end: str = "hang", gap: float = 0.0) -> Script:
    """Say this; then hang, close or reset."""

    async def script(call: Call) -> None:
        await call.request()
        await call.send(*parts, gap=gap)
        match end:
            case "reset":
                await asyncio.sleep(0.02)  # what was sent shall arrive first
                call.reset()
            case "close":
                call.close()
            case _:
                await call.gone()

    return script


class Peer:
    """A backend that was told what to do, and what it met."""

    server: asyncio.Server
    url: str

    def __init__(self, script: Script) -> None:
        self._script = script
        self._calls: set[asyncio.Task[Any]] = set()
        self.num_connections = 0
        self.num_served = 0
        """Scripts that came to their end."""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the script."""
        self.num_connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._script(Call(reader, writer))
                self.num_served += 1
        finally:
            self._calls.discard(task)
            writer.transport.abort()

    async def stop(self) -> None:
        """Hang up on whoever is there, and listen no more."""
        self.server.close()
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)


@asynccontextmanager
async def listening(script: Script) -> AsyncIterator[Peer]:
    """The peer, there to be called."""
    peer = Peer(script)
    async with await asyncio.start_server(peer.accept, "127.0.0.1", 0) as peer.server:
        peer.url = f"http://127.0.0.1:{peer.server.sockets[0].getsockname()[1]}"
        yield peer
        await peer.stop()


async def until(is_so: Callable[[], bool], within: float = 2.0) -> None:
    """Return when it is so; fail if it is not within so many seconds."""
    async with asyncio.timeout(within):
        while not is_so():
            await asyncio.sleep(0.002)


async def body_of(answer: Answer) -> bytes:
    return b"".join([data async for data in answer.chunks()]) + answer.rest


class Deaf:
    """A port whose queue of connections is full: whoever connects hears nothing."""

    async def __aenter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        address = self._listener.getsockname()
        self._others = [socket.socket() for _ in range(4)]
        for other in self._others:
            other.setblocking(False)
            other.connect_ex(address)
        return f"http://127.0.0.1:{address[1]}"

    async def __aexit__(self, *_: object) -> None:
        for one in (self._listener, *self._others):
            one.close()


CHAT = "/v1/chat/completions"


class Scene:
    """A peer, an upstream that leads to it, and the sockets that were there before any call."""

    def __init__(self, peer: Peer, session: aiohttp.ClientSession, limits: Timeouts) -> None:
        self.peer = peer
        self.url = peer.url
        self.session = session
        self.upstream = Upstream(peer.url, session, limits, "sk-backend")
        self._num_sockets = num_sockets()

    async def all_closed(self, within: float = 2.0, but: int = 0) -> None:
        """Return when no socket is left on either side, or so many."""
        await until(lambda: num_sockets() == self._num_sockets + but, within)


LIMITS = Timeouts(connect=0.3, first_byte=0.3, read=0.3)
PATIENT = Timeouts(connect=5, first_byte=5, read=5)


def play(
    script: Script, scene: Callable[[Scene], Awaitable[None]], limits: Timeouts = LIMITS
) -> None:
    """Play the scene; then nothing may be left: no task, no socket, nothing that was swallowed."""

    async def act() -> None:
        trouble: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: trouble.append(told))
        async with listening(script) as peer, new_session() as session:
            await scene(Scene(peer, session, limits))
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        assert not trouble, trouble

    before = num_sockets()
    asyncio.run(act())
    assert num_sockets() == before
