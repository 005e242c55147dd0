"""An engine behind a real socket, on the loop of the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import openai
import uvicorn
from starlette.types import ASGIApp

from semsched.core.profile import load_profile
from semsched.core.scheduling import Scheduling
from semsched.engine import EmbeddedEngine, WallClock
from semsched.engine.api import build_app
from semsched.engine.faults import FaultBox, Faults
from semsched.engine.handler import Service
from semsched.web.limits import Limits
from semsched.web.server import listen, running

ASK = {"messages": [{"role": "user", "content": "Why is the sky blue?"}], "ignore_eos": True}


class Live(NamedTuple):
    """A server, and the clients that real people use."""

    url: str
    engine: EmbeddedEngine
    app: ASGIApp
    server: uvicorn.Server
    openai: openai.AsyncOpenAI
    http: aiohttp.ClientSession

    async def settled(self, within: float) -> None:
        """Return when the engine is empty; fail if it is not within so many seconds."""
        async with asyncio.timeout(within):
            while self.engine.num_there:
                await asyncio.sleep(0.002)
        assert self.engine.memory.num_free == self.engine.memory.num_blocks


@asynccontextmanager
async def serving(
    speed: float, faults: Faults, max_num_seqs: int, max_num_waiting: int
) -> AsyncIterator[Live]:
    engine = EmbeddedEngine(
        load_profile("A100_4B"),
        Scheduling(max_num_seqs=max_num_seqs),
        clock=WallClock(speed),
        max_num_waiting=max_num_waiting,
    )
    limits = Limits(max_body_bytes=100_000)
    service = Service(engine, FaultBox(faults), "A100_4B", seed=0, limits=limits)
    with listen("127.0.0.1", 0) as listener:
        app = build_app(service)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=5)
        async with (
            running(app, listener, limits, grace_time=2) as server,
            client,
            aiohttp.ClientSession(url) as http,
        ):
            yield Live(url, engine, app, server, client, http)
    assert engine.num_there == 0


def live(
    scene: Callable[[Live], Awaitable[None]],
    *,
    speed: float = 100.0,
    faults: Faults | None = None,
    max_num_seqs: int = 16,
    max_num_waiting: int = 100,
) -> None:
    """Play the scene, then look that nothing is left running."""

    async def play() -> None:
        async with serving(speed, faults or Faults(), max_num_seqs, max_num_waiting) as there:
            await scene(there)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    asyncio.run(play())


async def read_events(response: aiohttp.ClientResponse) -> list[Any]:
    """The data of each server-sent event, as bytes."""
    events = (await response.read()).split(b"\n\n")
    assert events.pop() == b""
    return [event.removeprefix(b"data: ") for event in events]
