"""`semsched serve` as people run it: a process, its port, its signals and what it leaves behind."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from semsched.serve.replay import Replayed, replay
from tests.serve.faulty import CHAT
from tests.serve.live import ask


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def toml(config: dict[str, Any]) -> str:
    """A configuration as a file says it: tables, and lists of tables, of plain values."""
    parts = []
    for name, table in config.items():
        tables = table if isinstance(table, list) else [table]
        head = f"[[{name}]]" if isinstance(table, list) else f"[{name}]"
        for one in tables:
            lines = [f"{key} = {json.dumps(value)}" for key, value in one.items()]
            parts.append("\n".join([head, *lines]))
    return "\n\n".join(parts) + "\n"


class Running(NamedTuple):
    """A gateway in a process of its own."""

    url: str
    process: Process
    path: Path
    """Its configuration."""
    http: aiohttp.ClientSession

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self, within: float = 10.0) -> int:
        """Its exit code; fails if it does not end within so many seconds."""
        async with asyncio.timeout(within):
            return await self.process.wait()

    async def queue(self) -> dict[str, Any]:
        """Who waits and who runs."""
        async with self.http.get("/admin/queue") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def until(
        self, holds: Callable[[dict[str, Any]], object], within: float = 10.0
    ) -> dict[str, Any]:
        """The queue when it is so; fails if it is not within so many seconds."""
        async with asyncio.timeout(within):
            while not holds(found := await self.queue()):
                await asyncio.sleep(0.01)
        return found

    async def stream(self, text: str, max_tokens: int, **more: Any) -> tuple[int, bytes, bool]:
        """Status and bytes of a streamed answer, and whether it came to its end."""
        body, said, status = ask(text, max_tokens, stream=True, **more), b"", 0
        try:
            async with self.http.post(CHAT, json=body) as answer:
                status = answer.status
                async for part in answer.content.iter_any():
                    said += part
        except aiohttp.ClientError:
            return status, said, False
        return status, said, True

    @property
    def errors(self) -> str:
        """What it wrote to standard error; all of it after its end."""
        return self.path.with_suffix(".err").read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The same, line by line: all of them JSON."""
        return [json.loads(line) for line in self.errors.splitlines()]


@asynccontextmanager
async def serving(folder: Path, config: dict[str, Any], port: int = 0) -> AsyncIterator[Running]:
    """A process that serves, ready. It is killed at the end if it is still there."""
    path = folder / "gateway.toml"
    path.write_text(toml({"server": {"port": port, "grace_time": 5}, **config}))
    command = [sys.executable, "-u", "-m", "semsched", "serve", "--config", str(path)]
    with path.with_suffix(".err").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=errors, env={**os.environ, "COLUMNS": "200"}
        )
    try:
        url = await _url_of(process, path)
        async with aiohttp.ClientSession(url) as http:
            running = Running(url, process, path, http)
            await _ready(http)
            yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _url_of(process: Process, path: Path) -> str:
    """Where it says that it listens."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while line := (await process.stdout.readline()).decode():
            if found := re.match(r"curl -N (http://[^/]+)/", line):
                return found[1]
    raise AssertionError(path.with_suffix(".err").read_text())


async def _ready(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(10):
        while True:
            async with http.get("/ready") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.02)


def replayed(journal: Path) -> Replayed:
    """What a journal says, once it is whole and every decision comes out the same."""
    content = journal.read_bytes()
    assert content.endswith(b"\n")
    for line in content.splitlines():
        msgspec.json.decode(line)
    result = replay(journal)
    assert result.differences == []
    ids = [row.id for row in result.rows]
    assert len(ids) == len(set(ids)), "one row per request"
    return result
