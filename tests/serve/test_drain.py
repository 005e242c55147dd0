"""The end of a real process: what is under way is finished, what is written is whole."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from semsched.serve.replay import replay
from tests.serve.faulty import DONE
from tests.serve.live import ask
from tests.serve.process import Running, replayed, serving

ONE_SEAT = {"max_num_seqs": 1, "preemption": "off", "speed": 1.0}


def play(
    folder: Path, scene: Callable[[Running], Awaitable[None]], **config: dict[str, Any]
) -> None:
    """Play the scene with a process that keeps a journal."""

    async def act() -> None:
        tables = {"engine": ONE_SEAT, "journal": {"path": str(folder / "day.jsonl")}, **config}
        async with serving(folder, tables) as there:
            await scene(there)

    asyncio.run(act())


async def busy(there: Running, num_waiting: int, max_tokens: int) -> list[asyncio.Task[Any]]:
    """A stream under way at the only seat, and others behind it."""
    tasks = [asyncio.create_task(there.stream("first", max_tokens, priority=0))]
    await there.until(lambda queue: queue["num_running"] == 1)
    tasks += [asyncio.create_task(there.stream(f"{i}", 3)) for i in range(num_waiting)]
    await there.until(lambda queue: queue["num_waiting"] == num_waiting)
    return tasks


@pytest.mark.parametrize("numbers", [[signal.SIGTERM] * 2, [signal.SIGINT]], ids=["TERM", "INT"])
def test_told_to_stop_it_finishes_what_it_was_given(
    tmp_path: Path, numbers: list[signal.Signals]
) -> None:
    """It has patience with those who ask politely again."""

    async def scene(there: Running) -> None:
        tasks = await busy(there, num_waiting=3, max_tokens=60)
        for number in numbers:
            there.signal(number)
            await refuses(there)
        for status, said, is_whole in await asyncio.gather(*tasks):
            assert (status, is_whole) == (200, True)
            assert said.endswith(DONE)
        assert await there.ended() == 0
        assert "Traceback" not in there.errors

    play(tmp_path, scene)
    rows = replayed(tmp_path / "day.jsonl").rows
    assert [row.status for row in rows] == ["finished"] * 4


async def refuses(there: Running) -> None:
    """Return when nobody can connect."""
    async with asyncio.timeout(3), aiohttp.ClientSession(there.url) as http:
        while True:
            try:
                async with http.get("/health"):
                    await asyncio.sleep(0.02)
            except aiohttp.ClientConnectorError:
                return


def test_when_the_grace_is_over_streams_end_with_an_error_and_waiters_are_told(
    tmp_path: Path,
) -> None:
    async def scene(there: Running) -> None:
        first, *others = await busy(there, num_waiting=2, max_tokens=4000)
        there.signal(signal.SIGTERM)
        status, said, is_whole = await first
        assert (status, is_whole) == (200, True)
        assert DONE not in said
        last = said.split(b"\n\n")[-2]
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "shutting_down"
        for status, said, _ in await asyncio.gather(*others):
            assert (status, json.loads(said)["error"]["code"]) == (503, "shutting_down")
        assert await there.ended() == 0
        assert "Traceback" not in there.errors

    play(tmp_path, scene, server={"port": 0, "grace_time": 1})
    codes = {row.code for row in replayed(tmp_path / "day.jsonl").rows}
    assert codes == {"shutting_down"}


def test_interrupted_twice_it_stops_at_once_and_loses_no_line(tmp_path: Path) -> None:
    async def scene(there: Running) -> None:
        tasks = await busy(there, num_waiting=1, max_tokens=2000)
        for _ in range(2):
            there.signal(signal.SIGINT)
            await asyncio.sleep(0.2)
        assert await there.ended(within=3) == 0
        await asyncio.gather(*tasks)

    play(tmp_path, scene)
    codes = [row.code for row in replayed(tmp_path / "day.jsonl").rows]
    assert codes == ["shutting_down"] * 2


def test_killed_it_leaves_a_journal_that_can_be_read(tmp_path: Path) -> None:
    async def scene(there: Running) -> None:
        await asyncio.gather(*(there.stream(f"{i}", 2) for i in range(20)))
        await asyncio.sleep(1.5)  # longer than between two flushes
        tasks = await busy(there, num_waiting=2, max_tokens=500)
        there.process.kill()
        await there.ended()
        assert not any(is_whole for _, _, is_whole in await asyncio.gather(*tasks))

    play(tmp_path, scene)
    result = replay(tmp_path / "day.jsonl")
    assert result.differences == []
    assert len(result.rows) == 20


def test_what_was_learned_outlives_it(tmp_path: Path) -> None:
    state = tmp_path / "lengths.json"

    async def learn(there: Running) -> None:
        assert not state.exists()
        for _ in range(10):
            await there.stream("Please translate this", 40)
        there.signal(signal.SIGTERM)
        assert await there.ended() == 0
        assert state.stat().st_size > 100

    async def remember(there: Running) -> None:
        async with there.http.post("/v1/chat/completions", json=ask("translate", 40)) as answer:
            assert answer.status == 200
        there.signal(signal.SIGTERM)
        assert await there.ended() == 0
        assert "cannot" not in there.errors

    engine = {"speed": 200.0}
    play(tmp_path, learn, engine=engine, length={"state": str(state)})
    first = state.read_bytes()
    play(tmp_path, remember, engine=engine, length={"state": str(state)})
    assert state.read_bytes() != first, "it went on where it had stopped"
