import asyncio
from collections.abc import Callable

from semsched.web.timer import Timer


def rung(play: Callable[[Timer], None], within: float = 0.05) -> tuple[int, bool]:
    """How often it rang by then, and whether it is still set."""

    async def scene() -> tuple[int, bool]:
        calls: list[None] = []
        timer = Timer(asyncio.get_running_loop(), lambda: calls.append(None))
        play(timer)
        await asyncio.sleep(within)
        return len(calls), timer.is_set

    return asyncio.run(scene())


def test_it_rings_once() -> None:
    assert rung(lambda timer: timer.set(0.001)) == (1, False)


def test_not_before_its_time_nor_unless_it_is_set() -> None:
    assert rung(lambda timer: timer.set(60)) == (0, True)
    assert rung(lambda _: None) == (0, False)


def test_not_if_it_was_stopped() -> None:
    def play(timer: Timer) -> None:
        timer.set(0.001)
        timer.stop()
        timer.stop()

    assert rung(play) == (0, False)


def test_set_again_it_forgets_the_earlier_time() -> None:
    def play(timer: Timer) -> None:
        timer.set(0.001)
        timer.set(60)

    assert rung(play) == (0, True)


def test_it_may_be_set_by_what_it_calls() -> None:
    async def scene() -> int:
        calls: list[None] = []

        def again() -> None:
            calls.append(None)
            if len(calls) < 3:
                timer.set(0.001)

        timer = Timer(asyncio.get_running_loop(), again)
        timer.set(0.001)
        await asyncio.sleep(0.1)
        assert not timer.is_set
        return len(calls)

    assert asyncio.run(scene()) == 3
