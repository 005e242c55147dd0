"""A real Prometheus: it scrapes a live gateway, and every panel of the dashboard gets an answer."""

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.serve.faulty import CHAT
from tests.serve.live import Live, ask, live
from tests.serve.process import free_port
from tests.test_deploy import DEPLOY, expressions

PROMETHEUS = shutil.which("prometheus")

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="no Prometheus here")

UNANSWERED = {"Failures by code"}
"""The engine within does not fail."""


def settings(gateway: str) -> str:
    """Ours, for this gateway and for the impatient."""
    text = (DEPLOY / "prometheus.yml").read_text("utf-8")
    assert "gateway:8080" in text
    text = text.replace("gateway:8080", gateway.removeprefix("http://"))
    return re.sub(r"scrape_interval: \w+", "scrape_interval: 1s", text)


@asynccontextmanager
async def prometheus(folder: Path, gateway: str) -> AsyncIterator[aiohttp.ClientSession]:
    """One that watches a gateway, ready."""
    (folder / "prometheus.yml").write_text(settings(gateway))
    port = free_port()
    process = await create_subprocess_exec(
        *(str(PROMETHEUS), f"--config.file={folder / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"),
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            yield http
    finally:
        process.terminate()
        await process.wait()


async def values(http: aiohttp.ClientSession, expression: str) -> list[float]:
    """What it answers now."""
    query = expression.replace("$__rate_interval", "10s")
    try:
        async with http.get("/api/v1/query", params={"query": query}) as answer:
            said: dict[str, Any] = await answer.json()
    except aiohttp.ClientError:
        return []  # not up yet
    assert said["status"] == "success", (query, said)
    found = [float(one["value"][1]) for one in said["data"]["result"]]
    return [value for value in found if isfinite(value)]


async def traffic(there: Live) -> None:
    """Requests of all classes, and some that are refused, until cancelled."""
    while True:
        for urgency in range(5):
            body = ask("hello", 4000, priority=urgency, ignore_eos=False, stream=True)
            async with there.http.post(CHAT, json=body) as answer:
                await answer.read()
        late = {"x-request-deadline-ms": "0"}
        async with there.http.post(CHAT, json=ask("late"), headers=late) as answer:
            await answer.read()
        await asyncio.sleep(0.1)


def test_every_panel_gets_an_answer(tmp_path: Path) -> None:
    unanswered = {target["expr"]: title for title, target in expressions()}

    async def scene(there: Live) -> None:
        busy = asyncio.create_task(traffic(there))
        async with prometheus(tmp_path, there.url) as http:
            with suppress(TimeoutError):
                async with asyncio.timeout(30):
                    while set(unanswered.values()) != UNANSWERED:
                        await asyncio.sleep(0.5)
                        for expression in list(unanswered):
                            if await values(http, expression):
                                del unanswered[expression]
        busy.cancel()

    live(scene)
    assert set(unanswered.values()) == UNANSWERED
