"""How requests end when the server's patience does."""

import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from semsched.web.client import GoneError
from semsched.web.handlers import handlers
from semsched.web.limits import Limits
from semsched.web.orderly import Orderly
from semsched.web.request_id import RequestIds
from semsched.web.server import Server, listen, server_of
from tests.web.peers import LOOPS

HEAD = b"POST /%b HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\ncontent-length: 4\r\n\r\n"
TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.fixture
def _silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nobody logs how he was interrupted, nor that there was no answer."""
    with caplog.at_level(logging.WARNING):
        yield
    said = [record.getMessage() for record in caplog.get_records("call")]
    assert [words for words in said if "timeout graceful shutdown" not in words] == []


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    yield


async def whole(request: Request) -> Response:
    return Response(await request.body())


async def stream(_: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.Event().wait()

    return StreamingResponse(parts())


def server(loop: str, grace_time: int) -> Server:
    routes = [Route(f"/{page.__name__}", page, methods=["POST"]) for page in (whole, stream)]
    app = Starlette(routes=routes, exception_handlers=handlers(), lifespan=lifespan)
    made = server_of(RequestIds(app), Limits(), grace_time)
    made.config.loop = loop
    return made


def heard(loop: str, said: bytes, until: bytes, *numbers: signal.Signals) -> bytes:
    """What comes back to one who says this; the signals come when he has read `until`.

    The server's patience is none with one signal, and long with several.
    """
    serving = server(loop, grace_time=0 if len(numbers) == 1 else 60)

    def talk(there: socket.socket) -> bytes:
        there.sendall(said)
        got = b""
        while until not in got:
            got += there.recv(1000)
        for number in numbers:
            time.sleep(0.2)
            serving.handle_exit(number, None)
        try:
            while more := there.recv(1000):
                got += more
        except ConnectionResetError:
            got += b"RESET"
        return got

    with (
        listen("127.0.0.1", 0) as listener,
        ThreadPoolExecutor() as threads,
        socket.create_connection(listener.getsockname(), timeout=5) as there,
    ):
        talking = threads.submit(talk, there)
        serving.run(sockets=[listener])
        return talking.result()


@pytest.mark.usefixtures("_silence")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("numbers", [[TERM], [INT, INT], [INT, INT, TERM]], ids=str)
def test_who_has_no_answer_yet_is_told(loop: str, numbers: list[signal.Signals]) -> None:
    head, body = heard(loop, HEAD % b"whole" + b"ab", b"", *numbers).split(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ") for line in lines)
    assert status == b"HTTP/1.1 503 Service Unavailable"
    assert json.loads(body)["error"]["code"] == "shutting_down"
    assert headers[b"x-request-id"] == b"mine"
    assert headers[b"connection"] == b"close"
    assert int(headers[b"retry-after"]) >= 1


@pytest.mark.usefixtures("_silence")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("numbers", [[TERM], [INT, INT]], ids=str)
def test_an_answer_that_has_begun_is_not_taken_for_whole(
    loop: str, numbers: list[signal.Signals]
) -> None:
    said = heard(loop, HEAD % b"stream" + b"abcd", b"one", *numbers)
    assert said.endswith(b"one\r\nRESET")


def test_force_is_not_taken_back() -> None:
    serving = server("asyncio", 1)
    for number, is_forced in [(INT, False), (TERM, False), (INT, True), (TERM, True)]:
        serving.handle_exit(number, None)
        assert serving.force_exit is is_forced


# --- what is passed on ---------------------------------------------------------------------------


def passed_on(error: BaseException) -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise error

    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        raise AssertionError

    asyncio.run(Orderly(app)({"type": "http", "state": {}}, receive, send))


def test_nobody_is_told_of_a_client_that_has_left() -> None:
    passed_on(GoneError())


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()], ids=repr)
def test_what_nobody_asked_for_is_a_fault(error: BaseException) -> None:
    with pytest.raises(type(error)):
        passed_on(error)
