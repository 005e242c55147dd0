"""Upstream: one backend's HTTP side, as a client meets it.

Until `open` has returned, nothing of an answer has been passed on, so that a request whose
backend fails may be sent to another.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from semsched.serve.backend.answer import Answer, UpstreamError, failure
from semsched.web.failure import Header

T = TypeVar("T")

KEEP_ALIVE = 3.0
"""Seconds for which an idle connection is kept: less than the 5 after which uvicorn, and with it
vLLM and SGLang, closes it, so that a request does not run into the closing."""


class Timeouts(NamedTuple):
    """Seconds."""

    connect: float = 5.0
    first_byte: float = 600.0
    """From the start, connecting included, to the head and the first bytes of the body."""
    read: float = 120.0
    """Between bytes after that; time in which we let it wait does not count."""


def new_session() -> aiohttp.ClientSession:
    """What all backends share. How many requests are under way is not its concern."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        request_class=_Request,
    )


class Upstream:
    """A backend's address, and how to ask there.

    `base_url` may end with /v1 or not: paths begin with it. `session` is from `new_session`. Safe
    to cancel anywhere: the connection is closed.
    """

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession,
        timeouts: Timeouts,
        api_key: str | None,
    ) -> None:
        self._base = base_url.rstrip("/").removesuffix("/v1")
        self._session = session
        self._timeouts = timeouts
        self._patience = aiohttp.ClientTimeout(total=None, connect=timeouts.connect)
        self._headers = [
            ("content-type", "application/json"),
            ("accept-encoding", "identity"),  # tokens are counted in what is not compressed
        ]
        if api_key is not None:
            self._headers.append(("authorization", f"Bearer {api_key}"))

    async def open(self, path: str, content: bytes, headers: Iterable[Header]) -> Answer:
        """POST JSON; returns when the answer's head is there and, if its status is 200, the first
        bytes of its body. Raises UpstreamError.

        `headers` go on as they are (claims.forwarded says which may), the backend's key with them.
        The caller closes the answer.
        """
        return await _within(self._timeouts.first_byte, self._send("POST", path, content, headers))

    async def get(self, path: str, within: float, max_bytes: int) -> tuple[int, bytes]:
        """Status and body of a small answer, all in `within` seconds. Raises UpstreamError."""
        return await _within(within, self._get(path, max_bytes))

    async def _get(self, path: str, max_bytes: int) -> tuple[int, bytes]:
        with await self._send("GET", path, b"", ()) as answer:
            return answer.status, await answer.read(max_bytes)

    async def _send(
        self, method: str, path: str, content: bytes, headers: Iterable[Header]
    ) -> Answer:
        response = await self._session.request(
            method,
            URL(self._base + path, encoded=True),
            data=BytesIO(content) if content else None,
            headers=[*_texts(headers), *self._headers],
            allow_redirects=False,
            timeout=self._patience,
        )
        answer = Answer(response)
        try:
            await answer.start(self._timeouts.read)
        except BaseException:
            answer.close()
            raise
        return answer


class _Request(aiohttp.ClientRequest):
    """A request with no headers but ours that, given up before its answer, ends its connection at
    once: aiohttp would first send what is still buffered, which takes for ever where nobody reads.
    """

    def update_auto_headers(self, _: Iterable[str] | None) -> None:
        """None is added: to name those to leave out would make three dictionaries for each."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        transport = conn.transport
        if transport is not None:
            conn.add_callback(lambda: _abort_unsent(transport))
        return await super().send(conn)


def _abort_unsent(transport: asyncio.Transport) -> None:
    if transport.get_write_buffer_size():
        transport.abort()


def _texts(headers: Iterable[Header]) -> Iterator[tuple[str, str]]:
    """As aiohttp wants them. The client's word on the content's type does not count: it is JSON."""
    for name, value in headers:
        if name.lower() != b"content-type":
            yield name.decode("latin-1"), _text(value)


def _text(value: bytes) -> str:
    """aiohttp sends UTF-8, so what is that already passes as it is."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _within(seconds: float, answer: Coroutine[Any, Any, T]) -> T:
    """For so long, then UpstreamError, which is also what aiohttp's errors become."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except aiohttp.ClientError as error:
        raise failure(error) from error
    except TimeoutError as error:
        raise UpstreamError("timeout", f"no answer within {seconds:g} s") from error
