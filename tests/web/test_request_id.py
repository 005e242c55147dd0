import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from semsched.web.client import Client
from semsched.web.request_id import RequestIds, request_id_of


@pytest.mark.parametrize("id", [b"a", b"4f2c-9.b:c", b"x" * 128])
def test_a_sane_id_is_kept(id: bytes) -> None:
    assert request_id_of([(b"host", b"a"), (b"x-request-id", id)]) == id


@pytest.mark.parametrize(
    "id",
    [b"", b"x" * 129, b"a b", b"a\n", b"a\r\nb: c", b"a\x00", b"\xe4", b'"', b"<i>", b"a,b", b"{}"],
)
def test_any_other_is_replaced(id: bytes) -> None:
    made = request_id_of([(b"x-request-id", id)])
    assert made != id
    assert request_id_of([(b"x-request-id", made)]) == made
    assert request_id_of([]) != request_id_of([])


def test_the_application_knows_it_and_the_answer_bears_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Client(scope, receive, send).answer(200, scope["state"]["request_id"])

    async def play() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            raise AssertionError

        scope = {"type": "http", "state": {}, "headers": [(b"x-request-id", b"mine")]}
        await RequestIds(app)(scope, receive, send)
        return sent

    head, body = asyncio.run(play())
    assert (b"x-request-id", b"mine") in head["headers"]
    assert body["body"] == b"mine"
