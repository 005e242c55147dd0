"""A changed configuration takes effect whole or not at all, under traffic, without a restart."""

import asyncio
import logging
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from semsched.serve import reload
from semsched.serve.config import load_config
from semsched.serve.keys import new_key
from tests.serve import process
from tests.serve.backend.peer import Peer, listening, whole
from tests.serve.faulty import CHAT, Faulty, answer_of, backends_of, says
from tests.serve.live import Live, ask
from tests.serve.live import serving as gateway
from tests.serve.process import Running, toml

DONE = "configuration reloaded"
Config = dict[str, Any]


PATIENT = {"connect_time": 10, "first_byte_time": 10}
"""A machine that halts for a second shall not look like an engine that is down."""


class Changing(NamedTuple):
    """A gateway whose file changes, and two engines; the first is in the file."""

    live: Live
    path: Path
    engines: list[Faulty]
    peers: list[Peer]
    caplog: pytest.LogCaptureFixture

    @property
    def said(self) -> list[str]:
        """What was logged of changes, a line each."""
        return [
            record.getMessage()
            for record in self.caplog.records
            if record.name == "semsched.serve.reload"
        ]

    def config(self, *places: int, **more: Any) -> Config:
        """A configuration with these engines."""
        tables = backends_of(self.peers, **PATIENT)
        return {"backends": [tables[place] for place in places], **more}

    def write(self, text: str) -> None:
        """Replace the file at once, as editors and Kubernetes do."""
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)

    async def change(self, config: Config) -> None:
        """Write it and wait until it took effect."""
        num = self.said.count(DONE)
        self.write(toml(config))
        await self.live.until(lambda: self.said.count(DONE) > num)

    async def fail_to_change(self) -> str:
        """Wait until a change is refused; says in what words: exactly one line."""
        num = len(self.said)
        await self.live.until(lambda: len(self.said) > num)
        await asyncio.sleep(0.1)  # long enough for more lines than one
        [line] = self.said[num:]
        assert line.startswith("configuration not changed: ")
        return line

    async def ask(self, key: str = "", **more: Any) -> tuple[int, dict[str, str]]:
        """Status and headers of an answer."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with self.live.http.post(CHAT, json=ask(**more), headers=headers) as answer:
            await answer.read()
            return answer.status, {name.lower(): v for name, v in answer.headers.items()}


def play(
    scene: Callable[[Changing], Awaitable[None]],
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    *engines: Faulty,
) -> None:
    """Play the scene; looks at the file come often, and nothing may be left running."""
    both = list(engines) or [Faulty(), Faulty()]
    path = folder / "gateway.toml"

    async def act() -> None:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(listening(engine)) for engine in both]
            path.write_text(toml({"backends": backends_of(peers, **PATIENT)[:1]}))
            serving = gateway(path=path, read=lambda: load_config(path))
            live = await stack.enter_async_context(serving)
            await scene(Changing(live, path, both, peers, caplog))
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    caplog.set_level(logging.INFO, "semsched")
    with patch.object(reload, "LOOK_EVERY", 0.02):
        asyncio.run(act())


Caplog = pytest.LogCaptureFixture


# --- what takes effect ---------------------------------------------------------------------------


def test_keys_come_and_go(tmp_path: Path, caplog: Caplog) -> None:
    async def scene(there: Changing) -> None:
        key, digest = new_key()
        assert (await there.ask())[0] == 200
        mine = {"tenant": "clinic", "ceiling": 1, "sha256": digest}
        await there.change(there.config(0, keys=[mine]))
        assert (await there.ask())[0] == 401
        status, headers = await there.ask(key, priority=0)
        assert (status, headers["x-semsched-class"]) == (200, "urgent")
        await there.change(there.config(0, keys=[{**mine, "ceiling": 3}]))
        assert (await there.ask(key, priority=0))[1]["x-semsched-class"] == "low"
        there.write(toml(there.config(0)))
        assert "keys" in await there.fail_to_change(), "nothing opens it to everybody by accident"
        assert (await there.ask())[0] == 401

    play(scene, tmp_path, caplog)


def test_limits_seats_policy_and_rules_change(tmp_path: Path, caplog: Caplog) -> None:
    async def scene(there: Changing) -> None:
        config = there.config(0)
        config["backends"][0]["seats"] = 3
        config["queue"] = {"policy": "edf", "max_waiting": 7, "max_wait": 9.0}
        await there.change(config)
        service = there.live.gateway.service
        await there.live.until(lambda: service.fleet.num_up == 1)
        dispatcher = service.desk.dispatcher
        assert dispatcher.ledger["b0"].capacity.seats == 3
        assert dispatcher.limits.max_waiting == 7
        assert service.admission.policy_name == "edf"
        assert service.admission.max_wait == (9.0,) * 5
        assert (await there.ask())[0] == 200

    play(scene, tmp_path, caplog)


def test_an_engine_that_was_taken_out_finishes_what_it_was_given(
    tmp_path: Path, caplog: Caplog
) -> None:
    slow = says(b"", whole(answer_of("well")), gap=0.4)

    async def scene(there: Changing) -> None:
        asked = [asyncio.create_task(there.ask()) for _ in range(10)]  # two of them wait
        await there.live.until(lambda: len(there.engines[0].heard) == 8)
        await there.change(there.config(1))
        answers = Counter(
            (status, said["x-semsched-backend"]) for status, said in [await one for one in asked]
        )
        assert answers == {(200, "b0"): 8, (200, "b1"): 2}
        assert [backend.name for backend in there.live.gateway.service.fleet] == ["b1"]
        assert (await there.ask())[1]["x-semsched-backend"] == "b1"
        await there.change(there.config(0, 1))
        await there.live.until(lambda: there.live.gateway.service.fleet.num_up == 2)
        assert (await there.ask())[1]["x-semsched-backend"] == "b0"

    play(scene, tmp_path, caplog, Faulty(slow), Faulty())


def test_one_that_fails_after_it_was_taken_out_is_made_up_for(
    tmp_path: Path, caplog: Caplog
) -> None:
    async def scene(there: Changing) -> None:
        asked = asyncio.create_task(there.ask())
        await there.live.until(lambda: there.engines[0].heard)
        await there.change(there.config(1))
        await there.peers[0].stop()
        assert (await asked)[1]["x-semsched-backend"] == "b1"

    async def waits(call: Any) -> None:
        await call.gone()

    play(scene, tmp_path, caplog, Faulty(waits), Faulty())


def test_what_needs_a_restart_is_said(tmp_path: Path, caplog: Caplog) -> None:
    async def scene(there: Changing) -> None:
        await there.change(there.config(0, server={"port": 1}, journal={"path": "/tmp/x"}))  # noqa: S108
        assert [line for line in there.said if "restart" in line] == [
            "[server] changed: takes effect after a restart",
            "[journal] changed: takes effect after a restart",
        ]

    play(scene, tmp_path, caplog)


# --- what does not -------------------------------------------------------------------------------

BAD = {
    "no TOML": "[queue\n",
    "unknown key": "[queue]\npolice = 1\n",
    "wrong value": '[queue]\npolicy = "best"\n',
    "no such policy": '[queue]\npolicy = "nowhere.to.be:found"\n',
    "policy that breaks": '[queue]\npolicy = "this:s"\n',
    "no UTF-8": "# \udcff\n",
    "NUL": "\0",
    "no key of a backend": '[[backends]]\nurl = "http://127.0.0.1:1"\napi_key_env = "NO_SUCH_1"\n',
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_changes_nothing(name: str, tmp_path: Path, caplog: Caplog) -> None:
    async def scene(there: Changing) -> None:
        new = there.path.with_suffix(".new")
        new.write_bytes(BAD[name].encode("utf-8", "surrogateescape"))
        new.replace(there.path)
        await there.fail_to_change()
        status, said = await there.ask()
        assert (status, said["x-semsched-backend"]) == (200, "b0")
        await there.change(there.config(1))
        await there.live.until(lambda: there.live.gateway.service.fleet.num_up)
        assert (await there.ask())[1]["x-semsched-backend"] == "b1"

    play(scene, tmp_path, caplog)


def test_a_file_that_is_gone_or_no_file_changes_nothing(tmp_path: Path, caplog: Caplog) -> None:
    async def scene(there: Changing) -> None:
        text = there.path.read_text()
        there.path.unlink()
        assert str(there.path) in await there.fail_to_change()
        there.path.mkdir()  # what cannot be read, even by root
        assert "directory" in (await there.fail_to_change()).lower()
        there.path.rmdir()
        await there.fail_to_change()
        assert (await there.ask())[0] == 200
        num = there.said.count(DONE)
        there.write(text)
        await there.live.until(lambda: there.said.count(DONE) == num + 1)

    play(scene, tmp_path, caplog)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_changes_nothing(tmp_path: Path, caplog: Caplog) -> None:
    async def scene(there: Changing) -> None:
        there.path.chmod(0)
        os.utime(there.path)
        assert "ermission" in await there.fail_to_change()

    play(scene, tmp_path, caplog)


# --- under traffic -------------------------------------------------------------------------------


def test_twenty_changes_under_traffic_lose_nothing(tmp_path: Path, caplog: Caplog) -> None:
    async def scene(there: Changing) -> None:
        statuses: Counter[int] = Counter()

        async def traffic() -> None:
            while there.said.count(DONE) < 20:
                statuses[(await there.ask())[0]] += 1

        clients = [asyncio.create_task(traffic()) for _ in range(20)]
        for turn in range(20):
            queue = {"policy": ("sjf", "semantic", "fcfs")[turn % 3], "max_waiting": 50 + turn}
            places = ((0,), (0,), (0, 1), (1,), (1, 0), (0, 1))[turn % 6]
            config = there.config(*places, queue=queue)
            config["backends"][0]["seats"] = 1 + turn % 5
            await there.change(config)
        await asyncio.gather(*clients)
        assert set(statuses) == {200}, statuses
        assert statuses[200] > 100

    slow = says(b"", whole(answer_of("well")), gap=0.01)
    play(scene, tmp_path, caplog, Faulty(slow), Faulty(slow))


def test_a_process_reads_its_file_again_when_it_is_told(tmp_path: Path) -> None:
    async def scene(there: Running) -> None:
        running = asyncio.create_task(there.stream("before", 80))
        await there.until(lambda queue: queue["num_running"])
        config = {"server": {"port": 0, "grace_time": 5}, "queue": {"policy": "fcfs"}}
        there.path.write_text(toml(config))
        there.signal(signal.SIGHUP)
        async with asyncio.timeout(5):
            while DONE not in there.errors:
                await asyncio.sleep(0.02)
        assert (await running)[2]
        there.signal(signal.SIGTERM)
        assert await there.ended() == 0

    async def act() -> None:
        async with process.serving(tmp_path, {}) as there:
            await scene(there)

    asyncio.run(act())
