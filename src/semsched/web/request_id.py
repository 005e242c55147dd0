"""Request ids: every answer bears one, the client's own if it may."""

import re
from collections.abc import Awaitable, Iterable
from secrets import token_hex

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semsched.web.failure import Header

NAME = b"x-request-id"
_SANE = re.compile(rb"[\w.:/+=@-]{1,128}", re.ASCII)
"""What no log and no header is broken by."""


def request_id_of(headers: Iterable[Header]) -> bytes:
    """The client's if it is sane, else a new one."""
    for name, value in headers:
        if name == NAME and _SANE.fullmatch(value):
            return value
    return b"req-%b" % token_hex(16).encode()


class RequestIds:
    """An ASGI application around another: its answers bear the id that its requests have.

    The id is in `scope["state"]["request_id"]`, as bytes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id = scope["state"]["request_id"] = request_id_of(scope["headers"])

        def send_with_id(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (NAME, id)]
            return send(message)

        await self._app(scope, receive, send_with_id)
