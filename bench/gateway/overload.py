"""Overload: memory and refusals at ten times what the engine can do."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from .figures import Figure, Lab, note, quantile, spread
from .load import Ask, Told, chat, play
from .processes import Server, engine, gateway

SPEED = 0.75
MAX_TOKENS = 40
CAPACITY = 16 / (MAX_TOKENS * 0.01196 / SPEED)
"""Requests/s: 16 seats, 12 ms for a step by the engine's profile."""

TIMES = 10
CAP_MIB = 4.0
"""Bodies that may wait; about a thousand of them."""

HISTORY = "We talked of this and that before, at some length, as people do. " * 55
"""What makes a body 4 KB long, as an earlier turn or a system prompt does."""


async def overload(lab: Lab) -> AsyncIterator[Figure]:
    """Resident memory at its highest, and how soon those hear of it who are refused. All are of
    one class, so that nobody is refused later than at the door."""
    seconds = 60.0 if lab.full else 20.0
    config: dict[str, Any] = {
        "server": {"max_body_bytes": 2**20, "max_connections": 20_000},
        "queue": {"max_waiting": 100_000, "max_waiting_bytes": int(CAP_MIB * 2**20)},
    }
    async with engine(lab, speed=SPEED) as backend:
        config["backends"] = [{"url": backend.url, "name": "one", "kind": "vllm", "seats": 16}]
        async with gateway(lab, config) as front:
            await play(_asks(front, CAPACITY, 5.0, seed=1))
            front.forget_peak()
            idle, before = front.memory_mb(), front.cpu_s()
            told, peak = await _poured(front, seconds)
            busy = (front.cpu_s() - before) / seconds
    refused = [each for each in told if each.status == 429]
    others = [each for each in told if each.status not in (0, 200, 429)]
    note(
        f"{len(told)} requests, {len(refused)} refused, {len(others)} otherwise; "
        f"{busy:.2f} cores; memory {idle:.0f} MB idle, {peak:.0f} MB at most"
    )
    at_the_door = [each for each in refused if each.error == "queue_full"]
    times = [each.first_at for each in at_the_door if each.first_at is not None]
    spread("time to be refused", times)
    limit = idle + 1.25 * CAP_MIB + 64
    yield Figure("overload_rss_mb", peak, "MB", f"<= {limit:.0f}")
    yield Figure("overload_refused_share", len(refused) / len(told), "share")
    yield Figure("refusal_p99_ms", quantile(times, 0.99) * 1000, "ms", "<= 50")


async def _poured(front: Server, seconds: float) -> tuple[list[Told], float]:
    """What became of the requests, and the most memory that the gateway had."""
    peak = 0.0

    async def note_peak(_: float) -> None:
        nonlocal peak
        await asyncio.sleep(seconds + 1.0)
        peak = front.peak_mb()

    return await play(_asks(front, TIMES * CAPACITY, seconds, seed=0), note_peak), peak


def _asks(front: Server, rate: float, seconds: float, seed: int) -> list[Ask]:
    """Who is not served when the load is over leaves: nobody measures how long they would wait."""
    rng = random.Random(seed)
    at, asks = 0.0, []
    while at < seconds:
        messages = [
            {"role": "system", "content": HISTORY},
            {"role": "user", "content": f"And what about {rng.random()}?"},
        ]
        body = chat("", max_tokens=MAX_TOKENS, ignore_eos=True, messages=messages)
        headers = {"x-request-priority": "2"}
        asks.append(Ask(at, front.url, body, headers, leaves_after=seconds + 2.0 - at))
        at += rng.expovariate(rate)
    return asks
