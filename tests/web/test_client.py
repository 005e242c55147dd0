import asyncio
from typing import Any

import pytest
from starlette.types import Message

from semsched.web.client import Client, GoneError, read_all
from semsched.web.failure import ApiError


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
    assert asyncio.run(read_all(wire.receive, 3)) == b"abc"


def test_a_body_is_bounded_before_it_is_whole() -> None:
    wire = Wire(part(b"ab", True), part(b"cd", True))
    with pytest.raises(ApiError, match="more than 3 bytes") as caught:
        asyncio.run(read_all(wire.receive, 3))
    assert (caught.value.status, caught.value.code) == (413, "request_too_large")


def test_who_leaves_within_a_body_is_gone() -> None:
    with pytest.raises(GoneError):
        asyncio.run(read_all(Wire(part(b"ab", True)).receive, 3))


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


def test_a_pause_ends_by_itself() -> None:
    asyncio.run(Client({}, Wire().receive, Wire().send).pause(0.001))
