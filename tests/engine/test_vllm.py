"""The engine that stands in for vLLM, beside a real one."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.engine.live import Live, live
from tests.vllm import ANSWERED, CHAT, ask, said

pytestmark = pytest.mark.timeout(300)  # vLLM takes a minute to start


def families(page: str) -> dict[str, Metric]:
    """What a page of metrics holds, by name."""
    return {family.name: family for family in text_string_to_metric_families(page)}


def looks(family: Metric) -> tuple[str, set[tuple[str, ...]], list[str]]:
    """Its type, its labels, its buckets."""
    labels = {tuple(sorted(set(s.labels) - {"le"})) for s in family.samples}
    buckets = {s.labels["le"]: None for s in family.samples if s.name.endswith("_bucket")}
    return family.type, labels, list(buckets)


def beside(vllm_url: str, scene: Callable[[Live, aiohttp.ClientSession], Awaitable[None]]) -> None:
    """Play the scene with our engine, and the vLLM."""

    async def play(engine: Live) -> None:
        async with aiohttp.ClientSession(vllm_url) as real:
            await scene(engine, real)

    live(play)


def test_its_metrics_are_those_of_vllm(vllm_url: str) -> None:
    async def scene(engine: Live, real: aiohttp.ClientSession) -> None:
        pages = []
        for http in (engine.http, real):
            await said(http, CHAT, ask("hello", 3))
            async with http.get("/metrics") as page:
                pages.append(families(await page.text()))
        ours, theirs = pages
        assert ours
        for name, family in ours.items():
            assert looks(family) == looks(theirs[name]), name

    beside(vllm_url, scene)


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


@pytest.mark.parametrize(("path", "body"), ANSWERED)
def test_its_answers_have_no_field_that_those_of_vllm_have_not(
    vllm_url: str, path: str, body: dict[str, Any]
) -> None:
    async def scene(engine: Live, real: aiohttp.ClientSession) -> None:
        ours = await shapes(engine.http, path, body)
        theirs = await shapes(real, path, body)
        assert set(missing(ours, theirs)) <= ALLOWED
        assert len(ours) == len(theirs)

    beside(vllm_url, scene)


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
def test_it_takes_and_refuses_what_vllm_takes_and_refuses(
    vllm_url: str, odd: dict[str, Any]
) -> None:
    async def scene(engine: Live, real: aiohttp.ClientSession) -> None:
        body = ask("hello", 4) | odd
        (ours, _), (theirs, why) = await said(engine.http, CHAT, body), await said(real, CHAT, body)
        assert ours == theirs, why

    beside(vllm_url, scene)
