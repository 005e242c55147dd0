"""A backend over a real socket: what gets through, and what becomes of every way to fail."""

import socket

import pytest

from semsched.serve.backend.answer import UpstreamError
from semsched.serve.backend.upstream import Timeouts, Upstream
from tests.serve.backend.peer import (
    CHAT,
    END,
    LIMITS,
    PATIENT,
    STREAM,
    Call,
    Deaf,
    Scene,
    Script,
    answering,
    body_of,
    chunk,
    closes,
    play,
    resets,
    says_nothing,
    then,
    whole,
)

# --- what gets through ---------------------------------------------------------------------------


def test_a_stream_comes_from_its_first_byte_on_as_it_is_sent() -> None:
    async def scene(scene: Scene) -> None:
        with await scene.upstream.open(CHAT, b"{}", []) as answer:
            assert answer.is_stream
            assert answer.first == b"data: 1\n\n"
            got = [data async for data in answer.chunks()]
            assert got == [b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n"]

    parts = (STREAM + chunk(b"data: 1\n\n"), chunk(b"data: 2\n\n"), chunk(b"data: [DONE]\n\n"))
    play(answering(*parts, END, gap=0.02), scene)


def test_what_is_there_at_once_comes_at_once() -> None:
    async def scene(scene: Scene) -> None:
        with await scene.upstream.open(CHAT, b"{}", []) as answer:
            got = [data async for data in answer.chunks()]
            assert b"".join(got) == b"data: x\n\n" * 500
            assert len(got) <= 3

    play(answering(STREAM + chunk(b"data: x\n\n") * 500 + END), scene)


def test_the_backend_hears_the_body_the_headers_and_its_key() -> None:
    heard: list[bytes] = []

    async def script(call: Call) -> None:
        heard.append(await call.request())
        await call.send(whole(b"{}"))

    async def scene(scene: Scene) -> None:
        headers = [
            (b"User-Agent", "café".encode("latin-1")),
            (b"Content-Type", b"text/plain"),
            (b"x-request-id", b"one"),
        ]
        with await scene.upstream.open(CHAT + "?a=%2F", b'{"a":1}', headers):
            pass
        head, _, body = heard[0].partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        assert line == b"POST /v1/chat/completions?a=%2F HTTP/1.1"
        assert body == b'{"a":1}'
        assert sorted(line.lower() for line in rest) == [
            b"accept-encoding: identity",
            b"authorization: bearer sk-backend",
            b"content-length: 7",
            b"content-type: application/json",
            b"host: " + scene.url.removeprefix("http://").encode(),
            "user-agent: café".encode(),
            b"x-request-id: one",
        ]

    play(script, scene)


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/", "/deep", "/deep/v1"])
def test_the_base_may_end_with_v1_or_not(base: str) -> None:
    heard: list[bytes] = []

    async def script(call: Call) -> None:
        heard.append(await call.request())
        await call.send(whole(b"{}"))

    async def scene(scene: Scene) -> None:
        upstream = Upstream(scene.url + base, scene.session, LIMITS, None)
        with await upstream.open(CHAT, b"{}", []) as answer:
            assert await body_of(answer) == b"{}"
        deep = b"/deep" if "deep" in base else b""
        assert heard[0].startswith(b"POST " + deep + b"/v1/chat/completions HTTP")
        assert b"authorization" not in heard[0].lower()

    play(script, scene)


def test_headers_and_body_come_as_they_are() -> None:
    async def scene(scene: Scene) -> None:
        with await scene.upstream.open(CHAT, b"{}", []) as answer:
            assert answer.status == 429
            assert answer.headers == [
                (b"content-length", b"4"),
                (b"content-encoding", b"gzip"),
                (b"retry-after", b"7"),
            ]
            assert not answer.is_stream
            assert await body_of(answer) == b"\x1f\x8b\x00!"

    extra = "Content-Encoding: gzip\r\nServer: x\r\nRetry-After: 7\r\n"
    play(answering(whole(b"\x1f\x8b\x00!", "429 Too Many Requests", extra)), scene)


@pytest.mark.parametrize("status", ["204 No Content", "404 Not Found", "500 Oops"])
def test_any_status_is_an_answer(status: str) -> None:
    async def scene(scene: Scene) -> None:
        with await scene.upstream.open(CHAT, b"{}", []) as answer:
            assert answer.status == int(status[:3])
            assert answer.first == b""
            assert await body_of(answer) == b""
        assert scene.peer.num_connections == 1

    play(answering(whole(b"", status, "location: /elsewhere\r\n")), scene)


def test_no_cookie_comes_back() -> None:
    heard: list[bytes] = []

    async def script(call: Call) -> None:
        while request := await call.request():
            heard.append(request)
            await call.send(whole(b"{}", extra="set-cookie: session=1\r\n"))

    async def scene(scene: Scene) -> None:
        for _ in range(2):
            with await scene.upstream.open(CHAT, b"{}", []) as answer:
                await body_of(answer)
        assert len(heard) == 2
        assert b"cookie" not in heard[1].lower()

    play(script, scene)


def test_a_long_body_goes_up_whole() -> None:
    sizes: list[int] = []

    async def script(call: Call) -> None:
        sizes.append(len((await call.request()).partition(b"\r\n\r\n")[2]))
        await call.send(whole(b"{}"))

    async def scene(scene: Scene) -> None:
        with await scene.upstream.open(CHAT, b"x" * 8_000_000, []) as answer:
            assert await body_of(answer) == b"{}"
        assert sizes == [8_000_000]

    play(script, scene, PATIENT)


def test_a_slow_stream_is_no_silent_one() -> None:
    async def scene(scene: Scene) -> None:
        with await scene.upstream.open(CHAT, b"{}", []) as answer:
            assert await body_of(answer) == b"x" * 12

    drips = [chunk(b"x")] * 12
    play(answering(STREAM + drips[0], *drips[1:], END, gap=0.05), scene)


def test_a_connection_is_used_again_after_an_answer_was_read_to_its_end() -> None:
    async def scene(scene: Scene) -> None:
        for _ in range(3):
            with await scene.upstream.open(CHAT, b"{}", []) as answer:
                assert await body_of(answer) == b"data: 1\n\n"
        assert scene.peer.num_connections == 1
        with await scene.upstream.open(CHAT, b"{}", []) as answer:
            pass  # all of it is here, though nobody has read it
        with await scene.upstream.open(CHAT, b"{}", []) as answer:
            assert await body_of(answer) == b"data: 1\n\n"
        assert scene.peer.num_connections <= 2

    play(answering(STREAM + chunk(b"data: 1\n\n") + END), scene)


# --- failures before anything was passed on ------------------------------------------------------


BEFORE_THE_FIRST_BYTE = [
    pytest.param(resets, "reset", id="reset"),
    pytest.param(closes, "reset", id="closed"),
    pytest.param(says_nothing, "timeout", id="silent"),
    pytest.param(then(STREAM), "timeout", id="silent-after-head"),
    pytest.param(then(STREAM, end="reset"), "reset", id="reset-after-head"),
    pytest.param(then(STREAM, end="close"), "reset", id="closed-after-head"),
    pytest.param(then(b"HTTP/1.1 200 OK\r\n", end="close"), "reset", id="half-a-head"),
    pytest.param(
        then(b"HTTP/1.1 200 OK\r\nx: ", *[b"y"] * 90, gap=0.01), "timeout", id="dripping-head"
    ),
    pytest.param(then(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol", id="not-http"),
    pytest.param(
        then(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000 + b"\r\n\r\n"), "protocol", id="huge-head"
    ),
    pytest.param(
        then(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 9999 + b"\r\n"), "protocol", id="many-headers"
    ),
    pytest.param(then(whole(b"x", extra="content-length: 2\r\n")), "protocol", id="two-lengths"),
    pytest.param(then(STREAM + b"zz\r\n"), "protocol", id="bad-chunk"),
    pytest.param(
        then(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
        "protocol",
        id="upgrade",
    ),
]


@pytest.mark.parametrize(("script", "kind"), BEFORE_THE_FIRST_BYTE)
def test_a_failure_before_the_first_byte_has_a_kind_and_leaves_nothing(
    script: Script, kind: str
) -> None:
    async def scene(scene: Scene) -> None:
        with pytest.raises(UpstreamError) as caught:
            await scene.upstream.open(CHAT, b'{"a":1}', [])
        assert caught.value.kind == kind
        assert str(caught.value)
        await scene.all_closed()

    play(script, scene)


def test_a_malformed_chunk_is_found_out_long_before_the_time_is_up() -> None:
    async def scene(scene: Scene) -> None:
        with pytest.raises(UpstreamError) as caught:
            await scene.upstream.open(CHAT, b"{}", [])
        assert caught.value.kind == "reset"
        await scene.all_closed()

    play(then(STREAM, b"zz\r\n", gap=0.05), scene, PATIENT)


def test_a_backend_that_is_not_there_was_never_asked() -> None:
    async def scene(scene: Scene) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        upstream = Upstream(f"http://127.0.0.1:{port}", scene.session, LIMITS, None)
        with pytest.raises(UpstreamError) as caught:
            await upstream.open(CHAT, b"{}", [])
        assert caught.value.kind == "connect"
        await scene.all_closed()

    play(says_nothing, scene)


def test_one_that_does_not_pick_up_was_never_asked_either() -> None:
    async def scene(scene: Scene) -> None:
        async with Deaf() as url:
            upstream = Upstream(url, scene.session, Timeouts(0.1, 5, 5), None)
            with pytest.raises(UpstreamError) as caught:
                await upstream.open(CHAT, b"{}", [])
            assert caught.value.kind == "connect"

    play(says_nothing, scene)


def test_speaking_tls_to_one_that_does_not_is_a_failure_to_connect() -> None:
    async def scene(scene: Scene) -> None:
        url = scene.url.replace("http:", "https:")
        upstream = Upstream(url, scene.session, PATIENT, None)
        with pytest.raises(UpstreamError) as caught:
            await upstream.open(CHAT, b"{}", [])
        assert caught.value.kind == "connect"
        await scene.all_closed()

    async def plain(call: Call) -> None:
        await call.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    play(plain, scene)


# --- small answers -------------------------------------------------------------------------------


def test_a_small_answer_is_read_whole() -> None:
    async def scene(scene: Scene) -> None:
        assert await scene.upstream.get("/health", 1.0, 100) == (503, b"starting")

    play(answering(whole(b"starting", "503 Service Unavailable")), scene)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(then(whole(b"x" * 999)[:-1]), "protocol", id="too-long"),
        pytest.param(says_nothing, "timeout", id="silent"),
        pytest.param(
            then(STREAM + chunk(b"x"), *[chunk(b"x")] * 99, gap=0.02), "timeout", id="drip"
        ),
        pytest.param(resets, "reset", id="reset"),
    ],
)
def test_a_small_answer_must_be_small_and_soon(script: Script, kind: str) -> None:
    async def scene(scene: Scene) -> None:
        with pytest.raises(UpstreamError) as caught:
            await scene.upstream.get("/metrics", 0.2, 100)
        assert caught.value.kind == kind
        await scene.all_closed()

    play(script, scene, PATIENT)
