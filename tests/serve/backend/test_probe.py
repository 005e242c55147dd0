"""A backend's health over real sockets: who is ejected when, who comes back, and that nothing
is left behind."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest

from semsched.serve.backend.adapter import Kind
from semsched.serve.backend.probe import Pace, Probe
from semsched.serve.backend.reading import Reading
from tests.serve.backend.peer import Call, Scene, play, until, whole

QUICK = Pace(health=0.01, metrics=0.01, answer=0.1)
ONCE = Pace(health=60, metrics=60, answer=0.1)

PAGE = b"vllm:num_requests_running 2\nvllm:num_requests_waiting 1\nvllm:kv_cache_usage_perc 0.5\n"


T = TypeVar("T")


def following(row: list[T]) -> T:
    """The next of them; the last one again and again."""
    return row.pop(0) if len(row) > 1 else row[0]


@dataclass
class Engine:
    """Answers what it is told to, the last thing for ever after."""

    health: list[int | str]
    pages: list[bytes] = field(default_factory=lambda: [PAGE])
    asked: list[str] = field(default_factory=list)

    async def __call__(self, call: Call) -> None:
        while request := await call.request():
            path = request.split(b" ")[1].decode()
            self.asked.append(path)
            if path == "/metrics":
                await call.send(whole(following(self.pages)))
            elif not await self._answer(call, following(self.health)):
                return

    async def _answer(self, call: Call, how: int | str) -> bool:
        match how:
            case "hang":
                await call.gone()
            case "reset":
                call.reset()
            case "drip":
                with suppress(ConnectionError):
                    await call.send(*[b"x"] * 99, gap=0.02)
            case _:
                await call.send(whole(b"", f"{how} Status"))
                return True
        return False

    def has_had(self, num_checks: int) -> bool:
        return self.num_checks == num_checks

    @property
    def num_checks(self) -> int:
        return sum(path != "/metrics" for path in self.asked)


@dataclass
class Watched:
    """What a probe has told."""

    probe: Probe
    scene: Scene
    said: list[tuple[bool, str]]
    readings: list[Reading]
    num_heard: int = 0

    async def says(self, is_up: bool) -> str:
        """Wait until it says something new, which must be this, and return why."""
        await until(lambda: len(self.said) > self.num_heard)
        heard, why = self.said[self.num_heard]
        assert heard == is_up
        self.num_heard += 1
        return why


def watch(
    engine: Engine,
    scene: Callable[[Watched], Awaitable[None]],
    *,
    kind: Kind = "vllm",
    pace: Pace = QUICK,
    chance: Callable[[], float] = lambda: 0.5,
    path: str | None = None,
) -> list[int]:
    """Play the scene; says how many checks there had been when health changed."""
    changed_at: list[int] = []

    async def run(there: Scene) -> None:
        said: list[tuple[bool, str]] = []
        readings: list[Reading] = []

        def on_health(is_up: bool, why: str) -> None:
            said.append((is_up, why))
            changed_at.append(engine.num_checks)

        probe = Probe(
            *(kind, there.upstream, on_health, readings.append),
            path=path,
            pace=pace,
            chance=chance,
        )
        task = asyncio.create_task(probe.run())
        try:
            await scene(Watched(probe, there, said, readings))
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    play(engine, run)
    return changed_at


# --- health --------------------------------------------------------------------------------------


def test_the_first_good_check_makes_it_up_and_it_stays_so() -> None:
    engine = Engine([200])

    async def scene(there: Watched) -> None:
        await until(lambda: engine.num_checks > 5)
        assert there.said == [(True, "/health: status 200")]

    watch(engine, scene)


def test_the_first_bad_check_makes_it_down() -> None:
    async def scene(there: Watched) -> None:
        assert await there.says(False) == "/health: status 503"

    watch(Engine([503]), scene, pace=ONCE)


def test_three_failures_in_a_row_eject_and_two_good_checks_bring_back() -> None:
    engine = Engine([200, 500, 500, 200, 500, 500, 500, 200, 500, 200, 200, 200])

    async def scene(there: Watched) -> None:
        await until(lambda: engine.num_checks > 14)
        assert [is_up for is_up, _ in there.said] == [True, False, True]

    assert watch(engine, scene) == [1, 7, 11]


@pytest.mark.parametrize("how", ["hang", "reset", "drip", 404, 500, 401, 302])
def test_every_way_to_fail_is_one(how: int | str) -> None:
    async def scene(there: Watched) -> None:
        await there.says(True)
        assert "/health" in await there.says(False)
        await there.says(True)

    watch(Engine([200, *[how] * 6, 200]), scene)  # aiohttp asks twice if it is reset


def test_a_backend_that_is_not_there_is_down_until_it_is() -> None:
    async def scene(there: Watched) -> None:
        await there.says(True)
        await there.scene.peer.stop()
        assert "Connect" in await there.says(False)

    watch(Engine([200]), scene)


def test_a_backend_that_is_busy_with_others_is_there() -> None:
    async def scene(there: Watched) -> None:
        assert await there.says(True) == "/health: status 429"

    watch(Engine([429]), scene, pace=ONCE)


# --- what live traffic says ----------------------------------------------------------------------


def test_a_failed_request_is_looked_into_at_once() -> None:
    engine = Engine([200])

    async def scene(there: Watched) -> None:
        await there.says(True)
        for num_checks in (2, 3, 4, 5):
            there.probe.alarm(is_gone=False)
            await until(partial(engine.has_had, num_checks))
        await asyncio.sleep(0.05)
        assert engine.num_checks == 5
        assert len(there.said) == 1

    watch(engine, scene, pace=ONCE)


def test_two_failed_connections_and_a_failed_check_eject() -> None:
    engine = Engine([200, 500])

    async def scene(there: Watched) -> None:
        await there.says(True)
        there.probe.alarm(is_gone=True)
        there.probe.alarm(is_gone=True)
        assert len(there.said) == 1
        assert await there.says(False) == "/health: status 500"
        assert engine.num_checks == 2

    watch(engine, scene, pace=ONCE)


def test_many_failed_connections_at_once_need_no_check() -> None:
    async def scene(there: Watched) -> None:
        await there.says(True)
        for _ in range(10):
            there.probe.alarm(is_gone=True)
        assert there.said[1:] == [(False, "no connection")]

    watch(Engine([200]), scene, pace=ONCE)


def test_requests_that_make_it_fail_do_not_eject_one_that_is_well() -> None:
    engine = Engine([200])

    async def scene(there: Watched) -> None:
        await there.says(True)
        for _ in range(10):
            there.probe.alarm(is_gone=False)
        await until(partial(engine.has_had, 2))
        assert len(there.said) == 1

    watch(engine, scene, pace=ONCE)


# --- hosted APIs ---------------------------------------------------------------------------------


def test_a_hosted_api_without_health_is_asked_for_its_models() -> None:
    engine = Engine([404, 200])

    async def scene(there: Watched) -> None:
        assert await there.says(True) == "/v1/models: status 200"
        await until(lambda: len(engine.asked) > 4)
        assert engine.asked[:4] == ["/health", "/v1/models", "/v1/models", "/v1/models"]
        assert there.readings == []

    watch(engine, scene, kind="openai")


def test_one_that_has_neither_is_down() -> None:
    async def scene(there: Watched) -> None:
        assert await there.says(False) == "/v1/models: status 404"

    watch(Engine([404]), scene, kind="openai")


@pytest.mark.parametrize("kind", ["openai", "vllm"])
def test_one_that_was_told_where_to_look_looks_nowhere_else(kind: Kind) -> None:
    engine = Engine([404])

    async def scene(there: Watched) -> None:
        assert await there.says(False) == "/health/readiness: status 404"
        await until(lambda: len(engine.asked) > 4)
        assert set(engine.asked) <= {"/health/readiness", "/metrics"}

    watch(engine, scene, kind=kind, path="/health/readiness")


# --- metrics -------------------------------------------------------------------------------------


def test_readings_go_on_and_nonsense_is_none() -> None:
    later = PAGE.replace(b"running 2", b"running 3")
    engine = Engine([200], [PAGE, b"\xff\xfe", b"", b"x" * 9 * 2**20, b"{}", later])

    async def scene(there: Watched) -> None:
        await until(lambda: len(there.readings) > 2)
        first, *rest = there.readings
        assert first == Reading(2, 1, 0.5, None, 0)
        assert {reading.num_running for reading in rest} == {3}
        assert await there.says(True)

    watch(engine, scene)


def test_an_engine_may_be_ill_and_still_say_how_it_is() -> None:
    async def scene(there: Watched) -> None:
        await there.says(False)
        await until(lambda: len(there.readings) > 2)

    watch(Engine([503]), scene)


# --- pace ----------------------------------------------------------------------------------------


def test_checks_are_spread_by_a_tenth() -> None:
    times: list[float] = []

    def chance() -> float:
        times.append(asyncio.get_running_loop().time())
        return 1.0

    async def scene(_: Watched) -> None:
        await until(lambda: len(times) > 3)
        gaps = [late - early for early, late in pairwise(times)]
        assert min(gaps) >= 0.1 * 1.1 - 0.002  # the clock's grain

    watch(Engine([200]), scene, kind="openai", pace=QUICK._replace(health=0.1), chance=chance)


def test_it_can_be_cancelled_at_any_step() -> None:
    async def scene(there: Scene) -> None:
        for steps in range(40):
            probe = Probe("vllm", there.upstream, lambda *_: None, lambda _: None, pace=QUICK)
            task = asyncio.create_task(probe.run())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await there.session.close()
        await there.all_closed()

    play(Engine([200]), scene)
