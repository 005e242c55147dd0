"""/v1/embeddings: vectors that mean nothing, for what a prefill costs."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from hashlib import shake_256
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from semsched.engine.body import Body, read_body
from semsched.engine.dialect import Prompt, prompt_of
from semsched.engine.faults import Fault
from semsched.engine.generation import Generation, Job
from semsched.engine.handler import Handler, check, send_whole
from semsched.web.client import Client
from semsched.web.failure import ApiError

DIMENSIONS = 64
MAX_INPUTS = 2048
"""OpenAI's bound on the inputs of a request."""


class Embeddings(Handler):
    """An ASGI handler. Each input is a job of its own, which ends with its prefill."""

    async def _answer(self, client: Client, content: bytes, fault: Fault) -> None:
        body = read_body(content, "input")
        prompts = inputs_of(body)
        work = _Work([])
        watcher = asyncio.create_task(client.watch(work.cancel))
        try:
            for prompt in prompts:
                work.generations.append(self._service.submit(_job(body, prompt)))
            for generation in work.generations:
                await generation.end()
                check(generation)
            data = _whole(body, body.model or self._service.model, prompts)
            await send_whole(client, data, len(prompts), fault)
        finally:
            work.cancel()
            watcher.cancel()


class _Work(NamedTuple):
    generations: list[Generation]

    def cancel(self) -> None:
        for generation in self.generations:
            generation.cancel()


def inputs_of(body: Body) -> list[Prompt]:
    """The inputs of a request, a text or token ids each; raises ApiError (400)."""
    match body.input:
        case [str() | list(), *_] as several:
            inputs: list[Any] = several
        case one:
            inputs = [one]
    if len(inputs) > MAX_INPUTS:
        message = f"input: {len(inputs)} inputs, at most {MAX_INPUTS} are taken"
        raise ApiError(400, "invalid_value", message, "input")
    return [prompt_of("input", each) for each in inputs]


def vector_of(text: str) -> NDArray[np.float32]:
    """A unit vector; the same text always has the same, and no two are near each other."""
    digest = shake_256(text.encode("utf-8", "replace")).digest(4 * DIMENSIONS)
    throws = np.frombuffer(digest, "<u4") / 2**31 - 1
    return (throws / np.linalg.norm(throws)).astype("<f4")


def _job(body: Body, prompt: Prompt) -> Job:
    predicted = None if body.predicted_output_tokens is None else 1
    return Job(prompt.num_tokens, 1, 1, body.priority, predicted)


def _whole(body: Body, model: str, prompts: Sequence[Prompt]) -> bytes:
    vectors = [vector_of(prompt.text) for prompt in prompts]
    coded: list[Any] = [vector.tolist() for vector in vectors]
    if body.encoding_format == "base64":
        coded = [b64encode(vector.tobytes()).decode() for vector in vectors]
    data = [
        {"object": "embedding", "index": index, "embedding": embedding}
        for index, embedding in enumerate(coded)
    ]
    num_tokens = sum(prompt.num_tokens for prompt in prompts)
    usage = {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})
