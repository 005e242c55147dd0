"""Orderly: how requests end whose server has no more patience, and those whose client has left."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semsched.web.client import Client, GoneError
from semsched.web.failure import ApiError
from semsched.web.request_id import NAME as ID


class Orderly:
    """An ASGI application around another, which may be cancelled at any time and says GoneError.

    A request that is cancelled is told so if nothing was sent, else its connection is reset, so
    that nobody takes the answer for whole. There is nothing in it for a log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        serve = self._request if scope["type"] == "http" else self._life
        await serve(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        last: Message | None = None

        def noting(message: Message) -> Awaitable[None]:
            nonlocal last
            last = message
            return send(message)

        try:
            await self._app(scope, receive, noting)
        except GoneError:
            pass
        except asyncio.CancelledError:
            if not _is_cancelled():
                raise
            await _break_off(Client(scope, receive, send), scope, last)

    async def _life(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unless_cancelled(message: Message) -> None:
            if not _is_cancelled():  # Starlette would report how it was interrupted
                await send(message)

        try:
            await self._app(scope, receive, send_unless_cancelled)
        except asyncio.CancelledError:
            if not _is_cancelled():
                raise


def _is_cancelled() -> bool:
    """Whether it is this task that was cancelled, not one that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _break_off(client: Client, scope: Scope, last: Message | None) -> None:
    """End the answer whose last message so far is given."""
    if last is None:
        error = ApiError(503, "shutting_down", "the server is shutting down")
        headers = [*error.headers, (b"connection", b"close")]
        if id := scope["state"].get("request_id"):
            headers.append((ID, id))
        with suppress(GoneError, asyncio.CancelledError):  # cancelled twice: it does not read
            await client.answer(error.status, error.body, headers)
            return
    elif last["type"] == "http.response.body" and not last.get("more_body", False):
        return  # it is whole
    await client.hang_up(reset=True)
