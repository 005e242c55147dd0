import asyncio

import pytest

from semsched.engine import WallClock
from semsched.engine.clock import MAX_LAG


@pytest.mark.parametrize("speed", [1.0, 50.0])
def test_it_runs_as_fast_as_asked(speed: float) -> None:
    async def play() -> float:
        clock = WallClock(speed)
        began_at = asyncio.get_running_loop().time()
        assert await clock.sleep_until(clock.now() + 0.1 * speed) >= 0.1 * speed
        return asyncio.get_running_loop().time() - began_at

    assert asyncio.run(play()) == pytest.approx(0.1, abs=0.03)


def test_who_is_a_little_late_goes_on_from_where_it_should_be() -> None:
    clock = WallClock(1000)
    late = clock.now() - MAX_LAG / 2 * 1000
    assert asyncio.run(clock.sleep_until(late)) == late


def test_who_is_far_behind_goes_on_from_now() -> None:
    clock = WallClock()
    assert asyncio.run(clock.sleep_until(-1.0)) >= 0.0


def test_others_run_even_if_nothing_is_left_to_sleep() -> None:
    async def play() -> bool:
        clock, others = WallClock(), asyncio.Event()
        asyncio.get_running_loop().call_soon(others.set)
        await clock.sleep_until(clock.now())
        return others.is_set()

    assert asyncio.run(play())


def test_it_waits_until_woken() -> None:
    async def play() -> None:
        woken = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, woken.set)
        await WallClock().wait(woken)

    asyncio.run(play())
