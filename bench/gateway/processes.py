"""Processes: the gateway, engines, the cheap backend and LiteLLM, each as users run them."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from .figures import Lab

ROOT = Path(__file__).parents[2]
"""The repository: `python -m bench.gateway...` is found from here."""

START_TIME = 90.0
"""Seconds that a server has to come up."""

STOP_TIME = 45.0

_numbers = count(1)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A process that answers HTTP."""

    url: str
    process: Process
    log: Path
    config: Path = Path()
    """The gateway's."""

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def stop(self) -> int:
        """Tell it to stop and wait; its exit status (negative: the signal that ended it)."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(STOP_TIME):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()

    def memory_mb(self) -> float:
        """Resident memory."""
        return self._memory("VmRSS:")

    def peak_mb(self) -> float:
        """The most resident memory that it ever had, or since `forget_peak`."""
        return self._memory("VmHWM:")

    def forget_peak(self) -> None:
        """Count the peak from now on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", "ascii")

    def _memory(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return int(status.split(name)[1].split()[0]) / 1024

    def num_sockets(self) -> int:
        """Sockets that it holds open."""
        num = 0
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                num += link.readlink().name.startswith("socket:")
        return num

    def cpu_s(self) -> float:
        """Seconds of CPU that it used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def get(self, path: str) -> Any:
        """A page of it: JSON decoded, or text."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            is_json = answer.content_type == "application/json"
            return await (answer.json() if is_json else answer.text())


@asynccontextmanager
async def server(
    lab: Lab,
    command: Sequence[str],
    port: int,
    ready: str,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Server]:
    """Run `command`, which listens on `port`, while the block runs; `ready` answers 200 first."""
    log = lab.folder / f"{next(_numbers)}.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=file,
            stderr=file,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
    there = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        await _until_ready(there, ready)
        yield there
    finally:
        await there.stop()


async def _until_ready(there: Server, path: str) -> None:
    patience = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(timeout=patience) as session, asyncio.timeout(START_TIME):
        while there.process.returncode is None:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(there.url + path) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
    raise RuntimeError(f"did not start: {there.log.read_text()[-2000:]}")


@asynccontextmanager
async def gateway(
    lab: Lab, config: Mapping[str, Any], *flags: str, tasks_file: Path | None = None
) -> AsyncIterator[Server]:
    """`semsched serve` with this configuration; on SIGUSR2 it counts its tasks, if there is a
    file to write their number to."""
    path = lab.folder / f"gateway-{next(_numbers)}.toml"
    write_config(path, config)
    module = "bench.gateway.counted" if tasks_file else "semsched"
    port = free_port()
    command = [sys.executable, "-m", module, "serve", "--config", str(path)]
    told = {"TASKS_FILE": str(tasks_file)}
    async with server(lab, [*command, "--port", str(port), *flags], port, "/ready", told) as there:
        there.config = path
        yield there


@asynccontextmanager
async def engine(lab: Lab, **flags: float | str) -> AsyncIterator[Server]:
    """`semsched engine` with these flags."""
    port = free_port()
    told = [part for name, value in flags.items() for part in (f"--{_dashed(name)}", str(value))]
    command = [sys.executable, "-m", "semsched", "engine", "--port", str(port), *told]
    async with server(lab, command, port, "/health") as there:
        yield there


@asynccontextmanager
async def stub(lab: Lab) -> AsyncIterator[Server]:
    """A backend that costs next to nothing (stub.py)."""
    port = free_port()
    command = [sys.executable, "-m", "bench.gateway.stub", str(port)]
    async with server(lab, command, port, "/health") as there:
        yield there


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write tables and lists of tables as TOML, all at once."""
    new = path.with_suffix(".new")
    new.write_text("\n".join(_toml(config)) + "\n", "utf-8")
    new.replace(path)


def _toml(config: Mapping[str, Any]) -> list[str]:
    lines = ["[log]", 'level = "error"']
    for name, tables in config.items():
        head = f"[[{name}]]" if isinstance(tables, list) else f"[{name}]"
        for table in tables if isinstance(tables, list) else [tables]:
            lines.append(head)
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return lines
