"""An HTTP server: uvicorn, with limits and nothing that we do not use."""

import socket
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from semsched.web.limits import Limits
from semsched.web.protocol import Protocol


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections; port 0 takes any. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def server_of(app: ASGIApp, limits: Limits, grace_time: int) -> uvicorn.Server:
    """A server of `app`, to be run on a listening socket: `server.run(sockets=[...])`.

    SIGINT and SIGTERM let requests under way finish, for `grace_time` seconds at most. The bounds
    on bodies are for `app` to keep, with `read_all`.
    """
    config = uvicorn.Config(
        app,
        http=partial(Protocol, limits=limits),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # a peer is who is at the other end, whatever it says
        timeout_graceful_shutdown=grace_time,
    )
    return uvicorn.Server(config)
