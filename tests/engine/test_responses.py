import json
from typing import Any

import openai
import pytest

from semsched.engine.faults import Faults
from tests.engine.live import Live, live

PATH = "/v1/responses"
ASK: dict[str, Any] = {"model": "any-name", "input": "Why is the sky blue?"}
SEVEN: dict[str, Any] = {"max_output_tokens": 7, "extra_body": {"ignore_eos": True}}


def test_an_answer_comes_whole() -> None:
    async def scene(live: Live) -> None:
        response = await live.openai.responses.create(**ASK)
        assert (response.status, response.model) == ("completed", "any-name")
        assert response.incomplete_details is None
        assert response.usage is not None
        assert response.usage.input_tokens == 5
        assert len(response.output_text.split()) == response.usage.output_tokens
        assert response.usage.total_tokens == 5 + response.usage.output_tokens

    live(scene, speed=1000)


def test_one_at_its_limit_says_that_it_is_incomplete() -> None:
    async def scene(live: Live) -> None:
        response = await live.openai.responses.create(**ASK, **SEVEN)
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        assert len(response.output_text.split()) == 7

    live(scene)


def test_it_streams_with_every_event_in_its_place() -> None:
    async def scene(live: Live) -> None:
        stream = await live.openai.responses.create(**ASK, **SEVEN, stream=True)
        events: list[Any] = [event async for event in stream]
        assert [event.type for event in events] == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            *["response.output_text.delta"] * 7,
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        text = "".join(event.delta for event in events[4:11])
        done = events[-1].response
        assert text == events[11].text == events[12].part.text == done.output_text
        assert events[13].item == done.output[0]
        assert done.usage.output_tokens == 7
        assert {event.item_id for event in events[3:13]} == {done.output[0].id}
        assert events[0].response.id == done.id

    live(scene)


def test_the_clients_own_reader_of_streams_understands_it() -> None:
    async def scene(live: Live) -> None:
        async with live.openai.responses.stream(**ASK, **SEVEN) as stream:
            async for _ in stream:
                pass
            response = await stream.get_final_response()
        whole = await live.openai.responses.create(**ASK, **SEVEN)
        assert response.output_text == whole.output_text

    live(scene)


def test_messages_and_instructions_are_read() -> None:
    async def scene(live: Live) -> None:
        said: Any = [
            {"role": "user", "content": [{"type": "input_text", "text": "a" * 400}]},
            {"type": "function_call_output", "call_id": "1", "output": "x"},
        ]
        response = await live.openai.responses.create(
            model="m", input=said, instructions="b" * 399, max_output_tokens=1
        )
        assert response.usage is not None
        assert response.usage.input_tokens == 200

    live(scene)


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input": ""}, "input", "missing_field"),
        ({"input": []}, "input", "missing_field"),
        ({"input": ["hello"]}, "input[0]", "invalid_value"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
        ({"instructions": 7}, "instructions", "invalid_value"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], param: str, code: str) -> None:
    async def scene(live: Live) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await live.openai.responses.create(**ASK, extra_body=change)
        assert (caught.value.param, caught.value.code) == (param, code)

    live(scene)


def test_an_engine_that_stops_says_so_in_the_stream() -> None:
    async def scene(live: Live) -> None:
        stream = await live.openai.responses.create(
            **ASK, max_output_tokens=4000, extra_body={"ignore_eos": True}, stream=True
        )
        await anext(aiter(stream))
        await live.engine.__aexit__()
        with pytest.raises(openai.APIError) as caught:
            [event async for event in stream]
        assert caught.value.code == "shutting_down"

    live(scene, speed=1)


def test_a_fault_meets_it_too() -> None:
    async def scene(live: Live) -> None:
        async with live.http.post(PATH, json=ASK) as response:
            assert response.status == 500
            assert json.loads(await response.read())["error"]["code"] == "injected_fault"

    live(scene, faults=Faults(error_rate=1))
