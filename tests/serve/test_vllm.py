"""A real vLLM behind the gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from semsched.predict.urgency.judge import Judge, JudgeSettings
from semsched.request import NUM_CLASSES
from semsched.serve.backend.reading import Reading, parse_metrics
from semsched.serve.config import GatewayConfig
from tests.serve.live import Live, serving
from tests.vllm import ANSWERED, CHAT, CONTEXT, MODEL, SEATS, ask, said

pytestmark = pytest.mark.timeout(300)  # it takes a minute to start

Scene = Callable[[Live, aiohttp.ClientSession], Awaitable[None]]
"""Gets the gateway, and a way past it."""


def in_front_of(url: str, scene: Scene, **settings: Any) -> None:
    """Play the scene with a gateway before the vLLM at `url`."""

    async def play() -> None:
        backend = {"url": url, "name": "v", "kind": "vllm", **settings}
        told = GatewayConfig.model_validate({"backends": [backend], "log": {"level": "error"}})
        async with serving(read=lambda: told) as live, aiohttp.ClientSession(url) as past:
            await scene(live, past)

    asyncio.run(play())


async def reading(past: aiohttp.ClientSession) -> Reading:
    """What it says of itself."""
    async with past.get("/metrics") as page:
        found = parse_metrics(await page.text())
    assert found is not None
    return found


REFUSED: list[tuple[str, dict[str, Any]]] = [
    (CHAT, ask("x" * CONTEXT, 5)),  # too long
    (CHAT, ask("hello", 5, model="another")),
    (CHAT, ask("hello", 5, temperature=-1)),
    ("/v1/embeddings", {"model": MODEL, "input": "hello"}),
]


@pytest.mark.parametrize(("path", "body"), ANSWERED + REFUSED)
def test_it_says_through_the_gateway_what_it_says_without(
    vllm_url: str, path: str, body: dict[str, Any]
) -> None:
    async def scene(live: Live, past: aiohttp.ClientSession) -> None:
        assert await said(live.http, path, body) == await said(past, path, body)

    in_front_of(vllm_url, scene, seats=4)


async def finished(live: Live, ended: list[str], name: str, tokens: int, urgency: int) -> None:
    """Ask, and note when it is answered."""
    body = ask(f"note {name}", tokens, priority=urgency)
    async with live.http.post(CHAT, json=body) as answer:
        assert answer.status == 200, await answer.text()
        assert (await answer.json())["usage"]["completion_tokens"] == tokens
    ended.append(name)


def order_of(vllm_url: str, asked: list[tuple[str, int, int]], **settings: Any) -> list[str]:
    """Names in the order in which they are answered, asked one after the other."""
    ended: list[str] = []

    async def scene(live: Live, _: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as tasks:
            for name, tokens, urgency in asked:
                tasks.create_task(finished(live, ended, name, tokens, urgency))
                await asyncio.sleep(0.05)

    in_front_of(vllm_url, scene, **settings)
    return ended


@pytest.mark.parametrize("seats", [SEATS, 16])
def test_the_urgent_are_answered_first_wherever_they_wait(vllm_url: str, seats: int) -> None:
    """With as many seats as it has they wait here, with more they wait in its own queue."""
    newsletters = [(f"newsletter {i}", 40, 4) for i in range(6)]
    ended = order_of(vllm_url, [*newsletters, ("chest pain", 40, 0)], seats=seats)
    assert ended.index("chest pain") <= SEATS  # after those that ran when it came


@pytest.mark.parametrize("seats", [SEATS, 16])
def test_of_the_equally_urgent_the_shorter_are_answered_first(vllm_url: str, seats: int) -> None:
    """Nobody is predicted to say more than he may."""
    long = [(f"long {i}", 60, 3) for i in range(5)]
    ended = order_of(vllm_url, [*long, ("short", 4, 3)], seats=seats)
    assert ended.index("short") <= SEATS


def test_its_seats_and_its_memory_are_found_out(vllm_url: str) -> None:
    """A burst waits in the gateway, not in vLLM, once that has said that it is full."""

    async def scene(live: Live, past: aiohttp.ClientSession) -> None:
        [backend] = live.gateway.service.fleet
        ended: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            for i in range(30):
                tasks.create_task(finished(live, ended, str(i), 40, 3))
            await live.until(lambda: backend.seats <= SEATS + 1, within=30)
            await live.until(lambda: len(ended) > 12, within=30)
            readings = []
            for _ in range(20):
                readings.append(await reading(past))
                assert SEATS <= backend.seats <= SEATS + 1
                await asyncio.sleep(0.1)
        assert max(one.num_running for one in readings) == SEATS
        assert max(one.num_waiting for one in readings) <= 1
        assert {one.kv_tokens for one in readings} == {backend.kv_tokens}
        assert backend.kv_tokens > 10 * CONTEXT

    in_front_of(vllm_url, scene)


def test_who_leaves_frees_a_seat(vllm_url: str) -> None:
    async def scene(live: Live, past: aiohttp.ClientSession) -> None:
        async with live.http.post(CHAT, json=ask("hello", 900, stream=True)) as answer:
            await answer.content.readany()
            assert (await reading(past)).num_running == 1
            answer.close()
        async with asyncio.timeout(1):
            while (await reading(past)).num_running:
                await asyncio.sleep(0.02)
        assert live.counts()["cancelled"] == 1

    in_front_of(vllm_url, scene)


def test_as_a_judge_it_can_only_say_a_digit(vllm_url: str) -> None:
    """It holds itself to the schema, so that even random weights answer in form."""

    async def play() -> int | None:
        settings = JudgeSettings.model_validate(
            {"url": f"{vllm_url}/v1", "model": MODEL, "timeout": 30}
        )
        async with Judge(settings) as judge:
            return await judge.ask("My father has chest pain")

    assert asyncio.run(play()) in range(NUM_CLASSES)
