"""Failover: what clients see of a backend that dies, and of a gateway that is told to stop."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from .figures import Figure, Lab, note
from .load import Ask, Told, chat, play
from .processes import Server, engine, gateway, stub

NUM_ENGINES = 3
SPEED = 1.5
MAX_TOKENS = 40
CAPACITY = NUM_ENGINES * 16 / (MAX_TOKENS * 0.01196 / SPEED)
"""Requests/s of the engines: 16 seats each, 12 ms for a step by their profile."""

LOAD = 0.7


async def kill(lab: Lab) -> AsyncIterator[Figure]:
    """Of three engines at 70 % of what they can do one is killed; who had no token from it yet
    must be answered by the others."""
    seconds = 60.0 if lab.full else 24.0
    async with AsyncExitStack() as stack:
        there = [engine(lab, speed=SPEED) for _ in range(NUM_ENGINES)]
        engines = [await stack.enter_async_context(each) for each in there]
        front = await stack.enter_async_context(gateway(lab, _three(engines)))

        async def kill_one(_: float) -> None:
            await asyncio.sleep(seconds / 2)
            engines[1].process.kill()

        told = await play(_steady(front, seconds), kill_one)
    started = [each for each in told if _had_started(each)]
    unstarted = [each for each in told if not _had_started(each)]
    good = sum(each.is_whole for each in unstarted)
    bad = {each.error or str(each.status) for each in unstarted if not each.is_whole}
    note(f"{len(started)} were cut off in the middle, {len(unstarted) - good} lost: {bad or '-'}")
    yield Figure("kill_success_share", good / len(unstarted), "share", ">= 0.999")
    yield Figure("kill_out_of", len(unstarted), "requests")


def _three(engines: list[Server]) -> dict[str, object]:
    return {
        "backends": [
            {"url": each.url, "name": f"engine-{i}", "kind": "vllm", "seats": 16}
            for i, each in enumerate(engines)
        ]
    }


def _steady(front: Server, seconds: float) -> list[Ask]:
    rng = random.Random(0)
    at, asks = 1.0, []
    while at < seconds:
        body = chat(f"Say {rng.random()}", max_tokens=MAX_TOKENS, ignore_eos=True)
        asks.append(Ask(at, front.url, body, {"x-request-priority": str(rng.randrange(5))}))
        at += rng.expovariate(LOAD * CAPACITY)
    return asks


def _had_started(told: Told) -> bool:
    """Whether it was cut off after its first token, by the engine that was killed."""
    cut = told.first_at is not None and not told.is_whole and told.status == 200
    return cut and told.headers.get("x-semsched-backend") == "engine-1"


async def sigterm(lab: Lab) -> AsyncIterator[Figure]:
    """Told to stop with 60 requests under way and 60 that wait, all of which fit in the time that
    it has: each must be answered in full."""
    async with stub(lab) as backend:
        config = {"backends": [{"url": backend.url, "name": "one", "seats": 60}]}
        async with gateway(lab, config) as front:
            rng = random.Random(0)
            asks = []
            for i in range(120):
                wanted = {"events": rng.randint(20, 40), "gap": 0.1}
                asks.append(Ask(i * 0.005, front.url, chat(f"Say {i}", stub=wanted)))

            async def stop(_: float) -> None:
                await asyncio.sleep(1.5)
                front.signal(signal.SIGTERM)

            told = await play(asks, stop)
            status = await front.process.wait()
    note(f"exit status {status}; the last ended after {max(_ended(each) for each in told):.1f} s")
    dropped = sum(not each.is_whole for each in told) + (status != 0)
    yield Figure("sigterm_dropped", dropped, "requests", "== 0")


def _ended(told: Told) -> float:
    return told.ask.at + (told.ended_at or 0.0)
