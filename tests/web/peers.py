"""A server with an application of two lines, and clients that write bytes as they like."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from starlette.types import Receive, Scope, Send

from semsched.web.client import Client, GoneError
from semsched.web.failure import ApiError, Header
from semsched.web.limits import Limits
from semsched.web.server import listen, running

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


MUCH = b"x" * 16_000_000
"""More than sockets hold."""


class App:
    """Answers with what it was sent."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.paths: list[str] = []
        self.headers: list[list[Header]] = []
        self.num_gone = 0
        self.go_on = asyncio.Event()
        """/wait, /watch and /drop go on when it is set."""
        self.connections: set[Any] = set()
        """Those that the server has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.paths.append(scope["path"])
        self.headers.append(scope["headers"])
        client = Client(scope, receive, send)
        try:
            await self._answer(client, scope["path"], await client.body(self.limits))
        except ApiError as error:
            await client.answer(error.status, error.body, error.headers)
        except GoneError:
            self.num_gone += 1

    async def _answer(self, client: Client, path: str, body: bytes) -> None:
        match path:
            case "/wait":
                await self.go_on.wait()
            case "/watch":
                with client.watched():
                    await self.go_on.wait()
            case "/flood":
                await client.start(200, [])
                with client.watched():
                    while True:
                        await client.write(MUCH, more=True)
            case "/bye":
                await client.start(200, [(b"content-length", b"9")])
                await client.hang_up(reset=False)
                return
            case "/drop":
                await self.go_on.wait()
                await client.hang_up(reset=True)
                return
            case "/much":
                body = MUCH
        await client.answer(200, body)

    async def until(self, holds: Callable[[], object], within: float = 5.0) -> None:
        """Return when it holds; fail if it does not within so many seconds."""
        async with asyncio.timeout(within):
            while not holds():
                await asyncio.sleep(0.005)


class Peer:
    """A connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        async with asyncio.timeout(5):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self._reader.readexactly(int(headers["content-length"]))
        return int(status.split()[1]), headers, body

    async def failure(self) -> tuple[int, str]:
        """Status and code of an answer in OpenAI's form."""
        status, _, body = await self.answer()
        error: dict[str, Any] = json.loads(body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return status, error["code"]

    async def take(self, num_bytes: int) -> None:
        """Read so much."""
        async with asyncio.timeout(5):
            await self._reader.readexactly(num_bytes)

    async def rest(self) -> bytes:
        """All that comes until the server hangs up."""
        async with asyncio.timeout(5):
            return await self._reader.read()

    async def closed(self, within: float) -> bool:
        """Whether the server hangs up in time, without another word."""
        try:
            async with asyncio.timeout(within):
                return await self._reader.read() == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Connect = Callable[[], Awaitable[Peer]]


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[Connect]:
    peers: list[Peer] = []

    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        async def connect() -> Peer:
            peers.append(Peer(*await asyncio.open_connection("127.0.0.1", port)))
            return peers[-1]

        async with running(app, listener, app.limits, grace_time=1) as server:
            app.connections = server.server_state.connections
            try:
                yield connect
            finally:
                for peer in peers:
                    peer.close()


def serve(loop: str, limits: Limits, scene: Callable[[App, Connect], Awaitable[None]]) -> None:
    """Play the scene with a server."""

    async def play() -> None:
        app = App(limits)
        async with serving(app) as connect:
            await scene(app, connect)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(play())
