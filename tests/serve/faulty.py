"""Engines that go wrong in every way, byte by byte, and gateways in front of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import aiohttp

from semsched.serve.backend import probe
from semsched.serve.config import GatewayConfig
from tests.serve.backend.peer import END, STREAM, Call, Peer, chunk, listening, whole
from tests.serve.live import Live, ask, serving

CHAT = "/v1/chat/completions"
DONE = b"data: [DONE]\n\n"


def event(text: str) -> bytes:
    """A part of a streamed answer."""
    delta = {"choices": [{"index": 0, "delta": {"content": text}}]}
    return b"data: " + json.dumps(delta).encode() + b"\n\n"


def answer_of(text: str, **extra: Any) -> bytes:
    """The body of an answer in one piece."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    said = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m", **extra}
    return json.dumps({**said, "choices": choices}).encode()


Fault = Callable[[Call], Awaitable[None]]
"""What becomes of a request that was read; the connection lives on if it returns."""


def says(*parts: bytes, gap: float = 0.0) -> Fault:
    """These bytes, so many seconds apart."""

    async def fault(call: Call) -> None:
        await call.send(*parts, gap=gap)

    return fault


def breaks_after(*parts: bytes, reset: bool = True) -> Fault:
    """These bytes, then the end of the connection."""

    async def fault(call: Call) -> None:
        await call.send(*parts, gap=0.05)
        await asyncio.sleep(0.05)  # what was said shall arrive first
        with suppress(OSError):  # the gateway may have hung up already
            call.reset() if reset else call.close()

    return fault


def fails(status: str, extra: str = "") -> Fault:
    """An answer of this status."""
    return says(whole(b'{"error":{"message":"no"}}', status, extra))


def streams(*texts: str, gap: float = 0.0) -> Fault:
    """A whole stream of events."""
    first, *rest = [chunk(event(text)) for text in texts]
    return says(STREAM + first, *rest, chunk(DONE) + END, gap=gap)


async def hangs(call: Call) -> None:
    """Never a byte."""
    await call.gone()


well = says(whole(answer_of("well"), extra="content-type: application/json\r\n"))


class Faulty:
    """An engine that is `how` it is told to be, whatever it says of its health."""

    def __init__(self, how: Fault = well) -> None:
        self.how = how
        self.is_healthy = True
        self.heard: list[bytes] = []
        """The requests it was sent, heads and bodies."""

    async def __call__(self, call: Call) -> None:
        while request := await call.request():
            path = request.split(b" ", 2)[1].decode()
            if path in ("/health", "/metrics"):
                is_bad = path == "/health" and not self.is_healthy
                await call.send(whole(b"", "503 Ill" if is_bad else "200 OK"))
            elif path == "/v1/models":
                await call.send(whole(b'{"data":[{"id":"m"}]}'))
            else:
                self.heard.append(request)
                await self.how(call)


class Fleet(NamedTuple):
    """A gateway, the engines behind it, and the sockets that they listen on."""

    live: Live
    engines: list[Faulty]
    peers: list[Peer]

    async def post(self, **more: Any) -> tuple[int, dict[str, str], Any]:
        """Ask for an answer in one piece: its status, headers and JSON."""
        async with self.live.http.post(CHAT, json=ask(**more)) as answer:
            text = await answer.read()
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, headers, json.loads(text) if text else None

    def is_up(self, place: int) -> bool:
        """Whether the gateway gives requests to an engine."""
        return {one.name: one for one in self.live.gateway.service.fleet}[f"b{place}"].is_up


def backends_of(peers: Sequence[Peer], **settings: Any) -> list[dict[str, Any]]:
    """The tables of a configuration."""
    common = {"seats": 8, "connect_time": 0.5, "first_byte_time": 0.5, "read_time": 0.5}
    return [
        {"url": peer.url, "name": f"b{place}", **common, **settings}
        for place, peer in enumerate(peers)
    ]


@asynccontextmanager
async def in_front_of(
    engines: list[Faulty], config: dict[str, Any], **settings: Any
) -> AsyncIterator[Fleet]:
    """A gateway that knows these engines, all of them up."""
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(listening(engine)) for engine in engines]
        told = {"backends": backends_of(peers, **settings), **config}
        settled = GatewayConfig.model_validate(told)
        live = await stack.enter_async_context(serving(read=lambda: settled))
        fleet = Fleet(live, engines, peers)
        await live.until(lambda: live.gateway.service.fleet.num_up == len(engines))
        yield fleet


def play(
    scene: Callable[[Fleet], Awaitable[None]],
    *engines: Faulty,
    config: dict[str, Any] | None = None,
    **settings: Any,
) -> None:
    """Play the scene; no task may be left, and no error that nobody saw."""

    async def act() -> None:
        trouble: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: trouble.append(told))
        async with in_front_of(list(engines), config or {}, **settings) as fleet:
            await scene(fleet)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        assert not trouble, trouble

    asyncio.run(act())


def looking_often() -> AbstractContextManager[object]:
    """Backends are asked how they are ten times as often as in life."""
    return patch.object(probe, "Pace", partial(probe.Pace, health=0.2, metrics=0.1))


async def read_stream(http: aiohttp.ClientSession, **more: Any) -> tuple[int, bytes, bool]:
    """Status and bytes of a streamed answer, and whether it came to its proper end."""
    async with http.post(CHAT, json=ask(stream=True, **more)) as answer:
        said = b""
        with suppress(aiohttp.ClientError):
            async for part in answer.content.iter_any():
                said += part
            return answer.status, said, True
        return answer.status, said, False


async def error_of(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    """Status and code of an answer in OpenAI's form."""
    error = json.loads(await answer.read())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.content_type == "application/json"
    return answer.status, error["code"]
