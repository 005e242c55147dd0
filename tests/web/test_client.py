import asyncio
from typing import Any

import pytest
from starlette.types import Message

from semsched.web.client import Client, GoneError, read_all
from semsched.web.failure import ApiError
from semsched.web.limits import Limits

BOUNDS = Limits(max_body_bytes=3, body_time=0.05)


class Wire:
    """An ASGI connection from memory: what comes in, and what went out."""

    def __init__(self, *messages: Message) -> None:
        self.sent: list[Message] = []
        self._messages = list(messages)

    async def receive(self) -> Message:
        return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def part(body: bytes, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_comes_in_parts() -> None:
    wire = Wire(part(b"ab", True), part(b"", True), part(b"c", False))
    assert asyncio.run(read_all(wire.receive, BOUNDS)) == b"abc"


def test_a_body_is_bounded_before_it_is_whole() -> None:
    wire = Wire(part(b"ab", True), part(b"cd", True))
    with pytest.raises(ApiError, match="more than 3 bytes") as caught:
        asyncio.run(read_all(wire.receive, BOUNDS))
    assert (caught.value.status, caught.value.code) == (413, "request_too_large")


def test_a_body_is_not_waited_for_for_ever() -> None:
    parts = iter([part(b"a", True)])

    async def receive() -> Message:
        if (message := next(parts, None)) is None:
            await asyncio.Event().wait()
        return message or {}

    with pytest.raises(ApiError, match="took longer than") as caught:
        asyncio.run(read_all(receive, BOUNDS))
    assert (caught.value.status, caught.value.code) == (408, "body_timeout")


def test_a_body_that_is_there_is_bounded_like_any_other() -> None:
    async def read(body: bytes) -> bytes:
        wire = Wire(part(body, False))
        return await Client({"state": {"is_whole": True}}, wire.receive, wire.send).body(BOUNDS)

    assert asyncio.run(read(b"abc")) == b"abc"
    with pytest.raises(ApiError, match="more than 3 bytes"):
        asyncio.run(read(b"abcd"))


def test_who_leaves_within_a_body_is_gone() -> None:
    with pytest.raises(GoneError):
        asyncio.run(read_all(Wire(part(b"ab", True)).receive, BOUNDS))


def test_an_answer_has_its_length() -> None:
    wire = Wire()
    asyncio.run(Client({}, wire.receive, wire.send).answer(400, b"{}", [(b"a", b"b")]))
    head, body = wire.sent
    assert head["headers"] == [
        (b"content-type", b"application/json"),
        (b"content-length", b"2"),
        (b"a", b"b"),
    ]
    assert (body["body"], body["more_body"]) == (b"{}", False)


def test_whoever_watches_is_told_and_whoever_pauses_is_woken() -> None:
    async def play() -> list[str]:
        told: list[str] = []
        client = Client({}, Wire(part(b"", False)).receive, Wire().send)
        watcher = asyncio.create_task(client.watch(lambda: told.append("left")))
        with pytest.raises(GoneError):
            await client.pause(60)
        await watcher
        return told

    assert asyncio.run(play()) == ["left"]


def watched() -> tuple[Client, asyncio.Future[None]]:
    """A client of our server, and what is set when it leaves."""
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    return Client({"state": {"gone": gone}}, Wire().receive, Wire().send), gone


@pytest.mark.parametrize("after", [0, 0.01])
def test_who_is_watched_and_leaves_ends_what_is_done(after: float) -> None:
    async def play() -> None:
        client, gone = watched()
        asyncio.get_running_loop().call_later(after, gone.set_result, None)
        await asyncio.sleep(0.005)
        with pytest.raises(GoneError), client.watched():
            await asyncio.sleep(60)
        await asyncio.sleep(0.01)  # nor is it cancelled twice

    asyncio.run(play())


def test_who_leaves_when_all_is_done_ends_nothing() -> None:
    async def play() -> None:
        client, gone = watched()
        with client.watched():
            gone.set_result(None)
        await asyncio.sleep(0.01)

    asyncio.run(play())


def test_a_pause_ends_by_itself() -> None:
    asyncio.run(Client({}, Wire().receive, Wire().send).pause(0.001))


def test_to_hang_up_is_not_to_wait() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def play() -> None:
        client = Client({"state": {"hang_up": lambda _: None}}, never, Wire().send)
        async with asyncio.timeout(1):
            await client.hang_up(reset=False)
            with pytest.raises(GoneError):
                await client.pause(60)

    asyncio.run(play())
