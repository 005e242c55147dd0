"""Gauges: how late the event loop is (the others are in test_metrics.py)."""

import asyncio
import time

from semsched.serve.gauges import LAG_EVERY, LoopLag


def test_a_step_that_holds_up_the_loop_is_seen() -> None:
    async def scene() -> float:
        lag = LoopLag()
        look = asyncio.create_task(lag.run())
        await asyncio.sleep(0)
        assert lag.worst == 0
        time.sleep(LAG_EVERY + 0.3)  # the slow step
        async with asyncio.timeout(10):
            while not lag.worst:
                await asyncio.sleep(0.01)
        look.cancel()
        return lag.worst

    assert 0.3 <= asyncio.run(scene()) < 5
