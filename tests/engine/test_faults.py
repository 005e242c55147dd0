import asyncio
from collections import Counter
from typing import Any

import aiohttp
import openai
import pytest
from pydantic import ValidationError

from semsched.engine.faults import LATEST_CUT, FaultBox, Faults
from tests.engine.live import ASK, Live, live

CHAT = "/v1/chat/completions"
SHORT = ASK | {"max_tokens": 20}


def test_without_rates_nothing_happens() -> None:
    box = FaultBox(Faults())
    assert {box.next().kind for _ in range(100)} == {"none"}


def test_rates_are_shares_of_requests() -> None:
    box = FaultBox(Faults(error_rate=0.1, hang_rate=0.2, reset_rate=0.3, cut_rate=0.4))
    found = Counter(box.next().kind for _ in range(5000))
    assert found == pytest.approx({"error": 500, "hang": 1000, "reset": 1500, "cut": 2000}, rel=0.1)


def test_the_same_seed_hits_the_same_requests() -> None:
    def kinds(seed: int) -> list[Any]:
        box = FaultBox(Faults(error_rate=0.5, cut_rate=0.5, fault_seed=seed))
        return [box.next() for _ in range(50)]

    assert kinds(1) == kinds(1) != kinds(2)
    assert {fault.cut_after for fault in kinds(1)} <= set(range(1, LATEST_CUT + 1))


def test_a_new_setting_begins_anew() -> None:
    faults = Faults(error_rate=0.5)
    box = FaultBox(faults)
    first = [box.next() for _ in range(20)]
    box.set(faults)
    assert [box.next() for _ in range(20)] == first


@pytest.mark.parametrize(
    "wrong",
    [{"error_rate": -0.1}, {"cut_rate": 1.1}, {"error_rate": 0.6, "cut_rate": 0.6}, {"rate": 0.0}],
)
def test_what_makes_no_sense_is_an_error(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Faults.model_validate(wrong)


# --- what clients see of them ------------------------------------------------------------------


def test_an_error_is_a_500() -> None:
    async def scene(live: Live) -> None:
        messages: Any = ASK["messages"]
        with pytest.raises(openai.InternalServerError) as caught:
            await live.openai.chat.completions.create(model="m", messages=messages)
        assert caught.value.code == "injected_fault"
        assert live.engine.stats.submitted == 0

    live(scene, faults=Faults(error_rate=1))


def test_a_hang_never_answers_and_ends_with_its_client() -> None:
    async def scene(live: Live) -> None:
        with pytest.raises(TimeoutError):
            await live.http.post(CHAT, json=SHORT, timeout=aiohttp.ClientTimeout(0.2))

    live(scene, faults=Faults(hang_rate=1))


def test_a_reset_is_a_reset() -> None:
    async def scene(live: Live) -> None:
        with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
            await live.http.post(CHAT, json=SHORT)

    live(scene, faults=Faults(reset_rate=1))


def test_a_cut_stream_ends_after_some_tokens_and_frees_its_seat() -> None:
    async def scene(live: Live) -> None:
        async with live.http.post(
            CHAT, json=ASK | {"max_tokens": 4000, "stream": True}
        ) as response:
            seen, end = await _read_to_the_end(response)
            assert isinstance(end, aiohttp.ClientPayloadError)
            assert 1 <= seen.count(b"data: ") - 1 <= LATEST_CUT
            assert b"[DONE]" not in seen
        await live.settled(within=0.1)

    live(scene, faults=Faults(cut_rate=1), speed=1)


async def _read_to_the_end(response: aiohttp.ClientResponse) -> tuple[bytes, Exception | None]:
    seen = b""
    try:
        while data := await response.content.readany():
            seen += data
    except aiohttp.ClientError as error:
        return seen, error
    return seen, None


def test_a_cut_whole_answer_lacks_its_end() -> None:
    async def scene(live: Live) -> None:
        async with live.http.post(CHAT, json=SHORT) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

    live(scene, faults=Faults(cut_rate=1))


@pytest.mark.parametrize("stream", [True, False])
def test_slow_bytes_take_their_time(stream: bool) -> None:
    async def scene(live: Live) -> None:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        async with live.http.post(CHAT, json=SHORT | {"stream": stream}) as response:
            await response.read()
        assert loop.time() - began_at >= 20 * 0.01

    live(scene, faults=Faults(slow_bytes=0.01))


@pytest.mark.parametrize("stream", [True, False])
def test_whoever_leaves_a_slow_answer_is_not_waited_for(stream: bool) -> None:
    async def scene(live: Live) -> None:
        body = SHORT | {"stream": stream}
        with pytest.raises(TimeoutError):
            await live.http.post(CHAT, json=body, timeout=aiohttp.ClientTimeout(0.3))
        await live.settled(within=0.1)

    live(scene, faults=Faults(slow_bytes=60))


def test_faults_are_set_while_it_runs() -> None:
    async def scene(live: Live) -> None:
        async def status() -> int:
            async with live.http.post(CHAT, json=SHORT) as response:
                return response.status

        assert await status() == 200
        async with live.http.post("/admin/faults", json={"error_rate": 1}) as response:
            assert (await response.json())["error_rate"] == 1
        assert await status() == 500
        async with live.http.get("/admin/faults") as response:
            assert (await response.json())["error_rate"] == 1
        async with live.http.post("/admin/faults", json={}) as response:
            assert response.status == 200
        assert await status() == 200

    live(scene)
