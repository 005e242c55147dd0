"""Clients that mean harm, over real sockets: nobody gets above his ceiling, and nobody takes the
gateway from others."""

import asyncio
import json
from typing import Any

from semsched.request import CLASS_NAMES
from semsched.web.failure import Header
from tests.serve.backend.peer import Call
from tests.serve.faulty import CHAT, Faulty, Fleet, play, well
from tests.serve.line import Line, Said, is_well, request
from tests.serve.live import Live, ask, live
from tests.serve.test_forged_claims import cases

CEILING = 2
CEILED: dict[str, Any] = {"anonymous": {"ceiling": CEILING}}
JSON: Header = (b"content-type", b"application/json")


# --- claims --------------------------------------------------------------------------------------

BODY = ask("my chest hurts and I cannot breathe")


def test_a_thousand_forged_claims_reach_nothing_above_the_ceiling() -> None:
    forged = list(cases())
    assert len(forged) >= 1000

    async def scene(fleet: Fleet) -> None:
        served = 0
        for headers, body, _ in forged:
            async with Line(fleet.live) as line:
                await line.say(request(json.dumps({**BODY, **body}).encode(), [JSON, *headers]))
                said = await line.answer()
            if said is not None and said.status == 200:
                served += 1
                assert CLASS_NAMES.index(said.headers["x-semsched-class"]) >= CEILING, headers
        [engine] = fleet.engines
        assert len(engine.heard) == served > 300
        for heard in engine.heard:
            head, _, content = heard.partition(b"\r\n\r\n")
            told = json.loads(content)
            assert told["priority"] >= CEILING * 2**32
            assert "service_tier" not in told
            assert b"priority" not in head.lower()
        accepted = fleet.live.gateway.service.records.books.accepted
        assert accepted[:CEILING] == [0, 0]

    play(scene, Faulty(), config=CEILED, kind="vllm")


TWICE = [
    ('{"priority":4,"priority":0}', 200, 2),
    ('{"priority":0,"priority":4}', 200, 4),
    ('{"priority":0,"\\u0070riority":4}', 200, 4),
    ('{"priority":4,"\\u0070riority":0}', 200, 2),
    ('{"priority":4,"priority":"what"}', 400, 0),
]


def test_of_a_key_that_comes_twice_the_engine_hears_what_was_judged() -> None:
    async def scene(fleet: Fleet) -> None:
        rest = '{"model":"m","messages":[{"role":"user","content":"x"}],'
        for text, status, urgency in TWICE:
            content = text.replace("{", rest, 1).encode()
            async with Line(fleet.live) as line:
                assert (await line.ask(request(content))).status == status
            if status == 200:
                told = fleet.engines[0].heard.pop().partition(b"\r\n\r\n")[2]
                assert told.count(b"riority") == 1
                assert json.loads(told)["priority"] >> 32 == urgency

    play(scene, Faulty(), config=CEILED, kind="vllm")


# --- bodies --------------------------------------------------------------------------------------


BODIES = [
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "invalid_json"),
    (b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, "invalid_json"),
    (b'{"messages":[{"role":"user","content":"\xff\xfe"}]}', 400, "invalid_json"),
    (b'{"messages":[{"role":"user","content":"\\ud800"}]}', 400, "invalid_json"),
    (b"\xef\xbb\xbf{}", 400, "invalid_json"),
    (b"x" * 10 * 2**20, 413, "request_too_large"),
    (b'{"messages":"' + b" " * 10 * 2**20 + b'"}', 413, "request_too_large"),
    *((content, 400, "invalid_json") for content in (b"", b"\0", b"{}{}")),
]


def test_bodies_that_mean_harm_are_refused() -> None:
    async def scene(fleet: Fleet) -> None:
        for body, status, code in BODIES:
            async with Line(fleet.live) as line:
                said = await line.ask(request(body))
            assert (said.status, said.code) == (status, code), body[:50]
            assert fleet.engines[0].heard == []
        await is_well(fleet.live)

    play(scene, Faulty())


MODELS = [b'"' + b"m" * 100_000 + b'"', b"[" * 400 + b"]" * 400, b"{}", b"1e308", b"null"]


def test_any_model_may_be_named() -> None:
    """What a model is called decides nothing here; and such names must not pile up."""

    async def scene(fleet: Fleet) -> None:
        for model in MODELS:
            body = b'{"model":%b,"messages":[{"role":"user","content":"hi"}]}' % model
            async with Line(fleet.live) as line:
                assert (await line.ask(request(body))).status in (200, 400)
        async with fleet.live.http.get("/metrics") as answer:
            assert len(await answer.read()) < 100_000
        await is_well(fleet.live)

    play(scene, Faulty())


def test_a_chunked_body_may_have_trailers_that_claim_nothing() -> None:
    content = json.dumps(BODY).encode()

    async def scene(fleet: Fleet) -> None:
        head = b"POST %b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" % CHAT.encode()
        chunks = b"%x;a=b\r\n%b\r\n0\r\n" % (len(content), content)
        async with Line(fleet.live) as line:
            said = await line.ask(head + chunks + b"x-request-priority: 0\r\nx-evil: 1\r\n\r\n")
            assert said.status == 200
            assert CLASS_NAMES.index(said.headers["x-semsched-class"]) >= CEILING
            await line.say(request(content))
            assert await line.answer(), "the connection goes on"
        assert b"evil" not in b"".join(fleet.engines[0].heard)

    play(scene, Faulty(), config=CEILED)


SMUGGLED = request(json.dumps({**BODY, "priority": 0}).encode())


HEADS = [
    b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"content-length: 2\r\ncontent-length: 200\r\n\r\n{}" + SMUGGLED,
    b"content-length: +2\r\n\r\n{}",
    b"content-length: 0x2\r\n\r\n{}",
    b"content-length: -1\r\n\r\n{}",
    b"content-length: 99999999999999999999999\r\n\r\n{}",
    b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"x-a: b\n\n" + SMUGGLED,
    b"x-a\0: b\r\n\r\n",
    b" folded: x\r\n\r\n",
]


def test_a_head_with_two_meanings_is_no_request() -> None:
    async def scene(fleet: Fleet) -> None:
        async def one(head: bytes) -> None:
            async with Line(fleet.live) as line:
                await line.say(b"POST %b HTTP/1.1\r\nhost: x\r\n" % CHAT.encode() + head)
                said = await line.answer()
                assert said is None or said.status in (400, 408, 413), head
                assert await line.answer() is None, "and nothing after it is heard"

        await asyncio.gather(*map(one, HEADS))
        assert fleet.engines[0].heard == []

    play(scene, Faulty(), config={"server": {"body_time": 0.3, "head_time": 0.5}})


def test_requests_in_one_breath_are_answered_one_by_one() -> None:
    async def scene(fleet: Fleet) -> None:
        many = [request(json.dumps(ask(f"{i}")).encode()) for i in range(20)]
        async with Line(fleet.live) as line:
            await line.say(b"".join(many))
            for _ in many:
                said = await line.answer()
                assert said is not None
                assert said.status == 200
        assert len(fleet.engines[0].heard) == 20

    play(scene, Faulty())


def test_who_leaves_after_many_requests_in_one_breath_runs_none_of_the_rest() -> None:
    """While some wait in the connection nobody reads it: leaving is seen with the answer."""

    async def slowly(call: Call) -> None:
        await asyncio.sleep(0.2)
        await well(call)

    async def scene(fleet: Fleet) -> None:
        async with Line(fleet.live) as line:
            await line.say(b"".join([request(json.dumps(BODY).encode())] * 20))
            await fleet.live.until(lambda: fleet.engines[0].heard)
        await fleet.live.until(lambda: not fleet.live.num_there)
        await asyncio.sleep(0.1)
        assert len(fleet.engines[0].heard) <= 2

    play(scene, Faulty(slowly))


# --- slowness ------------------------------------------------------------------------------------


def test_slow_heads_and_bodies_cost_others_nothing() -> None:
    async def drip(there: Live, start: bytes) -> Said | None:
        async with Line(there) as line:
            talking = asyncio.create_task(line.say(start, *[b"x"] * 200, gap=0.05))
            said = await line.answer()
            talking.cancel()
            return said

    async def scene(there: Live) -> None:
        head = b"POST %b HTTP/1.1\r\nhost: x\r\n" % CHAT.encode()
        starts = [head + b"x-a: "] * 50 + [head + b"content-length: 500\r\n\r\n{"] * 50
        dripping = [asyncio.create_task(drip(there, start)) for start in starts]
        for _ in range(10):
            await is_well(there)
        ends = await asyncio.gather(*dripping)
        assert ends[:50] == [None] * 50, "no head, no answer"
        assert [said and said.code for said in ends[50:]] == ["body_timeout"] * 50

    live(scene, {"server": {"head_time": 0.6, "body_time": 0.6}})


def test_one_who_does_not_read_his_stream_holds_up_nobody() -> None:
    big = Faulty()

    async def gushes(call: Call) -> None:
        if b'"stream": true' not in big.heard[-1]:
            await well(call)
            return
        data = b"data: " + b"x" * 60_000 + b"\n\n"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
        await call.send(head, *[data] * 1000)

    async def scene(fleet: Fleet) -> None:
        async with Line(fleet.live) as line:
            await line.say(request(json.dumps(ask(stream=True)).encode()))
            await fleet.live.until(lambda: fleet.engines[0].heard)
            for _ in range(20):
                await is_well(fleet.live)
            assert fleet.live.num_there == 1
        await fleet.live.until(lambda: not fleet.live.num_there)
        assert fleet.live.counts()["cancelled"] == 1

    big.how = gushes
    play(scene, big)
