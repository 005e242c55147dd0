"""A real vLLM: behind the gateway, and beside the engine that stands in for it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from semsched.predict.urgency.judge import Judge, JudgeSettings
from semsched.request import NUM_CLASSES
from semsched.serve.backend.reading import Reading, parse_metrics
from semsched.serve.config import GatewayConfig
from tests.engine.live import Live as Engine
from tests.engine.live import live as engine_live
from tests.serve.live import Live, serving
from tests.vllm import CONTEXT, MODEL, SEATS, VLLM, vllm

pytestmark = [
    pytest.mark.skipif(VLLM is None, reason="vLLM is not installed: make check-vllm"),
    pytest.mark.timeout(300),  # it takes a minute to start
]

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
RESPONSES = "/v1/responses"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    with vllm(tmp_path_factory.mktemp("vllm")) as url:
        yield url


SAME = {"model": MODEL, "seed": 7, "ignore_eos": True}
"""The same answer each time."""

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


def ask(text: str, tokens: int, **more: Any) -> dict[str, Any]:
    """A chat completion of so many tokens, always the same."""
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": tokens, **SAME, **more}


async def reading(past: aiohttp.ClientSession) -> Reading:
    """What it says of itself."""
    async with past.get("/metrics") as page:
        found = parse_metrics(await page.text())
    assert found is not None
    return found


async def said(http: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, str]:
    """Status and text of an answer, but for what is new each time."""
    async with http.post(path, json=body) as answer:
        text = await answer.text()
    text = re.sub(r'"(id|item_id)":"[^"]*"', r'"\1":"-"', text)
    return answer.status, re.sub(
        r'"(created|created_at|completed_at)":\d+(\.\d+)?', r'"\1":0', text
    )


# --- behind the gateway --------------------------------------------------------------------------

ASKED = [
    (CHAT, ask("hello", 5)),
    (CHAT, ask("hello", 5, stream=True)),
    (CHAT, ask("hello", 5, stream=True, stream_options={"include_usage": True})),
    (COMPLETIONS, {**SAME, "prompt": "Once", "max_tokens": 5}),
    (COMPLETIONS, {**SAME, "prompt": [5, 6, 7], "max_tokens": 5, "stream": True}),
    (RESPONSES, {**SAME, "input": "hello", "max_output_tokens": 5}),
    (CHAT, ask("x" * CONTEXT, 5)),  # too long
    (CHAT, ask("hello", 5, model="another")),
    (CHAT, ask("hello", 5, temperature=-1)),
    ("/v1/embeddings", {"model": MODEL, "input": "hello"}),
]


@pytest.mark.parametrize(("path", "body"), ASKED)
def test_it_says_through_the_gateway_what_it_says_without(
    there: str, path: str, body: dict[str, Any]
) -> None:
    async def scene(live: Live, past: aiohttp.ClientSession) -> None:
        assert await said(live.http, path, body) == await said(past, path, body)

    in_front_of(there, scene, seats=4)


async def finished(live: Live, ended: list[str], name: str, tokens: int, urgency: int) -> None:
    """Ask, and note when it is answered."""
    body = ask(f"note {name}", tokens, priority=urgency)
    async with live.http.post(CHAT, json=body) as answer:
        assert answer.status == 200, await answer.text()
        assert (await answer.json())["usage"]["completion_tokens"] == tokens
    ended.append(name)


def order_of(there: str, asked: list[tuple[str, int, int]], **settings: Any) -> list[str]:
    """Names in the order in which they are answered, asked one after the other."""
    ended: list[str] = []

    async def scene(live: Live, _: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as tasks:
            for name, tokens, urgency in asked:
                tasks.create_task(finished(live, ended, name, tokens, urgency))
                await asyncio.sleep(0.05)

    in_front_of(there, scene, **settings)
    return ended


@pytest.mark.parametrize("seats", [SEATS, 16])
def test_the_urgent_are_answered_first_wherever_they_wait(there: str, seats: int) -> None:
    """With as many seats as it has they wait here, with more they wait in its own queue."""
    newsletters = [(f"newsletter {i}", 40, 4) for i in range(6)]
    ended = order_of(there, [*newsletters, ("chest pain", 40, 0)], seats=seats)
    assert ended.index("chest pain") <= SEATS  # after those that ran when it came


@pytest.mark.parametrize("seats", [SEATS, 16])
def test_of_the_equally_urgent_the_shorter_are_answered_first(there: str, seats: int) -> None:
    """Nobody is predicted to say more than he may."""
    long = [(f"long {i}", 60, 3) for i in range(5)]
    ended = order_of(there, [*long, ("short", 4, 3)], seats=seats)
    assert ended.index("short") <= SEATS


def test_its_seats_and_its_memory_are_found_out(there: str) -> None:
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

    in_front_of(there, scene)


def test_who_leaves_frees_a_seat(there: str) -> None:
    async def scene(live: Live, past: aiohttp.ClientSession) -> None:
        async with live.http.post(CHAT, json=ask("hello", 900, stream=True)) as answer:
            await answer.content.readany()
            assert (await reading(past)).num_running == 1
            answer.close()
        async with asyncio.timeout(1):
            while (await reading(past)).num_running:
                await asyncio.sleep(0.02)
        assert live.counts()["cancelled"] == 1

    in_front_of(there, scene)


def test_as_a_judge_it_can_only_say_a_digit(there: str) -> None:
    """It holds itself to the schema, so that even random weights answer in form."""

    async def play() -> int | None:
        settings = JudgeSettings.model_validate(
            {"url": f"{there}/v1", "model": MODEL, "timeout": 30}
        )
        async with Judge(settings) as judge:
            return await judge.ask("My father has chest pain")

    assert asyncio.run(play()) in range(NUM_CLASSES)


# --- beside the engine that stands in for it -----------------------------------------------------


def families(page: str) -> dict[str, Metric]:
    """What a page of metrics holds, by name."""
    return {family.name: family for family in text_string_to_metric_families(page)}


def looks(family: Metric) -> tuple[str, set[tuple[str, ...]], list[str]]:
    """Its type, its labels, its buckets."""
    labels = {tuple(sorted(set(s.labels) - {"le"})) for s in family.samples}
    buckets = {s.labels["le"]: None for s in family.samples if s.name.endswith("_bucket")}
    return family.type, labels, list(buckets)


def beside(there: str, scene: Callable[[Engine, aiohttp.ClientSession], Awaitable[None]]) -> None:
    """Play the scene with our engine, and the vLLM."""

    async def play(engine: Engine) -> None:
        async with aiohttp.ClientSession(there) as real:
            await scene(engine, real)

    engine_live(play)


def test_its_metrics_are_those_of_vllm(there: str) -> None:
    async def scene(engine: Engine, real: aiohttp.ClientSession) -> None:
        pages = []
        for http in (engine.http, real):
            await said(http, CHAT, ask("hello", 3))
            async with http.get("/metrics") as page:
                pages.append(families(await page.text()))
        ours, theirs = pages
        assert ours
        for name, family in ours.items():
            assert looks(family) == looks(theirs[name]), name

    beside(there, scene)


def shape(value: Any) -> Any:
    """What is where, without what it is."""
    match value:
        case dict():
            return {name: shape(one) for name, one in value.items()}
        case list():
            return [shape(one) for one in value]
    return type(value).__name__


def missing(ours: Any, theirs: Any, place: str = "") -> list[str]:
    """Where ours has what theirs has not."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            found
            for name, one in ours.items()
            for found in missing(one, theirs.get(name, "nothing"), f"{place}.{name}")
        ]
    if isinstance(ours, list) and isinstance(theirs, list):
        pairs = enumerate(zip(ours, theirs, strict=False))
        return [f for i, (a, b) in pairs for f in missing(a, b, f"{place}[{i}]")]
    return [] if ours == theirs else [f"{place}: {ours}, not {theirs}"]


ALLOWED = {"[0].error: NoneType, not nothing"}
"""OpenAI's responses have it; vLLM leaves it out."""


async def shapes(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> list[Any]:
    """Of an answer, or of each event of a stream but those that repeat."""
    _, text = await said(http, path, body)
    if not body.get("stream"):
        return [shape(json.loads(text))]
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    told = [shape(json.loads(event)) for event in events[:-1]]
    return [one for i, one in enumerate(told) if i == 0 or one != told[i - 1]]


@pytest.mark.parametrize(("path", "body"), ASKED[:6])
def test_its_answers_have_no_field_that_those_of_vllm_have_not(
    there: str, path: str, body: dict[str, Any]
) -> None:
    async def scene(engine: Engine, real: aiohttp.ClientSession) -> None:
        ours = await shapes(engine.http, path, body)
        theirs = await shapes(real, path, body)
        assert set(missing(ours, theirs)) <= ALLOWED
        assert len(ours) == len(theirs)

    beside(there, scene)


REFUSED: list[dict[str, Any]] = [
    {"priority": 1.5},
    {"priority": "high"},
    {"priority": 2**63},
    {"priority": "7"},
    {"priority": None},
    {"priority": -5},
    {"max_tokens": 0},
    {"max_tokens": -1},
    {"max_tokens": "many"},
    {"min_tokens": 9},
    {"messages": []},
    {"messages": "hello"},
    {"stream": "often"},
    {"ignore_eos": 3},
    {"n": 0},
    {"seed": "x"},
]


@pytest.mark.parametrize("odd", REFUSED, ids=str)
def test_it_takes_and_refuses_what_vllm_takes_and_refuses(there: str, odd: dict[str, Any]) -> None:
    async def scene(engine: Engine, real: aiohttp.ClientSession) -> None:
        body = ask("hello", 4) | odd
        (ours, _), (theirs, why) = await said(engine.http, CHAT, body), await said(real, CHAT, body)
        assert ours == theirs, why

    beside(there, scene)
