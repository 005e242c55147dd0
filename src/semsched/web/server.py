"""An HTTP server: uvicorn, with limits and nothing that we do not use."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from semsched.web.limits import Limits
from semsched.web.orderly import Orderly
from semsched.web.protocol import Protocol


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections; port 0 takes any. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # asyncio does so only where the socket says its protocol, which those accepted here do not;
    # without it an answer in two writes waits 40 ms for an acknowledgement
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class Server(uvicorn.Server):
    """uvicorn's, which says when it has been told to stop."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """A signal came. uvicorn would raise it again at the end: a stop in order looks like a
        death to whoever watches the process."""
        self._on_stop()
        self.force_exit |= self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def server_of(
    app: ASGIApp, limits: Limits, grace_time: int, on_stop: Callable[[], None] = lambda: None
) -> Server:
    """A server of `app`, to be run on a listening socket: `server.run(sockets=[...])`.

    SIGINT and SIGTERM let requests under way finish, for `grace_time` seconds at most, after
    `on_stop` was called. The bounds on bodies are for `app` to keep, with `read_all`.
    """
    return Server(_config(app, limits, grace_time), on_stop)


@asynccontextmanager
async def running(
    app: ASGIApp, listener: socket.socket, limits: Limits, grace_time: int
) -> AsyncIterator[uvicorn.Server]:
    """Serve `app` while the block runs, beside whatever else is on the loop.

    Signals are none of its business. At the end requests under way may finish as in `server_of`.
    """
    server = _Deaf(_config(app, limits, grace_time))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        yield server
    finally:
        server.should_exit = True
        await serving


class _Deaf(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp, limits: Limits, grace_time: int) -> uvicorn.Config:
    return uvicorn.Config(
        Orderly(app),
        http=partial(Protocol, limits=limits),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,  # whoever runs it decides
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # a peer is who is at the other end, whatever it says
        timeout_graceful_shutdown=grace_time,
    )
