"""Cancel: how soon a place is free when a client hangs up, in the queue and at the backend."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from math import inf

import aiohttp

from .figures import Figure, Lab, note, quantile, spread
from .flood import address_of
from .load import CHAT, chat
from .processes import Server, gateway, stub

NUM_CANCELS = 100
DEPTH = 50
"""Requests that wait meanwhile."""


async def cancel(lab: Lab) -> AsyncIterator[Figure]:
    """From the client's close to the place freed, and to the close that the backend sees."""
    async with stub(lab) as backend:
        config = {"backends": [{"url": backend.url, "name": "one", "seats": 1}]}
        async with gateway(lab, config) as front, aiohttp.ClientSession() as session:
            times = await _in_queue(front, session)
        spread("disconnect to place freed", times)
        yield Figure("cancel_queued_ms", quantile(times, 0.99) * 1000, "ms", "<= 100")
        config = {"backends": [{"url": backend.url, "name": "one", "seats": 100}]}
        async with gateway(lab, config) as front:
            times = await _upstream(front, backend)
        spread("disconnect to backend's", times)
        yield Figure("cancel_upstream_ms", quantile(times, 0.99) * 1000, "ms", "<= 250")


class _Raw:
    """A request on a connection of its own, which can be closed at once."""

    def __init__(self, there: Server, body: bytes) -> None:
        self._there = there
        self._head = (
            f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self._body = body

    async def send(self) -> None:
        """Ask."""
        address = address_of(self._there.url)
        self.reader, self._writer = await asyncio.open_connection(*address)
        self._writer.write(self._head.encode() + self._body)
        await self._writer.drain()

    def close(self) -> float:
        """Hang up; says when."""
        self._writer.close()
        return time.monotonic()


async def _num_waiting(front: Server, session: aiohttp.ClientSession) -> int:
    async with session.get(f"{front.url}/admin/queue") as answer:
        num: int = (await answer.json())["num_waiting"]
        return num


async def _in_queue(front: Server, session: aiohttp.ClientSession) -> list[float]:
    """Seconds to the moment in which the operator's list no longer shows it, polled."""
    rng = random.Random(0)
    holder = _Raw(front, chat("hold", stub={"events": 10_000, "gap": 1.0}))
    await holder.send()
    await holder.reader.readuntil(b"data:")
    waiting = [_Raw(front, chat(f"wait {i}")) for i in range(DEPTH + NUM_CANCELS)]
    for each in waiting:
        await each.send()
    while await _num_waiting(front, session) < len(waiting):
        await asyncio.sleep(0.01)
    times = []
    for left in range(len(waiting), DEPTH, -1):
        closed_at = waiting.pop(rng.randrange(len(waiting))).close()
        while await _num_waiting(front, session) >= left:
            pass
        times.append(time.monotonic() - closed_at)
    for each in (*waiting, holder):
        each.close()
    return times


async def _upstream(front: Server, backend: Server) -> list[float]:
    """Seconds to the moment in which the backend's connection is lost: half of the clients leave
    before the first token, half in the middle of the stream."""
    rng = random.Random(0)
    closed_at = {}
    for i in range(NUM_CANCELS):
        wanted = {
            "events": 10_000,
            "gap": 0.02,
            "wait": 30.0 if i % 2 else 0.0,
            "note": f"cancel-{i}",
        }
        each = _Raw(front, chat(f"cancel {i}", stub=wanted))
        await each.send()
        if not i % 2:
            await each.reader.readuntil(b"data:")
        await asyncio.sleep(0.02 + 0.05 * rng.random())
        closed_at[f"cancel-{i}"] = each.close()
    await asyncio.sleep(1.0)
    seen = await backend.get("/seen")
    reached = {name: at for name, at in closed_at.items() if name in seen}
    note(f"{len(closed_at) - len(reached)} left before the backend heard of them")
    return [seen[name].get("lost_at", inf) - at for name, at in reached.items()]
