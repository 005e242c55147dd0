"""The board in a real browser, before a gateway under traffic."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.serve import process
from tests.serve.faulty import CHAT
from tests.serve.live import Live, ask, live

api = pytest.importorskip("playwright.async_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

TEXTS = [
    ("My chest hurts and I cannot breathe", 40),
    ("Please write a long newsletter about our summer sale", 60),
    ("Translate this sentence into German", 20),
    ("Our payment service is down, customers cannot check out", 30),
]
SLOW: dict[str, Any] = {"engine": {"speed": 2.0, "max_num_seqs": 2, "preemption": "off"}}
PHONE = {"width": 390, "height": 844}

Page = Any
"""playwright's, which is not always installed."""


@asynccontextmanager
async def page(**context: Any) -> AsyncIterator[Page]:
    """A page of a browser; whatever it complains of is an error."""
    async with api.async_playwright() as playwright:
        chromium = playwright.chromium
        browser = await chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = await (await browser.new_context(**context)).new_page()
        opened.set_default_timeout(10_000)
        complaints: list[str] = []
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" else None,
        )
        yield opened
        await browser.close()
        assert [one for one in complaints if "ERR_" not in one] == []  # a server may be gone


async def crowd(there: Live, num: int) -> list[asyncio.Task[None]]:
    """Clients that ask for answers, of all classes."""

    async def one(text: str, max_tokens: int) -> None:
        async with there.http.post(CHAT, json=ask(text, max_tokens, stream=True)) as answer:
            assert answer.status == 200
            await answer.read()

    tasks = [asyncio.create_task(one(*TEXTS[i % len(TEXTS)])) for i in range(num)]
    await there.until(lambda: there.num_there == num)
    return tasks


async def count(page: Page, selector: str, at_least: int) -> None:
    """Wait until so many things are shown."""
    found = "([selector, num]) => document.querySelectorAll(selector).length >= num"
    await page.wait_for_function(found, arg=[selector, at_least])


def play(scene: Callable[[Live], Awaitable[None]], **config: Any) -> None:
    live(scene, {**SLOW, **config})


def test_it_fills_under_traffic_and_tells_nothing_that_was_said() -> None:
    async def scene(there: Live) -> None:
        async with page(viewport={"width": 1400, "height": 900}) as board:
            await board.goto(f"{there.url}/board")
            tasks = await crowd(there, 16)
            await board.wait_for_selector("body[data-connection=live]")
            await count(board, "#lanes .chip", 4)
            await count(board, "#backends .card", 1)
            assert "embedded" in await board.inner_text("#backends")
            await asyncio.gather(*tasks)
            await count(board, "#ended tr", 16)
            decisions = (await board.inner_text("#ended")).lower()
            for word in ("critical", "model", "finished"):
                assert word in decisions
            everything = (await board.content()).lower()
            for word in ("chest", "breathe", "newsletter", "german", "customers"):
                assert word not in everything

    play(scene)


def test_it_tells_what_was_said_where_it_may() -> None:
    async def scene(there: Live) -> None:
        async with page() as board:
            await board.goto(f"{there.url}/board")
            async with there.http.post(CHAT, json=ask(TEXTS[0][0], 3)) as answer:
                assert answer.status == 200
            await count(board, "#ended tr", 1)
            assert "chest" in (await board.inner_text("#ended")).lower()

    play(scene, board={"prompt_text": True})


def test_on_a_phone_nothing_sticks_out() -> None:
    async def scene(there: Live) -> None:
        async with page(viewport=PHONE, has_touch=True, is_mobile=True) as board:
            await board.goto(f"{there.url}/board")
            tasks = await crowd(there, 16)
            await count(board, "#lanes .chip", 4)
            width = await board.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    play(scene)


def test_when_the_gateway_goes_it_says_so_and_goes_on_when_it_returns(tmp_path: Path) -> None:
    async def act() -> None:
        async with page() as board, AsyncExitStack() as stack:
            there = await stack.enter_async_context(process.serving(tmp_path, {}))
            await board.goto(f"{there.url}/board")
            await board.wait_for_selector("body[data-connection=live]")
            assert not await board.is_visible("#banner")
            there.process.kill()
            await there.ended()
            await board.wait_for_selector("#banner", state="visible")
            port = int(there.url.rpartition(":")[2])
            again = await stack.enter_async_context(process.serving(tmp_path, {}, port))
            await board.wait_for_selector("#banner", state="hidden")
            await again.stream("hello", 2)
            await count(board, "#ended tr", 1)

    asyncio.run(act())
