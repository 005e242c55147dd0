"""A gateway behind a real socket, on the loop of the test, with the clients that people use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import openai
import uvicorn

from semsched.serve.app import Gateway, app_of, build, server_limits
from semsched.serve.config import GatewayConfig
from semsched.web.server import listen, running

FAST: dict[str, Any] = {"engine": {"speed": 100.0}, "log": {"level": "error"}}
"""The engine within, a hundred times as fast as a GPU."""


class Live(NamedTuple):
    """A gateway that runs."""

    url: str
    gateway: Gateway
    server: uvicorn.Server
    openai: openai.AsyncOpenAI
    http: aiohttp.ClientSession

    async def until(self, holds: Callable[[], object], within: float = 5.0) -> None:
        """Return when it holds; fail if it does not within so many seconds."""
        async with asyncio.timeout(within):
            while not holds():
                await asyncio.sleep(0.002)

    @property
    def num_there(self) -> int:
        """Requests that have not ended."""
        return len(self.gateway.service.records.visits)

    def counts(self) -> dict[str, int]:
        """How requests ended so far."""
        return {name: sum(n) for name, n in self.gateway.service.records.books.ended.items()}


@asynccontextmanager
async def serving(
    config: dict[str, Any] | None = None,
    *,
    path: Path | None = None,
    read: Callable[[], GatewayConfig] | None = None,
) -> AsyncIterator[Live]:
    """A gateway with this configuration, ready; its books must balance at the end."""
    settings = GatewayConfig.model_validate({**FAST, **(config or {})})
    gateway = build(read or (lambda: settings), path)
    limits = server_limits(gateway.config)
    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=9)
        async with (
            running(app_of(gateway), listener, limits, grace_time=2) as server,
            client,
            aiohttp.ClientSession(url) as http,
        ):
            there = Live(url, gateway, server, client, http)
            await there.until(lambda: gateway.service.fleet.num_up)
            yield there
            gateway.stop()
    gateway.service.records.check()
    assert not gateway.service.records.visits


def live(
    scene: Callable[[Live], Awaitable[None]], config: dict[str, Any] | None = None, **more: Any
) -> None:
    """Play the scene, then look that nothing is left running."""

    async def play() -> None:
        async with serving(config, **more) as there:
            await scene(there)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    asyncio.run(play())


def ask(text: str = "hello", max_tokens: int = 4, **more: Any) -> dict[str, Any]:
    """The body of a request for a chat completion."""
    messages = [{"role": "user", "content": text}]
    return {
        "model": "any",
        "messages": messages,
        "max_tokens": max_tokens,
        "ignore_eos": True,
        **more,
    }
