"""Lost: whether every request has one end, whatever backends, clients and operators do; and
whether all that was decided meanwhile is decided again by a replay.

Three engines with faults of every kind, clients that hang up, a configuration that changes.
"""

import asyncio
import json
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from hashlib import sha256
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from semsched.request import CLASS_NAMES

from .figures import Figure, Lab, note
from .load import Ask, Told, chat, play
from .processes import Server, engine, gateway, write_config

RATE = 250.0
"""Requests per second; three engines and all else have two cores here."""

BURSTS = (1, 1, 1, 40)
"""Requests that come at once, nearly."""

NUM_RELOADS = 20
LEAVES = 0.17
"""Share of clients that mean to hang up; of ten of all one does, the others are answered first."""

FAULTS = {"error_rate": 0.02, "reset_rate": 0.01, "cut_rate": 0.01, "hang_rate": 0.01}
KEYS = {"alpha": "sk-alpha", "beta": "sk-beta", "gamma": "sk-gamma"}


class Counts(NamedTuple):
    """What the gateway has of others, when nobody is served."""

    tasks: int
    sockets: int


async def lost(lab: Lab) -> AsyncIterator[Figure]:
    """Requests without an end, with two, tasks and sockets left behind; parity of the replay."""
    num = 100_000 if lab.full else 20_000
    journal, tasks_file = lab.journal("lost"), lab.folder / "tasks"
    async with AsyncExitStack() as stack:
        engines = [
            await stack.enter_async_context(engine(lab, speed=10, fault_seed=seed, **FAULTS))
            for seed in range(3)
        ]
        config = _config(engines, 0)
        there = gateway(lab, config, "--journal", str(journal), tasks_file=tasks_file)
        front = await stack.enter_async_context(there)
        await play(_asks(front, 500, seed=1))
        before = await _settled(front, tasks_file)
        began_at = time.monotonic()
        told = await play(_asks(front, num, seed=0), partial(_reload, front, engines, num / RATE))
        note(f"{num} requests in {time.monotonic() - began_at:.0f} s")
        after = await _settled(front, tasks_file)
        page = await front.get("/metrics")
        status = await front.stop()
    for figure in _balance(journal, page, told, status):
        yield figure
    yield Figure("leaked_tasks", max(after.tasks - before.tasks, 0), "tasks", "== 0")
    yield Figure("leaked_sockets", max(after.sockets - before.sockets, 0), "sockets", "== 0")
    async for figure in parity(journal):
        yield figure


# --- what happens --------------------------------------------------------------------------------


def _config(engines: list[Server], version: int) -> dict[str, Any]:
    """Every version differs in what a reload may change: seats, limits, the policy."""
    backends = [
        {
            "url": server.url,
            "name": f"engine-{i}",
            "kind": "vllm",
            "seats": 4 + 2 * ((version + i) % 3),
            "reserve": version % 2,
            "first_byte_time": 2.0,
            "read_time": 5.0,
        }
        for i, server in enumerate(engines)
    ]
    keys = [
        {"tenant": name, "sha256": sha256(key.encode()).hexdigest(), "ceiling": 0}
        for name, key in KEYS.items()
    ]
    queue = {
        "policy": ("semantic", "aging", "pjf")[version % 3],
        "max_waiting": 60 + 30 * (version % 2),
        "max_wait": [5.0, 5.0, 2.0, 1.0, 0.5],
    }
    return {"backends": backends, "keys": keys, "queue": queue}


def _asks(front: Server, num: int, seed: int) -> list[Ask]:
    """Bursts, so that some have to wait; streams and whole answers; all classes and tenants."""
    rng = random.Random(seed)
    at = 0.0
    asks: list[Ask] = []
    while len(asks) < num:
        for _ in range(rng.choice(BURSTS)):
            asks.append(_ask(front, at, rng))
            at += rng.expovariate(RATE) * 0.2
        at += rng.expovariate(RATE) * 0.8 * fmean(BURSTS)
    return asks[:num]


def _ask(front: Server, at: float, rng: random.Random) -> Ask:
    tenant = rng.choice(tuple(KEYS))
    headers = {
        "authorization": f"Bearer {KEYS[tenant]}",
        "x-request-priority": rng.choice(CLASS_NAMES),
    }
    body = chat(
        f"What is {rng.random()}?",
        stream=rng.random() < 0.5,
        max_tokens=rng.randint(1, 12),
        ignore_eos=True,
    )
    leaves = 10 ** rng.uniform(-3.5, -0.3) if rng.random() < LEAVES else inf
    return Ask(at, front.url, body, headers, tenant, leaves)


async def _reload(front: Server, engines: list[Server], seconds: float, start: float) -> None:
    """Change the configuration again and again; tell the gateway, or let it see for itself."""
    for version in range(1, NUM_RELOADS + 1):
        await asyncio.sleep(seconds / (NUM_RELOADS + 1))
        write_config(front.config, _config(engines, version))
        if version % 2:
            front.signal(signal.SIGHUP)
    note(f"{NUM_RELOADS} reloads after {time.monotonic() - start:.0f} s")


async def _settled(front: Server, tasks_file: Path) -> Counts:
    """The fewest tasks and sockets that it has in some seconds in which nobody asks."""
    await _until(lambda: _is_idle(front), within=60.0)
    await asyncio.sleep(5.0)
    counts = [await _counts(front, tasks_file) for _ in range(30)]
    return Counts(min(each.tasks for each in counts), min(each.sockets for each in counts))


async def _counts(front: Server, tasks_file: Path) -> Counts:
    tasks_file.unlink(missing_ok=True)
    front.signal(signal.SIGUSR2)
    while not tasks_file.exists():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return Counts(int(tasks_file.read_text()), front.num_sockets())


async def _is_idle(front: Server) -> bool:
    page = await front.get("/metrics")
    return _total(page, "semsched_queue_size") + _total(page, "semsched_backend_in_flight") == 0


async def _until(holds: Callable[[], Awaitable[bool]], within: float) -> None:
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.1)


# --- what came of it -----------------------------------------------------------------------------


def _balance(journal: Path, page: str, told: list[Told], status: int) -> list[Figure]:
    """Accepted against ended, by the metrics, by the journal's rows and by the clients."""
    ids, ends = _rows(journal)
    accepted = int(_total(page, "semsched_classification_total"))
    ended = int(_total(page, "semsched_requests_total"))
    unanswered = sum(each.is_lost for each in told)
    note(f"accepted {accepted}; ended {ended}; rows {dict(ends)}; exit status {status}")
    note(f"clients: {sum(each.is_whole for each in told)} answered in full, {_errors(told)}")
    missing = abs(accepted - ended) + abs(accepted - len(set(ids))) + unanswered + (status != 0)
    return [
        Figure("lost_requests", missing, "requests", "== 0"),
        Figure("double_outcomes", len(ids) - len(set(ids)), "requests", "== 0"),
        Figure("lost_out_of", accepted, "requests"),
    ]


def _rows(journal: Path) -> tuple[list[int], Counter[str]]:
    ids, ends = [], Counter[str]()
    with journal.open("rb") as file:
        for line in file:
            if line.startswith(b'{"row"'):
                row = json.loads(line)["row"]
                ids.append(row["id"])
                ends[row["status"]] += 1
    return ids, ends


def _total(page: str, name: str) -> float:
    found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    return sum(map(float, found))


def _errors(told: list[Told]) -> dict[str, int]:
    left = sum(each.has_left for each in told)
    codes = Counter(each.error or "?" for each in told if not each.is_whole and not each.has_left)
    return {"left": left, **dict(codes.most_common())}


async def parity(journal: Path) -> AsyncIterator[Figure]:
    """The journal's decisions, made again by `semsched replay`."""
    command = [sys.executable, "-m", "semsched", "replay", str(journal)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    found = re.search(rb"(\d+) decisions in (\d+) acts replayed: (\d+) difference", said)
    if found is None:
        raise RuntimeError(f"{' '.join(command)}: {said.decode()[-1000:]}")
    yield Figure("parity_decisions", int(found[1]), "decisions", ">= 10000")
    yield Figure("parity_differences", int(found[3]), "decisions", "== 0")
