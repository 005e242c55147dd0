"""The hot path over real sockets: order, pass-through, failures, and who has left."""

import asyncio
import json
from itertools import count
from typing import Any

import openai
import pytest

from semsched.serve import gateway
from tests.serve.live import Live, ask, live

ONE_SEAT: dict[str, Any] = {"engine": {"speed": 100.0, "max_num_seqs": 1, "preemption": "off"}}
SLOW: dict[str, Any] = {"engine": {"speed": 1.0, "max_num_seqs": 1, "preemption": "off"}}


# --- what passes through -------------------------------------------------------------------------


def test_openais_client_chats_and_streams() -> None:
    async def scene(there: Live) -> None:
        whole = await there.openai.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "chest pain"}], max_tokens=5
        )
        assert whole.usage is not None
        assert whole.usage.completion_tokens <= 5
        stream = await there.openai.chat.completions.create(
            model="any",
            messages=[{"role": "user", "content": "chest pain"}],
            max_tokens=5,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert sum(map(bool, said)) == 5
        assert there.counts()["finished"] == 2

    live(scene)


@pytest.mark.parametrize(
    ("stage", "status", "outcome"), [(2, 503, "failed"), (3, 503, "failed"), (4, 200, "finished")]
)
def test_what_is_cancelled_between_two_stages_ends_once(
    stage: int, status: int, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = count(1)

    async def next_stage() -> None:
        if next(stages) == stage:
            raise asyncio.CancelledError

    monkeypatch.setattr(gateway, "next_stage", next_stage)

    async def scene(there: Live) -> None:
        async with there.http.post("/v1/chat/completions", json=ask()) as answer:
            assert answer.status == status
            assert await answer.json()
        await there.until(lambda: not there.num_there)
        assert there.counts()[outcome] == 1

    live(scene)


def test_every_endpoint_answers_openais_client() -> None:
    async def scene(there: Live) -> None:
        text = await there.openai.completions.create(model="m", prompt="hello", max_tokens=3)
        assert text.choices[0].text
        response = await there.openai.responses.create(model="m", input="hello")
        assert response.output_text
        events = [
            event.type
            async for event in await there.openai.responses.create(
                model="m", input="hello", stream=True
            )
        ]
        assert events[-1] == "response.completed"
        vectors = await there.openai.embeddings.create(model="m", input=["a", "b"])
        assert len(vectors.data) == 2
        assert [model.id async for model in there.openai.models.list()] == ["A100_4B"]
        assert there.counts()["finished"] == 4

    live(scene)


def test_headers_say_what_was_decided() -> None:
    async def scene(there: Live) -> None:
        headers = {"x-request-id": "mine-1"}
        body = ask("My father has crushing chest pain and cannot breathe", 3)
        async with there.http.post("/v1/chat/completions", json=body, headers=headers) as answer:
            said = answer.headers
        assert said["x-request-id"] == "mine-1"
        assert said["x-semsched-class"] in ("critical", "urgent")
        assert "chest" in said["x-semsched-reason"] or "breathe" in said["x-semsched-reason"]
        assert float(said["x-semsched-queue-ms"]) < 1000
        assert said["x-semsched-predicted-tokens"] == "3"
        assert said["x-semsched-backend"] == "embedded"

    live(scene)


def test_bytes_of_a_stream_pass_as_they_are() -> None:
    async def scene(there: Live) -> None:
        body = ask("hello", 6, stream=True, stream_options={"include_usage": True})
        async with there.http.post("/v1/chat/completions", json=body) as answer:
            content = await answer.read()
        events = content.split(b"\n\n")
        assert events[-2:] == [b"data: [DONE]", b""]
        assert json.loads(events[-3][6:])["usage"]["completion_tokens"] == 6

    live(scene)


# --- order ---------------------------------------------------------------------------------------


async def finish_order(there: Live, *bodies: dict[str, Any], gap: float = 0.01) -> list[int]:
    """The places of the bodies, in the order in which they were done."""
    order: list[int] = []

    async def one(place: int) -> None:
        await asyncio.sleep(place * gap)
        async with there.http.post("/v1/chat/completions", json=bodies[place]) as answer:
            await answer.read()
            assert answer.status == 200
        order.append(place)

    await asyncio.gather(*(one(place) for place in range(len(bodies))))
    return order


def test_the_urgent_and_the_short_pass_those_who_wait() -> None:
    async def scene(there: Live) -> None:
        first = ask("Please write a newsletter", 30, priority=4)
        order = await finish_order(
            there,
            first,
            ask("Please write a newsletter", 20, priority=4),
            ask("Please write a newsletter", 5, priority=4),
            ask("He is not breathing", 5, priority="critical"),
        )
        assert order == [0, 3, 2, 1]

    live(scene, SLOW)


def test_meaning_decides_where_nobody_claims() -> None:
    async def scene(there: Live) -> None:
        order = await finish_order(
            there,
            ask("Write a newsletter about our garden", 40),
            ask("Write a newsletter about our garden", 5),
            ask("Help, my father has crushing chest pain and cannot breathe", 20),
        )
        assert order == [0, 2, 1]

    live(scene, SLOW)


def test_an_engine_that_preempts_lets_the_urgent_in_at_once() -> None:
    async def scene(there: Live) -> None:
        long = ask("Write a newsletter", 60, priority="background")
        urgent = ask("He is not breathing", 3, priority="critical")
        assert await finish_order(there, long, urgent, gap=0.1) == [1, 0]

    live(scene, {"engine": {"speed": 1.0, "max_num_seqs": 1}})


# --- who may claim what --------------------------------------------------------------------------


def test_a_claim_is_held_to_the_ceiling_and_counted() -> None:
    async def scene(there: Live) -> None:
        headers = {"x-request-priority": "critical"}
        async with there.http.post("/v1/chat/completions", json=ask(), headers=headers) as answer:
            assert answer.headers["x-semsched-class"] == "standard"
        assert there.gateway.service.records.books.num_clamped == 1

    live(scene, {"anonymous": {"ceiling": "standard"}})


def test_a_key_may_refuse_what_is_above_it() -> None:
    async def scene(there: Live) -> None:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await there.openai.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "hi"}],
                extra_headers={"x-request-priority": "0"},
            )
        assert caught.value.code == "priority_not_allowed"

    live(scene, {"anonymous": {"ceiling": 2, "above_ceiling": "refuse"}})


# --- refusals ------------------------------------------------------------------------------------


def test_a_full_queue_answers_429_and_when_to_come_again() -> None:
    async def scene(there: Live) -> None:
        running = asyncio.create_task(
            finish_order(there, ask("a", 30, priority=3), ask("b", 3, priority=3))
        )
        await there.until(lambda: len(there.gateway.service.desk.dispatcher.lanes) == 1)
        body = ask("c", 3, priority=3)
        async with there.http.post("/v1/chat/completions", json=body) as answer:
            error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (429, "queue_full")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        async with there.http.post("/v1/chat/completions", json=ask(priority=0)) as answer:
            assert answer.status == 200, "room is made for the more urgent"
        with pytest.raises(AssertionError):
            await running  # its second request was turned away
        await there.until(lambda: not there.num_there)
        assert there.counts() == {"finished": 2, "refused": 2, "cancelled": 0, "failed": 0}

    live(scene, {**SLOW, "queue": {"max_waiting": 1}})


def test_who_waits_too_long_is_told() -> None:
    async def scene(there: Live) -> None:
        running = asyncio.create_task(finish_order(there, ask("a", 40)))
        await there.until(lambda: there.gateway.service.desk.dispatcher.seated)
        async with there.http.post("/v1/chat/completions", json=ask()) as answer:
            assert (await answer.json())["error"]["code"] == "queue_timeout"
        headers = {"x-request-deadline-ms": "20"}
        async with there.http.post("/v1/chat/completions", json=ask(), headers=headers) as answer:
            assert (await answer.json())["error"]["code"] == "deadline_unreachable"
        await running

    live(scene, {**SLOW, "queue": {"max_wait": 0.1}})


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_value"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b'{"priority": true}', 400, "invalid_priority"),
        (b'{"priority": 1e999}', 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b"x" * 200_000, 413, "request_too_large"),
    ],
)
def test_bad_bodies_are_refused_in_openais_form(content: bytes, status: int, code: str) -> None:
    async def scene(there: Live) -> None:
        async with there.http.post("/v1/chat/completions", data=content) as answer:
            error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (status, code)
        assert answer.headers["x-request-id"]
        assert sum(there.gateway.service.records.books.accepted) == 0

    live(scene, {"server": {"max_body_bytes": 150_000}})


# --- who leaves ----------------------------------------------------------------------------------


def test_who_leaves_while_waiting_frees_the_place() -> None:
    async def scene(there: Live) -> None:
        running = asyncio.create_task(finish_order(there, ask("a", 40)))
        await there.until(lambda: there.gateway.service.desk.dispatcher.seated)
        leaving = asyncio.create_task(finish_order(there, ask("b", 5)))
        await there.until(lambda: there.gateway.service.desk.dispatcher.lanes)
        leaving.cancel()
        await there.until(lambda: not there.gateway.service.desk.dispatcher.lanes, within=0.1)
        await running
        assert there.counts() == {"finished": 1, "refused": 0, "cancelled": 1, "failed": 0}

    live(scene, SLOW)


def test_who_leaves_a_stream_frees_the_engine() -> None:
    async def scene(there: Live) -> None:
        body = ask("a", 500, stream=True)
        async with there.http.post("/v1/chat/completions", json=body) as answer:
            await answer.content.readany()
        await there.until(lambda: not there.num_there, within=0.25)
        assert there.counts()["cancelled"] == 1
        async with there.http.post("/v1/chat/completions", json=ask("b", 1)) as answer:
            assert answer.status == 200, "the engine's only seat is free again"

    live(scene, SLOW)
