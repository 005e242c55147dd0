"""The pages beside the hot path: who may see what, and what everybody is told."""

import asyncio
import json
from typing import Any
from unittest.mock import patch

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from semsched.serve import pages
from semsched.serve.board import MAX_LISTENERS
from semsched.serve.keys import new_key
from tests.serve.backend.peer import Call, whole
from tests.serve.faulty import CHAT, Faulty, Fleet, error_of, looking_often, play
from tests.serve.live import Live, ask, live

CLIENT_KEY, CLIENT_DIGEST = new_key()
DEEP = b"[" * 100_000


# --- health --------------------------------------------------------------------------------------


def test_it_is_ready_while_it_has_an_engine_and_does_not_stop() -> None:
    async def scene(fleet: Fleet) -> None:
        http = fleet.live.http
        async with http.get("/ready") as answer:
            assert answer.status == 200
        fleet.engines[0].is_healthy = False
        await fleet.live.until(lambda: not fleet.is_up(0))
        async with http.get("/ready") as answer:
            assert await error_of(answer) == (503, "no_backend")
            assert answer.headers["retry-after"]
        fleet.live.gateway.stop()
        async with http.get("/ready") as answer:
            assert await error_of(answer) == (503, "shutting_down")
        async with http.get("/health") as answer:
            assert answer.status == 200, "it is alive all the same"
        async with http.post(CHAT, json=ask()) as answer:
            assert await error_of(answer) == (503, "shutting_down")

    with looking_often():
        play(scene, Faulty())


def test_metrics_can_be_read_by_prometheus_and_count() -> None:
    async def scene(there: Live) -> None:
        async with there.http.post(CHAT, json=ask()) as answer:
            assert answer.status == 200
        async with there.http.get("/metrics") as answer:
            assert answer.headers["content-type"].startswith("text/plain")
            families = list(text_string_to_metric_families(await answer.text()))
        ended = [
            sample
            for family in families
            for sample in family.samples
            if sample.labels.get("outcome") == "finished"
            and sample.name == "semsched_requests_total"
        ]
        assert sum(sample.value for sample in ended) == 1

    live(scene)


# --- models --------------------------------------------------------------------------------------


class Serves(Faulty):
    """An engine that says this of its models."""

    def __init__(self, said: bytes, status: str = "200 OK") -> None:
        super().__init__()
        self._said = whole(said, status)

    async def __call__(self, call: Call) -> None:
        while request := await call.request():
            is_models = request.startswith(b"GET /v1/models ")
            await call.send(self._said if is_models else whole(b""))


def test_models_are_those_of_all_engines_each_once() -> None:
    engines = [
        Serves(b'{"data":[{"id":"a"},{"id":"b"}]}'),
        Serves(b'{"data":[{"id":"b"},{"id":"c"}]}'),
        *(Serves(nonsense) for nonsense in (b"", b"[1]", b'{"data":[7]}', b"\xff", DEEP)),
        Serves(b'{"error":{}}', "500 No"),
    ]

    async def scene(fleet: Fleet) -> None:
        async with fleet.live.http.get("/v1/models") as answer:
            models = await answer.json()
        assert models["object"] == "list"
        assert sorted(model["id"] for model in models["data"]) == ["a", "b", "c"]

    play(scene, *engines)


class Mute(Faulty):
    """An engine that is well and never says which models it serves."""

    async def __call__(self, call: Call) -> None:
        while request := await call.request():
            if request.startswith(b"GET /v1/models "):
                await call.gone()
                return
            await call.send(whole(b""))


def test_engines_that_do_not_say_are_waited_for_once_and_not_in_turn() -> None:
    async def scene(fleet: Fleet) -> None:
        async with asyncio.timeout(1), fleet.live.http.get("/v1/models") as answer:
            assert [model["id"] for model in (await answer.json())["data"]] == ["m"]

    with patch.object(pages, "MODELS_TIME", 0.3):
        play(scene, *(Mute() for _ in range(5)), Faulty())


def test_models_are_for_those_with_a_key() -> None:
    async def scene(there: Live) -> None:
        async with there.http.get("/v1/models") as answer:
            assert await error_of(answer) == (401, "invalid_api_key")
        headers = {"authorization": f"Bearer {CLIENT_KEY}"}
        async with there.http.get("/v1/models", headers=headers) as answer:
            assert answer.status == 200

    live(scene, {"keys": [{"tenant": "clinic", "sha256": CLIENT_DIGEST}]})


# --- the board -----------------------------------------------------------------------------------


async def snapshots(response: aiohttp.ClientResponse, num: int) -> list[dict[str, Any]]:
    """The next ones of a stream."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while len(found) < num:
            line = await response.content.readline()
            if line.startswith(b"data: {"):
                found.append(json.loads(line[6:]))
    return found


def test_the_board_is_a_page_that_loads_nothing_and_is_told_what_happens() -> None:
    async def scene(there: Live) -> None:
        async with there.http.get("/board") as answer:
            assert answer.content_type == "text/html"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert b"EventSource" in await answer.read()
        async with there.http.get("/board/events") as answer:
            assert answer.content_type == "text/event-stream"
            [before] = await snapshots(answer, 1)
            async with there.http.post(CHAT, json=ask("my chest hurts", priority=1)) as asked:
                assert asked.status == 200
            *_, after = await snapshots(answer, 1)
        assert before["recent"] == []
        [ended] = after["recent"]
        assert (ended["urgency"], ended["outcome"]) == (1, "finished")
        assert "chest" not in json.dumps(after)

    live(scene)


def test_one_listener_too_many_is_told_and_places_come_back() -> None:
    async def scene(there: Live) -> None:
        feed = there.gateway.pages.feed
        listening = [await there.http.get("/board/events") for _ in range(MAX_LISTENERS)]
        for answer in listening:
            assert answer.status == 200
        await there.until(lambda: feed.num_listeners == MAX_LISTENERS)
        async with there.http.get("/board/events") as answer:
            assert await error_of(answer) == (503, "too_many_listeners")
        for answer in listening:
            answer.close()
        await there.until(lambda: not feed.num_listeners)
        async with there.http.get("/board/events") as answer:
            assert answer.status == 200

    async def with_many_connections(there: Live) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(there.url, connector=connector) as http:
            await scene(there._replace(http=http))

    live(with_many_connections)


def test_who_asks_for_the_head_of_the_events_is_done_with_it() -> None:
    async def scene(there: Live) -> None:
        port = int(there.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(2):
            for method, path in (("HEAD", "/board/events"), ("GET", "/health")):
                writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert there.gateway.pages.feed.num_listeners == 0
        writer.close()

    live(scene)


def test_without_a_board_there_is_none() -> None:
    async def scene(there: Live) -> None:
        for path in ("/board", "/board/events"):
            async with there.http.get(path) as answer:
                assert await error_of(answer) == (404, "not_found")

    live(scene, {"board": {"enabled": False}})


# --- whatever else -------------------------------------------------------------------------------

PAGES = {
    "/v1/chat/completions": {"POST"},
    "/v1/models": {"GET", "HEAD"},
    "/health": {"GET", "HEAD"},
    "/metrics": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/board": {"GET", "HEAD"},
    "/admin/queue": {"GET", "HEAD"},
    "/admin/queue/0": {"DELETE", "PATCH"},
}


def test_other_methods_are_refused_and_it_is_said_which_are_not() -> None:
    async def scene(there: Live) -> None:
        for path, allowed in PAGES.items():
            methods = {"GET", "PUT", "OPTIONS", "TRACE", "HEAD", "DELETE"} - allowed
            for method in methods:
                async with there.http.request(method, path) as answer:
                    assert answer.status == 405, (method, path)
                    assert set(answer.headers["allow"].split(", ")) == allowed
                    if method != "HEAD":
                        assert (await error_of(answer))[1] == "method_not_allowed"

    live(scene)


NOWHERE = [
    *("/", "/nowhere", "/v1", "/v1/chat", "/admin", "/admin/queue/x", "/admin/queue/-1"),
    *("/board.html", "/..%2f..%2fetc/passwd", "/%00", "/v1/chat/completions/"),
]


def test_what_is_not_there_is_said_in_openais_form() -> None:
    async def scene(there: Live) -> None:
        for path in NOWHERE:
            for method in ("GET", "POST"):
                async with there.http.request(method, path, allow_redirects=False) as answer:
                    assert await error_of(answer) == (404, "not_found"), path

    live(scene)


def test_heads_are_those_of_the_pages() -> None:
    async def scene(there: Live) -> None:
        for path in ("/health", "/metrics", "/openapi.json", "/board", "/v1/models"):
            async with there.http.head(path) as answer:
                assert answer.status == 200
                assert await answer.read() == b""

    live(scene)
