import asyncio
import signal

import aiohttp

from semsched.web.limits import Limits
from semsched.web.server import listen, running
from tests.web.peers import App


def test_a_server_beside_others_is_deaf_to_signals_and_ends_with_its_block() -> None:
    async def play() -> None:
        before = signal.getsignal(signal.SIGTERM)
        app = App(Limits())
        with listen("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with running(app, listener, Limits(), grace_time=1):
                assert signal.getsignal(signal.SIGTERM) == before
                async with aiohttp.request("POST", url, data=b"hi") as response:
                    assert await response.read() == b"hi"
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    asyncio.run(play())
