"""Load: an open-loop client. Requests go out when planned, however the server is doing, and
latencies count from the planned instant, so that a slow server hides nothing."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import aiohttp

GIVE_UP = 300.0
"""Seconds after which a request that neither ends nor fails is lost."""

CHAT = "/v1/chat/completions"


class Ask(NamedTuple):
    """A request that is planned."""

    at: float
    """Seconds after the start."""
    url: str
    body: bytes
    headers: Mapping[str, str] = {}
    group: str = ""
    """Whom to count it with."""
    leaves_after: float = inf
    """Seconds after which its client closes the connection."""


@dataclass(slots=True)
class Told:
    """What became of it. Instants are seconds after the planned one, None if they never came."""

    ask: Ask
    status: int = 0
    """0 if there was no answer."""
    first_at: float | None = None
    """First byte of the body."""
    ended_at: float | None = None
    is_whole: bool = False
    """Whether the answer came to its proper end, and was no error."""
    has_left: bool = False
    """Whether its client closed the connection."""
    is_lost: bool = False
    """Whether nobody ever said what became of it."""
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    reads: list[tuple[float, int]] = field(default_factory=list)
    """When, in seconds after the start, how many events came."""


def chat(text: str, *, stream: bool = True, **more: Any) -> bytes:
    """The body of a request for a chat completion."""
    body = {
        "model": "any",
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
        **more,
    }
    return json.dumps(body).encode()


async def play(
    asks: Sequence[Ask], beside: Callable[[float], Awaitable[None]] | None = None
) -> list[Told]:
    """Send all of them and wait for their ends; `beside` runs along, told the start's instant
    (of time.monotonic)."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        start = time.monotonic() + 0.1
        along = asyncio.ensure_future(beside(start)) if beside else None
        tasks = []
        for ask in sorted(asks, key=lambda ask: ask.at):
            await _until(start + ask.at)
            tasks.append(asyncio.create_task(_send(session, ask, start)))
        told = await asyncio.gather(*tasks)
        if along:
            await along
    return list(told)


async def _until(instant: float) -> None:
    left = instant - time.monotonic()
    if left > 0:
        await asyncio.sleep(left)


async def _send(session: aiohttp.ClientSession, ask: Ask, start: float) -> Told:
    told, planned = Told(ask), start + ask.at
    limit = min(ask.leaves_after, GIVE_UP)
    try:
        async with asyncio.timeout(limit):
            await _exchange(session, told, start)
    except TimeoutError:
        told.has_left, told.is_lost = limit < GIVE_UP, limit >= GIVE_UP
    except (aiohttp.ClientError, ConnectionError) as error:
        told.error = type(error).__name__
    told.ended_at = time.monotonic() - planned
    return told


async def _exchange(session: aiohttp.ClientSession, told: Told, start: float) -> None:
    ask = told.ask
    headers = {"content-type": "application/json", **ask.headers}
    async with session.post(ask.url + CHAT, data=ask.body, headers=headers) as answer:
        told.status, told.headers = answer.status, dict(answer.headers)
        last = b""
        async for data in answer.content.iter_any():
            now = time.monotonic() - start
            if told.first_at is None:
                told.first_at = now - ask.at
            told.reads.append((now, data.count(b"data: {")))
            last = (last + data)[-4096:]
        told.error = _error_in(last)
        is_stream = answer.content_type == "text/event-stream"
        ended = b"data: [DONE]" in last if is_stream else True
        told.is_whole = told.status == 200 and ended and not told.error


def _error_in(body: bytes) -> str:
    """The code of an error that was answered, in one piece or at the end of a stream."""
    _, found, rest = body.rpartition(b'"code":')
    if not found or b'"error":' not in body:
        return ""
    return rest.strip().partition(b"}")[0].strip(b'"').decode("latin-1")


def whole(told: list[Told]) -> list[Told]:
    """The same; raises RuntimeError if one was not answered in full."""
    bad = [each for each in told if not each.is_whole]
    if bad:
        raise RuntimeError(f"{len(bad)} not answered in full: {bad[0].status} {bad[0].error}")
    return told


def ttfts(told: Sequence[Told], group: str | None = None) -> list[float]:
    """Times to first token (s) of those that were answered in full; of one group or of all."""
    return [
        each.first_at
        for each in told
        if each.is_whole and each.first_at is not None and group in (None, each.ask.group)
    ]
