import asyncio
import json
from typing import Any

import aiohttp
import openai
import pytest
from starlette.types import Message

from semsched.engine import Job
from semsched.web.failure import Header
from tests.engine.live import ASK, Live, live, read_events

CHAT = "/v1/chat/completions"


# --- OpenAI's own client -----------------------------------------------------------------------


def test_a_chat_answer_streams() -> None:
    async def scene(live: Live) -> None:
        stream = await live.openai.chat.completions.create(
            model="any-name",
            messages=[{"role": "user", "content": "hello"}],
            max_tokens=7,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"ignore_eos": True},
        )
        chunks = [chunk async for chunk in stream]
        assert {chunk.model for chunk in chunks} == {"any-name"}
        assert len({chunk.id for chunk in chunks}) == 1
        opening, *middle, closing, usage = chunks
        assert opening.choices[0].delta.role == "assistant"
        assert [bool(chunk.choices[0].delta.content) for chunk in middle] == [True] * 7
        assert closing.choices[0].finish_reason == "length"
        assert usage.usage is not None
        assert (usage.usage.prompt_tokens, usage.usage.completion_tokens) == (1, 7)

    live(scene)


def test_a_chat_answer_comes_whole_and_is_the_one_that_streams() -> None:
    async def scene(live: Live) -> None:
        messages: Any = [
            {"role": "system", "content": "Be brief. " * 40},
            {"role": "user", "content": [{"type": "text", "text": "Is it raining?"}]},
        ]
        whole = await live.openai.chat.completions.create(model="m", messages=messages)
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert whole.usage.prompt_tokens == 103
        text = whole.choices[0].message.content or ""
        assert len(text.split()) == whole.usage.completion_tokens
        stream = await live.openai.chat.completions.create(
            model="m", messages=messages, stream=True
        )
        deltas = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(deltas) == text

    live(scene, speed=1000)


def test_a_bare_prompt_is_completed() -> None:
    async def scene(live: Live) -> None:
        ask: Any = {"model": "m", "max_tokens": 3, "extra_body": {"min_tokens": 3}}
        for prompt in ("Once upon a time", ["Once upon a time"], [1, 2, 3, 4]):
            whole = await live.openai.completions.create(prompt=prompt, **ask)
            assert len(whole.choices[0].text.split()) == 3
            assert whole.choices[0].finish_reason == "length"
            assert whole.usage is not None
            assert whole.usage.prompt_tokens == 4
        stream = await live.openai.completions.create(prompt="Once", stream=True, **ask)
        texts = [chunk.choices[0].text async for chunk in stream]
        assert [bool(text) for text in texts] == [True, True, True, False]

    live(scene)


def test_models_health_and_version() -> None:
    async def scene(live: Live) -> None:
        models = await live.openai.models.list()
        assert [model.id for model in models.data] == ["A100_4B"]
        async with live.http.get("/health") as health:
            assert health.status == 200
        async with live.http.get("/version") as version:
            assert "version" in await version.json()

    live(scene)


def test_max_completion_tokens_wins() -> None:
    async def scene(live: Live) -> None:
        body = ASK | {"max_tokens": 9, "max_completion_tokens": 2}
        async with live.http.post(CHAT, json=body) as response:
            assert (await response.json())["usage"]["completion_tokens"] == 2

    live(scene)


def test_numbers_may_be_written_as_text_and_texts_stay_texts() -> None:
    async def scene(live: Live) -> None:
        odd = {"max_tokens": "3", "priority": "7", "prompt": "null", "ignore_eos": True}
        async with live.http.post("/v1/completions", json=odd) as response:
            assert (await response.json())["usage"]["completion_tokens"] == 3

    live(scene)


def test_a_limit_that_is_meant_for_another_endpoint_is_none() -> None:
    async def scene(live: Live) -> None:
        body = ASK | {"max_tokens": 3, "max_output_tokens": 1}
        async with live.http.post(CHAT, json=body) as response:
            assert (await response.json())["usage"]["completion_tokens"] == 3

    live(scene)


def test_every_answer_bears_the_id_of_its_request() -> None:
    async def scene(live: Live) -> None:
        for path, method in ((CHAT, "POST"), ("/health", "GET"), ("/v2", "GET"), (CHAT, "GET")):
            async with live.http.request(
                method, path, json=ASK, headers={"x-request-id": "mine-1"}
            ) as response:
                assert response.headers.getall("x-request-id") == ["mine-1"]
        async with live.http.get("/health", headers={"x-request-id": "no good"}) as response:
            assert response.headers["x-request-id"].startswith("req-")

    live(scene, speed=1000)


# --- who may do what ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("client", "headers"),
    [("192.0.2.1", []), ("127.0.0.1", [(b"x-forwarded-for", b"127.0.0.1")])],
)
def test_only_programs_on_this_machine_may_set_faults(
    client: str, headers: list[Header], method: str
) -> None:
    async def scene(live: Live) -> None:
        sent: list[Message] = []

        async def receive() -> Message:
            raise AssertionError("nobody reads what it says")

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": "/admin/faults",
            "headers": headers,
            "client": (client, 1),
            "query_string": b"",
            "state": {},
        }
        await live.app(scope, receive, send)
        assert sent[0]["status"] == 403
        assert b"admin_only" in sent[1]["body"]

    live(scene)


@pytest.mark.parametrize(
    ("predicted", "p50", "p90"),
    [
        ({"predicted_output_tokens": 5, "predicted_p90_tokens": 5}, 5, 5),
        ({"predicted_output_tokens": 5}, 5, 0),
        ({"predicted_p90_tokens": 8}, 9, 8),
        ({}, 9, 0),
    ],
)
def test_the_scheduler_believes_what_the_body_predicts(
    predicted: dict[str, int], p50: int, p90: int
) -> None:
    async def scene(live: Live) -> None:
        asked = asyncio.create_task(live.http.post(CHAT, json=ASK | {"max_tokens": 9} | predicted))
        while not live.engine.seats.num_running:
            await asyncio.sleep(0)
        [seq] = [*live.engine.seats.prefilling, *live.engine.seats.decoding]
        request = seq.request
        assert (request.predicted_output_tokens, request.predicted_p90_tokens) == (p50, p90)
        (await asked).close()

    live(scene, speed=1.0)


# --- what is wrong with a request --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"n": 2}, "n", "unsupported_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": "many"}, "max_tokens", "invalid_value"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens", "invalid_value"),
        ({"priority": 0.5}, "priority", "invalid_value"),
        ({"priority": 2**60}, "priority", "invalid_value"),
        ({"stream_options": {"include_usage": 2}}, "stream_options.include_usage", "invalid_value"),
        ({"messages": []}, "messages", "missing_field"),
        ({"messages": ["hello"]}, "messages[0]", "invalid_value"),
        ({"max_tokens": 40_000}, None, "context_length_exceeded"),
        ({"predicted_output_tokens": 0}, "predicted_output_tokens", "invalid_value"),
        ({"predicted_p90_tokens": 0}, "predicted_p90_tokens", "invalid_value"),
        (
            {"predicted_output_tokens": 9, "predicted_p90_tokens": 8},
            "predicted_p90_tokens",
            "invalid_value",
        ),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], param: str | None, code: str) -> None:
    async def scene(live: Live) -> None:
        messages: Any = ASK["messages"]
        with pytest.raises(openai.BadRequestError) as caught:
            await live.openai.chat.completions.create(
                model="m", messages=messages, extra_body=change
            )
        assert (caught.value.param, caught.value.code) == (param, code)

    live(scene)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", CHAT, b"{", 400, "invalid_json"),
        ("POST", CHAT, b"\xff", 400, "invalid_json"),
        ("POST", CHAT, b"[]", 400, "invalid_value"),
        ("POST", CHAT, b" " * 100_001, 413, "request_too_large"),
        ("POST", "/v1/completions", b"{}", 400, "invalid_value"),
        ("POST", "/v1/completions", b'{"prompt": ["a", "b"]}', 400, "invalid_value"),
        ("POST", "/v1/completions", b'{"prompt": [true]}', 400, "invalid_value"),
        ("POST", "/v1/completions", b'{"prompt": ""}', 400, "invalid_value"),
        ("POST", "/admin/faults", b" " * 100_001, 413, "request_too_large"),
        ("GET", CHAT, b"", 405, "method_not_allowed"),
        ("GET", "/v2", b"", 404, "not_found"),
        ("POST", "/admin/faults", b'{"error_rate": 2}', 400, "invalid_value"),
        ("POST", "/admin/faults", b'{"rate": 0}', 400, "invalid_value"),
    ],
)
def test_every_failure_has_one_form(
    method: str, path: str, body: bytes, status: int, code: str
) -> None:
    async def scene(live: Live) -> None:
        async with live.http.request(method, path, data=body) as response:
            assert response.status == status
            error = (await response.json())["error"]
            assert error["code"] == code
            assert set(error) == {"message", "type", "param", "code"}

    live(scene)


def test_a_full_queue_says_when_to_come_again() -> None:
    async def scene(live: Live) -> None:
        posts = [live.http.post(CHAT, json=ASK | {"max_tokens": 30}) for _ in range(6)]
        responses = await asyncio.gather(*posts)
        assert {response.status for response in responses} == {200, 429}
        refused = next(response for response in responses if response.status == 429)
        assert refused.headers["retry-after"] == "1"
        assert (await refused.json())["error"]["code"] == "queue_full"

    live(scene, max_num_seqs=1, max_num_waiting=2, speed=10)


def test_how_fast_the_queue_drains_decides() -> None:
    """One of eight leaves within a second or so: the eight that wait need some eight seconds."""

    async def scene(live: Live) -> None:
        job = Job(4, 4000, 4000)
        await live.engine.submit(job).more(0)
        waiting = [live.engine.submit(job) for _ in range(8)]
        await asyncio.sleep(1)
        waiting[0].cancel()
        live.engine.submit(job)
        async with live.http.post(CHAT, json=ASK) as response:
            assert response.status == 429
            assert 0.8 * 8000 < int(response.headers["retry-after-ms"]) < 1.2 * 8 * 2000

    live(scene, max_num_seqs=1, max_num_waiting=8, speed=1)


# --- order, cancellation, end ------------------------------------------------------------------


def test_the_urgent_overtakes() -> None:
    async def scene(live: Live) -> None:
        done: list[int] = []

        async def ask(priority: int, delay: float) -> None:
            await asyncio.sleep(delay)
            body = ASK | {"max_tokens": 40, "priority": priority}
            async with live.http.post(CHAT, json=body) as response:
                await response.read()
            done.append(priority)

        await asyncio.gather(ask(4, 0.0), ask(4, 0.01), ask(0, 0.05))
        assert done == [0, 4, 4]
        assert live.engine.num_preemptions == 1

    live(scene, max_num_seqs=1, speed=5)


def test_a_client_that_leaves_frees_its_seat_at_once() -> None:
    async def scene(live: Live) -> None:
        body = ASK | {"max_tokens": 4000, "stream": True}
        async with live.http.post(CHAT, json=body) as response:
            await response.content.readany()
            assert live.engine.num_running == 1
            response.close()
            await live.settled(within=0.1)
        assert live.engine.stats.ended["cancelled"] == 1

    live(scene, speed=1)


def test_so_does_one_that_leaves_before_its_first_token() -> None:
    async def scene(live: Live) -> None:
        body = ASK | {"max_tokens": 4000}
        asks = [asyncio.create_task(_post(live, body)) for _ in range(3)]
        while live.engine.num_there < 3:
            await asyncio.sleep(0.005)
        for ask in asks:
            ask.cancel()
        await asyncio.gather(*asks, return_exceptions=True)
        await live.settled(within=0.1)

    live(scene, speed=1, max_num_seqs=1)


async def _post(live: Live, body: dict[str, Any]) -> bytes:
    async with live.http.post(CHAT, json=body) as response:
        return await response.read()


def test_told_to_stop_it_finishes_what_is_under_way() -> None:
    async def scene(live: Live) -> None:
        async with live.http.post(CHAT, json=ASK | {"max_tokens": 40, "stream": True}) as response:
            live.server.should_exit = True
            events = await read_events(response)
        assert len(events) == 1 + 40 + 1 + 1
        assert events[-1] == b"[DONE]"

    live(scene, speed=1)


def test_an_engine_that_stops_says_so_in_the_stream() -> None:
    async def scene(live: Live) -> None:
        body = ASK | {"max_tokens": 4000, "stream": True}
        async with live.http.post(CHAT, json=body) as response:
            waiting = asyncio.create_task(live.http.post(CHAT, json=body))
            while live.engine.num_there < 2:
                await asyncio.sleep(0.005)
            await live.engine.__aexit__()
            events = await read_events(response)
        assert json.loads(events[-1])["error"]["code"] == "shutting_down"
        async with await waiting as response:
            assert response.status == 503
        async with live.http.get("/health") as health:
            assert health.status == 503

    live(scene, speed=1, max_num_seqs=1)


def test_many_streams_at_once_lose_nothing() -> None:
    async def scene(live: Live) -> None:
        async def ask(num_tokens: int) -> None:
            body = ASK | {"max_tokens": num_tokens, "stream": True}
            async with live.http.post(CHAT, json=body) as response:
                assert len(await read_events(response)) == num_tokens + 3

        await asyncio.gather(*(ask(1 + i % 50) for i in range(100)))
        assert live.engine.stats.ended["finished"] == 100

    live(scene, speed=1000)


@pytest.mark.parametrize("close", [True, False])
def test_connections_may_be_kept(close: bool) -> None:
    async def scene(live: Live) -> None:
        async with aiohttp.ClientSession(
            live.url, connector=aiohttp.TCPConnector(limit=1, force_close=close)
        ) as http:
            for _ in range(3):
                async with http.post(CHAT, json=ASK | {"max_tokens": 2}) as response:
                    assert response.status == 200

    live(scene)
