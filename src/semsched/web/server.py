"""An HTTP server: uvicorn, taught to hang up on purpose."""

import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Protocol(HttpToolsProtocol):
    """HTTP whose requests know their connection."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections; port 0 takes any. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def server_of(app: ASGIApp, grace_time: int) -> uvicorn.Server:
    """A server of `app`, to be run on a listening socket: `server.run(sockets=[...])`.

    SIGINT and SIGTERM let requests under way finish, for `grace_time` seconds at most.
    """
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=grace_time,
    )
    return uvicorn.Server(config)
