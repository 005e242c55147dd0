import asyncio
from typing import Any

import aiohttp
import numpy as np
import openai
import pytest

from semsched.engine.embeddings import DIMENSIONS, MAX_INPUTS, vector_of
from semsched.engine.faults import Faults
from tests.engine.live import Live, live

PATH = "/v1/embeddings"


def test_vectors_have_length_one_and_nothing_in_common() -> None:
    vectors = np.array([vector_of(f"text {i}") for i in range(200)])
    assert vectors.shape == (200, DIMENSIONS)
    likeness = vectors @ vectors.T
    assert np.diag(likeness) == pytest.approx(1, abs=1e-6)
    assert abs(likeness - np.eye(200)).max() < 0.7


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_the_same_text_has_the_same_vector(encoding: Any) -> None:
    async def scene(live: Live) -> None:
        said = ["one", "two", "one"]
        answer = await live.openai.embeddings.create(
            model="any", input=said, encoding_format=encoding
        )
        assert [each.index for each in answer.data] == [0, 1, 2]
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3
        for each, text in zip(answer.data, said, strict=True):
            if encoding == "float":
                assert np.array(each.embedding, np.float32).tolist() == vector_of(text).tolist()
        assert live.engine.stats.ended["finished"] == 3
        assert live.engine.stats.output_tokens == 3

    live(scene)


@pytest.mark.parametrize(
    ("said", "num_tokens"), [("one text", [2]), ([1, 2, 3], [3]), ([[1, 2], [3]], [2, 1])]
)
def test_inputs_have_three_forms(said: Any, num_tokens: list[int]) -> None:
    """The client asks for base64 unless told, and makes floats of it."""

    async def scene(live: Live) -> None:
        answer = await live.openai.embeddings.create(model="any", input=said)
        assert [len(each.embedding) for each in answer.data] == [DIMENSIONS] * len(num_tokens)
        assert answer.usage.prompt_tokens == sum(num_tokens)

    live(scene)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("", "invalid_value"),
        ([], "invalid_value"),
        (["a", ""], "invalid_value"),
        (["a", 1], "invalid_value"),
        (["a"] * (MAX_INPUTS + 1), "invalid_value"),
        ("a" * 200_000, "request_too_large"),
        ([1] * 40_000, "context_length_exceeded"),
    ],
)
def test_what_is_no_input_is_an_error(said: Any, code: str) -> None:
    async def scene(live: Live) -> None:
        with pytest.raises(openai.APIStatusError) as caught:
            await live.openai.embeddings.create(model="any", input=said)
        assert caught.value.code == code
        assert live.engine.num_there == 0

    live(scene)


def test_one_input_too_many_for_the_queue_takes_the_others_with_it() -> None:
    async def scene(live: Live) -> None:
        async with live.http.post(PATH, json={"input": ["a"] * 9}) as response:
            assert response.status == 429
        await live.settled(within=0.1)
        assert live.engine.stats.ended["cancelled"] == 8

    live(scene, max_num_waiting=8)


def test_a_client_that_leaves_frees_everything() -> None:
    async def scene(live: Live) -> None:
        ask = asyncio.create_task(live.http.post(PATH, json={"input": [[1] * 2000] * 9}))
        while not live.engine.num_there:
            await asyncio.sleep(0.001)
        ask.cancel()
        await asyncio.gather(ask, return_exceptions=True)
        await live.settled(within=0.2)
        assert live.engine.stats.ended["cancelled"] > 0

    live(scene, speed=0.1)


def test_a_cut_answer_lacks_its_end() -> None:
    async def scene(live: Live) -> None:
        async with live.http.post(PATH, json={"input": "a"}) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

    live(scene, faults=Faults(cut_rate=1))
