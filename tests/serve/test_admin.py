"""The operator's pages: who is one, what he sees, whom he takes out and moves."""

import asyncio
from typing import Any

import pytest

from semsched.serve.keys import new_key
from tests.serve.faulty import CHAT, error_of
from tests.serve.live import Live, ask, live
from tests.serve.test_gateway import SLOW

KEY, DIGEST = new_key()
CLIENT_KEY, CLIENT_DIGEST = new_key()
ADMIN: dict[str, Any] = {"admin": {"sha256": DIGEST}}
DEEP = b"[" * 100_000


async def crowd(there: Live) -> list[asyncio.Task[Any]]:
    """One runs, and two wait, of class 3 and 4."""

    async def one(urgency: int, max_tokens: int) -> tuple[int, Any, str]:
        body = ask(f"of class {urgency}", max_tokens, priority=urgency)
        async with there.http.post(CHAT, json=body) as answer:
            return answer.status, await answer.json(), answer.headers["x-semsched-class"]

    dispatcher, tasks = there.gateway.service.desk.dispatcher, []
    for urgency, num in ((0, 60), (3, 2), (4, 2)):
        tasks.append(asyncio.create_task(one(urgency, num)))
        await there.until(lambda: len(dispatcher) == len(tasks))
    return tasks


def test_the_operator_sees_the_queue_takes_out_and_moves() -> None:
    async def scene(there: Live) -> None:
        runs, low, background = await crowd(there)
        async with there.http.get("/admin/queue") as answer:
            queue = await answer.json()
        assert (queue["num_waiting"], queue["num_running"]) == (2, 1)
        assert [one["class"] for one in queue["waiting"]] == ["low", "background"]
        first, second = (one["id"] for one in queue["waiting"])
        move = {"class": "urgent"}
        async with there.http.patch(f"/admin/queue/{second}", json=move) as answer:
            assert await answer.json() == {"id": second, "class": "urgent"}
        async with there.http.delete(f"/admin/queue/{first}") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        status, said, _ = await low
        assert (status, said["error"]["code"]) == (503, "cancelled_by_operator")
        assert (await background)[::2] == (200, "urgent")
        assert (await runs)[0] == 200
        for id in (first, queue["running"][0]["id"], 10**30):
            for method in ("delete", "patch"):
                path = f"/admin/queue/{id}"
                async with there.http.request(method, path, json=move) as answer:
                    assert await error_of(answer) == (404, "not_found")

    live(scene, SLOW)


NO_CLASSES = [
    *((content, "invalid_json") for content in (b"", b"{", b"\xff", DEEP)),
    *((content, "invalid_value") for content in (b"[]", b'"urgent"', b"7")),
    *((b'{"class": %b}' % value, "invalid_priority") for value in (b"5", b"-1", b"true")),
    *((b'{"class": %b}' % value, "invalid_priority") for value in (b"1.0", b'"1"', b"[0]")),
    (b"{}", "invalid_priority"),
]


def test_what_is_no_class_moves_nobody() -> None:
    async def scene(there: Live) -> None:
        for content, code in NO_CLASSES:
            async with there.http.patch("/admin/queue/0", data=content) as answer:
                assert await error_of(answer) == (400, code), content

    live(scene)


def test_an_operator_who_leaves_in_the_middle_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(there: Live) -> None:
        port = int(there.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"PATCH /admin/queue/0 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{"
        writer.write(head)
        await there.until(lambda: there.server.server_state.tasks)
        writer.transport.abort()
        await there.until(lambda: not there.server.server_state.tasks)
        assert [record for record in caplog.records if record.exc_info] == []

    live(scene)


def test_with_an_administrators_key_only_that_opens() -> None:
    async def scene(there: Live) -> None:
        for key in ("", "sk-semsched-wrong", CLIENT_KEY, DIGEST):
            headers = {"authorization": f"Bearer {key}"} if key else {}
            for method, path in OPERATIONS:
                async with there.http.request(method, path, headers=headers) as answer:
                    assert await error_of(answer) == (403, "admin_only"), path
        headers = {"authorization": f"Bearer {KEY}", "x-forwarded-for": "1.2.3.4"}
        async with there.http.get("/admin/queue", headers=headers) as answer:
            assert answer.status == 200
        two = {"authorization": f"Bearer {KEY}", "x-api-key": KEY}
        async with there.http.get("/admin/queue", headers=two) as answer:
            assert await error_of(answer) == (403, "admin_only")
        async with there.http.get("/admin/queue", params={"key": KEY, "api_key": KEY}) as answer:
            assert await error_of(answer) == (403, "admin_only")

    live(scene, {**ADMIN, "keys": [{"tenant": "clinic", "sha256": CLIENT_DIGEST}]})


OPERATIONS = [("GET", "/admin/queue"), ("DELETE", "/admin/queue/0"), ("PATCH", "/admin/queue/0")]

FROM_ELSEWHERE = [
    {"host": "evil.example"},
    {"host": "127.0.0.1.evil.example"},
    {"host": "localhost.evil.example:8080"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"x-forwarded-for": "127.0.0.1"},
    {"X-Forwarded-For": "::1"},
    {"forwarded": "for=127.0.0.1"},
    {"x-real-ip": "127.0.0.1"},
    {"via": "1.1 proxy"},
]


def test_without_a_key_only_programs_of_this_machine_are_operators() -> None:
    async def scene(there: Live) -> None:
        for headers in FROM_ELSEWHERE:
            for method, path in OPERATIONS:
                async with there.http.request(method, path, headers=headers) as answer:
                    assert await error_of(answer) == (403, "admin_only"), headers
        async with there.http.get("/admin/queue", headers={"origin": there.url}) as answer:
            assert answer.status == 200

    live(scene)
