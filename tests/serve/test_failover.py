"""Engines that fail: what is tried again and where, what the client hears, what is booked."""

import asyncio
import json
from collections import Counter

import openai
import pytest

from semsched.serve.retries import AT_START
from tests.serve.backend.peer import END, STREAM, chunk, whole
from tests.serve.faulty import (
    DONE,
    Fault,
    Faulty,
    Fleet,
    answer_of,
    breaks_after,
    event,
    fails,
    hangs,
    looking_often,
    play,
    read_stream,
    says,
    streams,
    well,
)
from tests.serve.live import ask

HUGE_HEADER = f"x-huge: {'y' * 100_000}\r\n"

BEFORE_THE_FIRST_BYTE: dict[str, tuple[Fault, int, str]] = {
    "reset": (breaks_after(), 502, "backend_failed"),
    "close": (breaks_after(reset=False), 502, "backend_failed"),
    "half a head": (breaks_after(b"HTTP/1.1 200 OK\r\ncontent-"), 502, "backend_failed"),
    "head only": (breaks_after(whole(b"well")[:-4]), 502, "backend_failed"),
    "hang": (hangs, 504, "backend_timeout"),
    "hang after the head": (says(whole(b"well")[:-4], b"", gap=9), 504, "backend_timeout"),
    "no HTTP": (says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), 502, "backend_failed"),
    "huge head": (says(whole(b"well", extra=HUGE_HEADER)), 502, "backend_failed"),
    "bad chunks": (breaks_after(STREAM + b"zz\r\nwell\r\n"), 502, "backend_failed"),
    "no status": (says(b"HTTP/1.1 abc OK\r\n\r\n"), 502, "backend_failed"),
    "redirect": (fails("307 Go", "location: http://127.0.0.1:1/\r\n"), 502, "backend_failed"),
    "switch": (says(b"HTTP/1.1 101 Switch\r\nupgrade: x\r\n\r\n"), 502, "backend_failed"),
}
"""Of these the client has seen nothing yet."""


@pytest.mark.parametrize("name", BEFORE_THE_FIRST_BYTE)
def test_what_fails_before_its_first_byte_is_tried_elsewhere_and_thrice_at_most(name: str) -> None:
    fault, status, code = BEFORE_THE_FIRST_BYTE[name]

    async def scene(fleet: Fleet) -> None:
        said, headers, body = await fleet.post()
        assert (said, body["choices"][0]["message"]["content"]) == (200, "well")
        assert headers["x-semsched-backend"] == "b1"
        assert [len(engine.heard) for engine in fleet.engines] == [1, 1]
        assert fleet.live.gateway.service.records.books.num_retries == 1
        fleet.engines[1].how = fault
        said, headers, body = await fleet.post()
        assert (said, body["error"]["code"]) == (status, code)
        assert "location" not in headers
        assert sum(len(engine.heard) for engine in fleet.engines) == 2 + 3
        assert fleet.live.counts() == {"finished": 1, "refused": 0, "cancelled": 0, "failed": 1}

    play(scene, Faulty(fault), Faulty(), first_byte_time=0.4)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_engine_that_says_it_cannot_is_spared_and_heard_if_all_say_so(status: int) -> None:
    fault = fails(f"{status} No", "retry-after: 7\r\n")

    async def scene(fleet: Fleet) -> None:
        said, headers, _ = await fleet.post()
        assert (said, headers["x-semsched-backend"]) == (200, "b1")
        fleet.engines[1].how = fault
        said, headers, body = await fleet.post()
        assert (said, body["error"]["message"]) == (status, "no")
        assert headers["retry-after"] == "7"
        assert sum(len(engine.heard) for engine in fleet.engines) == 2 + 3
        assert fleet.live.counts()["failed"] == 1

    play(scene, Faulty(fault), Faulty())


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_is_the_requests_own_fault_is_asked_once(status: int) -> None:
    async def scene(fleet: Fleet) -> None:
        said, _, body = await fleet.post()
        assert (said, body["error"]["message"]) == (status, "no")
        assert sum(len(engine.heard) for engine in fleet.engines) == 1
        assert fleet.is_up(0)

    play(scene, Faulty(fails(f"{status} No")), Faulty(fails(f"{status} No")))


# --- after the first byte ------------------------------------------------------------------------

OLD = b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
"""A body that ends with its connection: an engine that has died looks like one that is done."""


@pytest.mark.parametrize(
    "fault",
    [
        breaks_after(STREAM + chunk(event("a")), chunk(event("b"))),
        breaks_after(STREAM + chunk(event("a")), chunk(event("b")), reset=False),
        breaks_after(STREAM + chunk(event("a")), chunk(event("b"))[:-9]),
        breaks_after(STREAM + chunk(event("a")), chunk(event("b")) + b"zz\r\n"),
        says(STREAM + chunk(event("a")) + chunk(event("b")), b"", gap=9),
        says(STREAM + chunk(event("a")), chunk(event("b")) + END),
        breaks_after(OLD + event("a"), event("b")[:-9], reset=False),
    ],
    ids=["reset", "close", "half a chunk", "bad chunk", "silence", "no end", "HTTP/1.0"],
)
def test_a_stream_that_breaks_ends_with_an_error_and_not_as_if_done(fault: Fault) -> None:
    async def scene(fleet: Fleet) -> None:
        status, said, is_whole = await read_stream(fleet.live.http)
        events = said.split(b"\n\n")
        assert (status, is_whole, events[0]) == (200, True, event("a").strip())
        assert events[-1] == b""
        error = json.loads(events[-2].removeprefix(b"data: "))["error"]
        assert error["code"] in ("backend_failed", "backend_timeout")
        assert DONE not in said
        assert len(fleet.engines[0].heard) == 1, "it is not asked again"
        assert fleet.engines[1].heard == []
        assert fleet.live.counts()["failed"] == 1

    play(scene, Faulty(fault), Faulty())


def test_the_last_part_is_passed_on_before_the_end_is_missed() -> None:
    async def scene(fleet: Fleet) -> None:
        said = (await read_stream(fleet.live.http))[1]
        assert said.startswith(event("a") + event("b") + b'data: {"error":')

    play(scene, Faulty(says(STREAM + chunk(event("a")), chunk(event("b")) + END, gap=0.05)))


def test_a_stream_in_which_the_engine_itself_gives_up_has_failed() -> None:
    gives_up = b'data: {"error":{"message":"out of memory","code":500}}\n\n' + DONE

    async def scene(fleet: Fleet) -> None:
        status, said, is_whole = await read_stream(fleet.live.http)
        assert (status, is_whole, said) == (200, True, event("a") + gives_up)
        assert fleet.live.counts() == {"finished": 0, "refused": 0, "cancelled": 0, "failed": 1}

    play(scene, Faulty(says(STREAM + chunk(event("a")), chunk(gives_up) + END)))


def test_openais_client_raises_when_a_stream_breaks() -> None:
    async def scene(fleet: Fleet) -> None:
        stream = await fleet.live.openai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        assert (await anext(stream)).choices[0].delta.content == "a"
        with pytest.raises(openai.APIError, match="the backend failed"):
            await anext(stream)

    play(scene, Faulty(breaks_after(STREAM + chunk(event("a")))))


@pytest.mark.parametrize("reset", [True, False])
def test_a_whole_answer_that_breaks_is_no_answer(reset: bool) -> None:
    """Some of it was passed on: the client must see that it is not all."""
    half = whole(answer_of("well" * 50))[:-40]

    async def scene(fleet: Fleet) -> None:
        with pytest.raises(openai.APIConnectionError):
            await fleet.live.openai.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}]
            )
        await fleet.live.until(lambda: not fleet.live.num_there)
        assert fleet.live.counts() == {"finished": 0, "refused": 0, "cancelled": 0, "failed": 1}

    play(scene, Faulty(breaks_after(half, reset=reset)))


def test_a_stream_that_says_why_it_stopped_needs_no_done() -> None:
    last = event("b").replace(b"}]}", b'},"finish_reason":"stop"}]}')

    async def scene(fleet: Fleet) -> None:
        assert await read_stream(fleet.live.http) == (200, event("a") + last, True)
        assert fleet.live.counts()["finished"] == 1

    play(scene, Faulty(says(STREAM + chunk(event("a")), chunk(last) + END)))


def test_slow_bytes_are_waited_for_as_long_as_they_come() -> None:
    async def scene(fleet: Fleet) -> None:
        status, said, is_whole = await read_stream(fleet.live.http)
        assert (status, is_whole) == (200, True)
        assert said.endswith(DONE)
        assert said.count(b"delta") == 8

    play(scene, Faulty(streams(*"abcdefgh", gap=0.1)), read_time=0.4, first_byte_time=0.4)


# --- how often -----------------------------------------------------------------------------------


def test_retries_are_a_share_of_the_traffic() -> None:
    """An engine that fails all must not be asked three times as much for long."""

    async def scene(fleet: Fleet) -> None:
        for _ in range(40):
            assert (await fleet.post())[0] == 500
        retries = fleet.live.gateway.service.records.books.num_retries
        assert retries == len(fleet.engines[0].heard) - 40
        assert retries <= AT_START + 4

    play(scene, Faulty(fails("500 Broken")))


def test_when_one_of_two_dies_nobody_is_failed_who_had_not_begun() -> None:
    async def scene(fleet: Fleet) -> None:
        waiting = [asyncio.create_task(fleet.post(text=f"{i}")) for i in range(12)]
        await fleet.live.until(lambda: len(fleet.engines[0].heard) == 2)
        await fleet.peers[0].stop()
        answers = await asyncio.gather(*waiting)
        assert Counter(status for status, _, _ in answers) == {200: 12}
        assert {headers["x-semsched-backend"] for _, headers, _ in answers} == {"b1"}
        assert fleet.live.counts()["finished"] == 12

    slow = says(b"", whole(answer_of("well")), gap=0.05)
    play(scene, Faulty(hangs), Faulty(slow), seats=2, first_byte_time=5)


def test_what_is_dead_is_ejected_and_returns(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(fleet: Fleet) -> None:
        fleet.engines[0].is_healthy = False
        fleet.engines[0].how = breaks_after()
        await fleet.post()  # the failure is looked into at once
        await fleet.live.until(lambda: not fleet.is_up(0), within=8)
        heard = len(fleet.engines[0].heard)
        for _ in range(20):
            assert (await fleet.post())[0] == 200
        assert len(fleet.engines[0].heard) == heard
        fleet.engines[0].is_healthy, fleet.engines[0].how = True, well
        await fleet.live.until(lambda: fleet.is_up(0), within=8)
        assert (await fleet.post())[1]["x-semsched-backend"] == "b0"

    with looking_often(), caplog.at_level("INFO", "semsched.serve.fleet"):
        play(scene, Faulty(), Faulty())
    assert [said for said in caplog.messages if "b0" in said] == [
        "backend b0 is up",
        "backend b0 is down: /health: status 503",
        "backend b0 is up",
    ]


@pytest.mark.parametrize("fault", [fails("500 Broken"), breaks_after()], ids=["500", "reset"])
def test_an_engine_that_claims_to_be_well_and_fails_all_gets_little(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers /health, and it is always the one with the least to do."""

    async def scene(fleet: Fleet) -> None:
        answers = [await fleet.post() for _ in range(120)]
        failed = sum(status != 200 for status, _, _ in answers)
        assert failed <= 3, f"{failed} of 120 failed beside an engine that is well"
        assert len(fleet.engines[0].heard) <= 30

    play(scene, Faulty(fault), Faulty())
    assert "backend b0 rests for 5 s: it failed 5 requests in a row" in caplog.messages


def test_without_any_engine_it_is_said_at_once() -> None:
    async def scene(fleet: Fleet) -> None:
        fleet.engines[0].is_healthy = False
        await fleet.live.until(lambda: not fleet.is_up(0), within=8)
        status, headers, body = await fleet.post()
        assert (status, body["error"]["code"]) == (503, "no_backend")
        assert 1 <= int(headers["retry-after"]) <= 30
        assert fleet.live.counts()["refused"] == 1

    with looking_often():
        play(scene, Faulty())


def test_who_leaves_is_not_held_against_the_engine() -> None:
    async def scene(fleet: Fleet) -> None:
        for _ in range(5):
            leaving = asyncio.create_task(fleet.post())
            await fleet.live.until(lambda: fleet.live.gateway.service.desk.dispatcher.seated)
            leaving.cancel()
            await fleet.live.until(lambda: not fleet.live.num_there)
        assert fleet.is_up(0)
        assert fleet.live.counts()["cancelled"] == 5

    play(scene, Faulty(hangs), first_byte_time=9)


def test_an_engine_hears_no_claim_and_no_key() -> None:
    async def scene(fleet: Fleet) -> None:
        headers = {
            "authorization": "Bearer sk-mine",
            "x-request-priority": "0",
            "X-Vllm-Priority": "-9",
            "cookie": "a=b",
            "x-tag": "kept",
        }
        async with fleet.live.http.post(
            "/v1/chat/completions", json=ask(priority=0), headers=headers
        ) as answer:
            assert answer.status == 200
        head, _, body = fleet.engines[0].heard[0].partition(b"\r\n\r\n")
        for absent in (b"sk-mine", b"priority", b"cookie"):
            assert absent not in head.lower()
        assert b"x-tag: kept" in head
        assert b"priority" not in body

    play(scene, Faulty())
