"""Nothing is lost: seconds of chaos, and then every request is in the books once, as its client
saw it; no task, no socket is left; and the journal's decisions come out the same again."""

import asyncio
import json
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from semsched.serve.row import Row
from tests.serve.backend.peer import END, STREAM, Call, chunk, num_sockets, whole
from tests.serve.faulty import (
    CHAT,
    DONE,
    Fault,
    Faulty,
    Fleet,
    answer_of,
    breaks_after,
    event,
    fails,
    hangs,
    looking_often,
    play,
    says,
    streams,
    well,
)
from tests.serve.live import ask
from tests.serve.process import replayed

NUM_REQUESTS = 1200
NUM_CLIENTS = 60

FAULTS: list[Fault] = [
    *(well, well, well, well, says(b"", whole(answer_of("slow")), gap=0.08)),
    *(breaks_after(), breaks_after(reset=False), fails("500 No"), fails("503 No"), fails("429 No")),
    *(breaks_after(whole(answer_of("half"))[:-30]), says(whole(b"")[:-4], b"", gap=9), hangs),
    *(says(b"no HTTP\r\n\r\n"), fails("400 Bad"), fails("302 Go", "location: /\r\n")),
]
STREAMS: list[Fault] = [
    *(streams("a"), streams(*"abc", gap=0.02), streams(*"abcdefgh", gap=0.01)),
    *(breaks_after(STREAM + chunk(event("a"))), says(STREAM + chunk(event("a")), b"", gap=9)),
    breaks_after(STREAM + chunk(event("a")), chunk(event("b")) + b"zz\r\n"),
    says(STREAM + chunk(event("a")) + END),
]


class Moody(Faulty):
    """An engine that does now this, now that, with a whole answer or a stream as it was asked."""

    def __init__(self, random: Random) -> None:
        super().__init__(self._any)
        self._random = random

    async def _any(self, call: Call) -> None:
        is_stream = b'"stream": true' in self.heard.pop()
        sound = streams(*"ab", gap=0.01) if is_stream else well
        moods = STREAMS + FAULTS[5:] if is_stream else FAULTS
        await (self._random.choice(moods) if self._random.random() < 0.6 else sound)(call)


class Clients:
    """Who asks, leaves at any moment, and remembers what came of it."""

    def __init__(self, fleet: Fleet, random: Random) -> None:
        self._http = fleet.live.http
        self._url = fleet.live.url
        self._random = random
        self.saw: dict[str, str] = {}
        """How each request ended for those who stayed."""
        self.num_left = 0

    async def one(self, id: str) -> None:
        """Ask once, in a random way."""
        random = self._random
        match random.random():
            case way if way < 0.1:
                await self._half_a_body()
            case way if way < 0.3:
                await self._leave(id, random.random() * 0.2)
            case _:
                self.saw[id] = await self._stay(id)

    async def _half_a_body(self) -> None:
        port = int(self._url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 999\r\n\r\n{")
        await asyncio.sleep(self._random.random() * 0.05)
        writer.transport.abort()

    async def _leave(self, id: str, after: float) -> None:
        self.num_left += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(after):
                await self._stay(id)

    async def _stay(self, id: str) -> str:
        try:
            async with self._http.post(CHAT, json=self._body(), headers=self._headers(id)) as got:
                return self._judged(got.status, await got.read())
        except aiohttp.ClientError:
            return "broken"

    def _judged(self, status: int, said: bytes) -> str:
        if status != 200:
            return json.loads(said)["error"].get("code") or "passed on"
        is_stream = said.startswith(b"data: ")
        return "whole" if not is_stream or said.endswith(DONE) else "error event"

    def _body(self) -> dict[str, Any]:
        random = self._random
        texts = ("I cannot breathe", "Write a poem", "Translate this")
        more = {"priority": random.randrange(5)} if random.random() < 0.5 else {}
        return ask(random.choice(texts), stream=random.random() < 0.5, **more)

    def _headers(self, id: str) -> dict[str, str]:
        deadline = str(self._random.randrange(20, 400))
        late = {"x-request-deadline-ms": deadline} if self._random.random() < 0.2 else {}
        return {"x-request-id": id, **late}


async def meddle(fleet: Fleet, random: Random) -> None:
    """An operator who takes requests out and moves others; engines that fall ill."""
    while True:
        await asyncio.sleep(0.02)
        async with fleet.live.http.get("/admin/queue") as answer:
            waiting = (await answer.json())["waiting"]
        if waiting:
            path = f"/admin/queue/{random.choice(waiting)['id']}"
            move = {"class": random.randrange(5)}
            method, body = random.choice([("DELETE", None), ("PATCH", move), ("PATCH", move)])
            async with fleet.live.http.request(method, path, json=body) as answer:
                assert answer.status in (200, 204, 404)
        engine = random.choice(fleet.engines[1:])  # one stays well enough
        engine.is_healthy = random.random() < 0.7


ALLOWED = {
    "whole": {"finished"},
    "error event": {"failed"},
    "broken": {"failed"},
    "passed on": {"failed"},
    "backend_failed": {"failed"},
    "backend_timeout": {"failed"},
}
"""How a request may have ended by what its client saw; all else is a refusal."""


def test_after_chaos_all_is_accounted_for(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "0"))
    random, clients = Random(seed), []  # noqa: S311

    async def scene(fleet: Fleet) -> None:
        clients.append(crowd := Clients(fleet, random))
        ids = iter(range(NUM_REQUESTS))

        async def one_after_another() -> None:
            for id in ids:
                await crowd.one(f"r{id}")
                await asyncio.sleep(random.random() * 0.2)

        meddler = asyncio.create_task(meddle(fleet, random))
        await asyncio.gather(*(one_after_another() for _ in range(NUM_CLIENTS)))
        meddler.cancel()
        await fleet.live.until(lambda: not fleet.live.num_there)
        service = fleet.live.gateway.service
        service.records.check()
        assert not service.desk.dispatcher.seated
        assert not service.desk.dispatcher.lanes
        assert service.records.books.num_retries > 10

    before = num_sockets()
    with looking_often():
        play(
            scene,
            *(Moody(Random(seed + place)) for place in range(3)),  # noqa: S311
            config={
                "queue": {"max_waiting": 12, "max_wait": 0.3},
                "journal": {"path": str(tmp_path / "day.jsonl")},
            },
            seats=5,
            first_byte_time=0.2,
            read_time=0.2,
        )
    assert num_sockets() == before
    check(clients[0], replayed(tmp_path / "day.jsonl").rows)


def check(clients: Clients, rows: list[Row]) -> None:
    """Whether what the gateway wrote down is what the clients saw."""
    by_id = {row.request_id: row for row in rows}
    assert len(by_id) == len(rows)
    for id, saw in clients.saw.items():
        row = by_id[id]
        assert row.status in ALLOWED.get(saw, {"refused"}), (saw, row)
    assert len(rows) <= len(clients.saw) + clients.num_left
    statuses = Counter(row.status for row in rows)
    assert min(statuses[name] for name in ("finished", "refused", "cancelled", "failed")) > 10
    assert len({row.code for row in rows}) >= 8, "many ways to end were taken"
