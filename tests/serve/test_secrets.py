"""What clients send to break out, over real sockets: nothing is injected, nobody comes in without a
key, and nothing that is secret is written down."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from semsched.serve.keys import new_key
from semsched.web.failure import Header
from tests.serve import process
from tests.serve.faulty import CHAT, Faulty, Fleet, play, read_stream
from tests.serve.line import Line, is_well, request
from tests.serve.live import Live, ask, live

BODY = ask("my chest hurts and I cannot breathe")

# --- headers -------------------------------------------------------------------------------------

IDS = [b"a b", b"a\tb", b"x" * 129, b"\xc3\xa9", b'"><script>', b"${jndi:ldap://x}", b"a;b", b""]


def test_an_id_that_is_not_sane_comes_back_nowhere() -> None:
    async def scene(fleet: Fleet) -> None:
        for id in IDS:
            async with Line(fleet.live) as line:
                said = await line.ask(request(json.dumps(BODY).encode(), [(b"x-request-id", id)]))
            assert said.headers["x-request-id"].startswith("req-"), id
            assert b"x-request-id: req-" in fleet.engines[0].heard.pop()

    play(scene, Faulty())


TEXTS = [
    "chest pain\r\nx-evil: 1\r\n\r\n",
    "chest\npain\x00\x1b[31m\x7f",
    "brustschmerzen \u00e4\u00f6\u00fc \u80f8\u75db chest pain \U0001f621",
    "chest pain " * 10_000,
    "\u2028chest\u2029pain\x85",
]


def test_no_text_breaks_out_of_the_reason() -> None:
    async def scene(fleet: Fleet) -> None:
        for text in TEXTS:
            async with Line(fleet.live) as line:
                said = await line.ask(request(json.dumps(ask(text)).encode()))
            assert said.status == 200
            reason = said.headers["x-semsched-reason"]
            assert 0 < len(reason) <= 200
            assert reason.isascii()
            assert reason.isprintable()
            assert "x-evil" not in said.headers

    play(scene, Faulty())


def test_a_huge_head_is_refused() -> None:
    async def scene(there: Live) -> None:
        for name in (b"x-a", b"authorization", b"cookie"):
            async with Line(there) as line:
                said = await line.ask(request(b"{}", [(name, b"y" * 100_000)]))
            assert (said.status, said.code) == (413, "request_too_large")
        async with Line(there) as line:
            said = await line.ask(request(b"{}", [(b"x-%d" % i, b"y") for i in range(50_000)]))
        assert said.status == 413
        async with Line(there) as line:
            await line.say(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n")
            late = await line.answer()
        assert late is None or late.status == 413
        await is_well(there)

    live(scene)


# --- keys ----------------------------------------------------------------------------------------

KEY, DIGEST = new_key()
OTHER, OTHER_DIGEST = new_key()
KEYS: list[dict[str, Any]] = [
    {"tenant": "clinic", "ceiling": 0, "sha256": DIGEST},
    {"tenant": "shop", "ceiling": 3, "sha256": OTHER_DIGEST},
]
BAD_KEYS: list[list[Header]] = [
    [],
    [(b"authorization", b"")],
    [(b"authorization", b"Bearer ")],
    [(b"authorization", b"Bearer wrong")],
    [(b"authorization", b"Basic " + KEY.encode())],
    [(b"authorization", KEY.encode())],
    [(b"authorization", b"Bearer " + DIGEST.encode())],
    [(b"authorization", b"Bearer " + KEY.upper().encode())],
    [(b"authorization", b"Bearer " + KEY.encode() + b"x")],
    [(b"authorization", b"Bearer " + KEY.encode() + b" x")],
    [(b"authorization", b"Bearer " + KEY[:-1].encode())],
    [(b"authorization", b"Bearer " + KEY.encode())] * 2,
    [(b"authorization", b"Bearer " + OTHER.encode()), (b"x-api-key", KEY.encode())],
    [(b"authorization", b"Bearer " + b"k" * 5000)],
    [(b"x-api-key", b"\xff" * 20)],
    [(b"cookie", b"authorization=Bearer " + KEY.encode())],
    [(b"proxy-authorization", b"Bearer " + KEY.encode())],
]


def test_who_shows_no_key_or_two_is_nobody() -> None:
    async def scene(there: Live) -> None:
        for headers in BAD_KEYS:
            async with Line(there) as line:
                said = await line.ask(request(json.dumps(BODY).encode(), headers))
            assert (said.status, said.code) == (401, "invalid_api_key"), headers
        for query in (f"?api_key={KEY}", f"?key={KEY}", f"?authorization=Bearer%20{KEY}"):
            async with Line(there) as line:
                said = await line.ask(request(json.dumps(BODY).encode(), path=CHAT + query))
            assert said.status == 401
        good = [(b"authorization", b"bearer " + OTHER.encode()), (b"x-request-priority", b"0")]
        async with Line(there) as line:
            said = await line.ask(request(json.dumps(BODY).encode(), good))
        assert (said.status, said.headers["x-semsched-class"]) == (200, "low")

    live(scene, {"keys": KEYS})


# --- what is written down ------------------------------------------------------------------------

SECRET = "the-patient-is-called-rosalind"  # noqa: S105 - what a patient wrote


@pytest.mark.parametrize("level", ["debug", "error"])
def test_no_log_tells_what_was_asked_or_by_which_key(tmp_path: Path, level: str) -> None:
    async def act() -> str:
        config = {"keys": KEYS, "log": {"level": level}, "engine": {"speed": 100.0}}
        async with process.serving(tmp_path, config) as there:
            port = there.url.rpartition(":")[2]
            bearer = (b"authorization", b"Bearer " + KEY.encode())
            text = json.dumps(ask(f"chest pain {SECRET}", metadata={"a": SECRET})).encode()
            for body, headers, path in (
                (text, [bearer], CHAT),
                (text[:-1], [bearer], CHAT),
                (text, [(b"authorization", b"Bearer x" + KEY.encode())], CHAT),
                (text, [bearer, (b"x-request-priority", SECRET.encode())], CHAT),
                (text, [bearer, (b"bad header", b"x")], CHAT),
                (text, [bearer], f"{CHAT}?key={KEY}&q={SECRET}"),
                (text, [bearer], f"/{SECRET}?key={KEY}"),
                (b"[" * 100_000, [bearer], CHAT),
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
                writer.write(request(body, [*headers, (b"connection", b"close")], path))
                await reader.read()
                writer.transport.abort()
            there.process.terminate()
            assert await there.ended() == 0
            return there.errors

    errors = asyncio.run(act())
    for secret in (SECRET, KEY, KEY[12:], DIGEST, "chest"):
        assert secret not in errors
    assert ("clinic" in errors) == (level == "debug"), "requests are logged"


def test_no_log_of_a_library_tells_it_either(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever turns on all logs of a process still must not find keys of backends in them."""

    async def scene(fleet: Fleet) -> None:
        await read_stream(fleet.live.http, text=SECRET)

    caplog.set_level(logging.DEBUG)
    play(scene, Faulty())
    own = [record for record in caplog.records if record.name.startswith("semsched")]
    assert all(SECRET not in record.getMessage() for record in own)
