"""The application as a whole: what holds for every answer of it."""

from typing import Any

import pytest

from tests.serve.live import Live, ask, live

PATHS = [
    ("POST", "/v1/chat/completions", 200),
    ("POST", "/v1/embeddings", 400),
    ("GET", "/v1/chat/completions", 405),
    ("GET", "/v1/models", 200),
    ("GET", "/health", 200),
    ("GET", "/metrics", 200),
    ("GET", "/board", 200),
    ("GET", "/admin/queue", 200),
    ("DELETE", "/admin/queue/7", 404),
    ("GET", "/nowhere", 404),
]


@pytest.mark.parametrize("given", ["mine-1", "not sane"])
def test_every_answer_bears_the_id_of_its_request_once(given: str) -> None:
    async def scene(there: Live) -> None:
        for method, path, status in PATHS:
            body = ask(priority="low" if status == 200 else "no such class")
            headers = {"x-request-id": given}
            async with there.http.request(method, path, json=body, headers=headers) as answer:
                assert answer.status == status, path
                [id] = answer.headers.getall("x-request-id")
                assert id == given if given == "mine-1" else id.startswith("req-")

    live(scene)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", ask(max_tokens=3, max_output_tokens=1)),
        ("/v1/completions", {"prompt": "x", "max_tokens": 3, "max_completion_tokens": 1}),
        ("/v1/responses", {"input": "x", "max_output_tokens": 3, "max_tokens": 1}),
    ],
)
def test_nobody_seems_short_by_a_limit_that_engines_ignore(path: str, body: dict[str, Any]) -> None:
    async def scene(there: Live) -> None:
        async with there.http.post(path, json=body) as answer:
            assert answer.status == 200
            assert answer.headers["x-semsched-predicted-tokens"] == "3"

    live(scene)
