import asyncio
import logging
from time import monotonic

import pytest

from semsched.web.farewell import LINGER
from semsched.web.limits import Limits
from tests.web.peers import LOOPS, MUCH, App, Connect, Peer, serve

pytestmark = pytest.mark.parametrize("loop", LOOPS)

ASK = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi"
WATCH = ASK.replace(b" / ", b" /watch ")
LONG = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000
BIG = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n"


async def drip(peer: Peer, drop: bytes, seconds: float) -> None:
    until = monotonic() + seconds
    while monotonic() < until:
        await peer.say(drop)
        await asyncio.sleep(0.01)


# --- connections ---------------------------------------------------------------------------------


def test_one_connection_too_many_is_told_so_and_let_go(loop: str) -> None:
    async def scene(app: App, connect: Connect) -> None:
        first, second, third = [await connect() for _ in range(3)]
        await third.say(ASK)
        status, headers, body = await third.answer()
        assert (status, headers["connection"]) == (503, "close")
        assert b"too_many_connections" in body
        assert int(headers["retry-after"]) >= 1
        assert await third.closed(within=1)
        assert app.paths == []
        for peer in (first, second):
            await peer.say(ASK)
            assert (await peer.answer())[::2] == (200, b"hi")

    serve(loop, Limits(max_connections=2), scene)


def test_it_makes_room_when_another_leaves(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        first = await connect()
        await first.say(ASK)
        assert (await first.answer())[0] == 200
        first.close()
        async with asyncio.timeout(5):
            while True:
                second = await connect()
                await second.say(ASK)
                if (await second.answer())[0] == 200:
                    return

    serve(loop, Limits(max_connections=1), scene)


def test_one_too_many_that_says_nothing_is_let_go_soon(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        await connect()
        assert await (await connect()).closed(within=LINGER + 1)

    serve(loop, Limits(max_connections=1, head_time=60), scene)


def test_one_too_many_that_still_sends_can_read_its_answer(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        await connect()
        peer = await connect()
        await peer.say(BIG + b"x" * 100_000)
        assert await peer.failure() == (503, "too_many_connections")

    serve(loop, Limits(max_connections=1), scene)


# --- heads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [b"", b"POST /", b"POST / HTTP/1.1\r\nhost: a\r\n"])
def test_who_does_not_finish_a_head_in_time_is_cut(loop: str, start: bytes) -> None:
    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        if start:
            await peer.say(start)
        assert await peer.closed(within=2)
        assert app.paths == []

    serve(loop, Limits(head_time=0.1), scene)


def test_dripping_bytes_buys_no_time(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            await drip(peer, b"a: b\r\n", 5)

    serve(loop, Limits(head_time=0.1), scene)


def test_nor_does_an_earlier_request(loop: str) -> None:
    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK)
        assert (await peer.answer())[0] == 200
        await peer.say(ASK[:10])
        assert await peer.closed(within=2)
        assert app.paths == ["/"]

    serve(loop, Limits(head_time=0.1), scene)


def test_who_waits_for_an_answer_is_not_late(loop: str) -> None:
    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /wait "))
        await asyncio.sleep(0.2)
        app.go_on.set()
        assert (await peer.answer())[0] == 200

    serve(loop, Limits(head_time=0.05), scene)


def test_nor_is_who_sent_the_next_ones_meanwhile(loop: str) -> None:
    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /wait ") + ASK + ASK[:10])
        await asyncio.sleep(0.2)
        app.go_on.set()
        for _ in range(2):
            assert (await peer.answer())[::2] == (200, b"hi")
        await peer.say(ASK[10:])
        assert (await peer.answer())[::2] == (200, b"hi")

    serve(loop, Limits(head_time=0.15), scene)


def test_many_in_one_breath_are_answered_in_their_order(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        saying = asyncio.create_task(peer.say((ASK + LONG) * 10))
        for _unused in range(10):
            assert (await peer.answer())[::2] == (200, b"hi")
            assert (await peer.answer())[::2] == (200, b"x" * 100_000)
        await saying

    serve(loop, Limits(), scene)


@pytest.mark.parametrize("pieces", [1, 40])
@pytest.mark.parametrize("name", [b"a", b"a" * 3000])
def test_a_head_is_bounded(loop: str, name: bytes, pieces: int) -> None:
    """Whether it comes at once or in pieces, in one header or in many."""

    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        lines = (name + b": b\r\n") * (4000 // len(name) + 1) * 2
        head = b"GET / HTTP/1.1\r\nhost: a\r\n" + lines + b"\r\n"
        step = len(head) // pieces + 1
        for at in range(0, len(head), step):
            await peer.say(head[at : at + step])
            await asyncio.sleep(0)
        assert await peer.failure() == (413, "request_too_large")
        assert await peer.closed(within=1)
        assert app.paths == []

    serve(loop, Limits(max_head_bytes=4000), scene)


def test_a_head_without_end_is_bounded(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(b"GET /")
        for _unused in range(5):
            await peer.say(b"a" * 1000)
            await asyncio.sleep(0.01)
        assert await peer.failure() == (413, "request_too_large")

    serve(loop, Limits(max_head_bytes=2000), scene)


def test_each_head_has_its_own_bound(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        for _unused in range(3):
            await peer.say(ASK[:5])
            await asyncio.sleep(0.02)
            await peer.say(ASK[5:])
            assert (await peer.answer())[::2] == (200, b"hi")

    serve(loop, Limits(max_head_bytes=len(ASK) * 3 // 2), scene)


def test_a_large_body_after_it_is_none_of_its_business(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        for _unused in range(2):
            await peer.say(ASK.replace(b": 2", b": 5000")[:-2])
            await peer.say(b"x" * 5000)
            assert (await peer.answer())[::2] == (200, b"x" * 5000)

    serve(loop, Limits(max_head_bytes=200), scene)


def test_what_trails_a_body_is_no_header(loop: str) -> None:
    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        head = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
        await peer.say(head + b"2\r\nhi\r\n0\r\nauthorization: me\r\n\r\n")
        assert (await peer.answer())[::2] == (200, b"hi")
        assert app.headers == [[(b"transfer-encoding", b"chunked")]]

    serve(loop, Limits(), scene)


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n"])
def test_what_is_not_http_is_told_so(
    loop: str, nonsense: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(nonsense)
        assert await peer.failure() == (400, "invalid_http")
        assert await peer.closed(within=1)

    serve(loop, Limits(), scene)
    assert "Traceback" not in capfd.readouterr().err


def test_nonsense_during_an_answer_ends_it(loop: str) -> None:
    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /wait ") + b"\x00\x00")
        assert await peer.closed(within=1)
        app.go_on.set()

    serve(loop, Limits(), scene)


# --- bodies --------------------------------------------------------------------------------------


def test_a_slow_body_is_told_so_and_cut(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK[:-1])
        assert await peer.failure() == (408, "body_timeout")
        assert await peer.closed(within=LINGER + 1)

    serve(loop, Limits(body_time=0.1), scene)


def test_who_goes_on_sending_what_is_too_large_is_cut(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(BIG + b"x" * 1001)
        assert await peer.failure() == (413, "request_too_large")
        with pytest.raises(ConnectionError):
            await drip(peer, b"x", LINGER + 2)

    serve(loop, Limits(max_body_bytes=1000), scene)


def test_who_finishes_sending_what_is_too_large_may_ask_again(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(BIG.replace(b"9000000", b"2000") + b"x" * 1500)
        assert await peer.failure() == (413, "request_too_large")
        await peer.say(b"x" * 500)
        assert not await peer.closed(within=LINGER + 0.2)
        await peer.say(ASK)
        assert (await peer.answer())[::2] == (200, b"hi")

    serve(loop, Limits(max_body_bytes=1000), scene)


# --- who leaves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_rude", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize(
    ("at_once", "later"),
    [(WATCH, ASK), (WATCH, LONG), (WATCH + ASK, b""), (WATCH + ASK, ASK * 3)],
    ids=["next", "long", "both", "many"],
)
def test_who_has_sent_the_next_and_leaves_is_missed_at_once(
    loop: str, at_once: bytes, later: bytes, is_rude: bool
) -> None:
    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(at_once)
        await app.until(lambda: app.paths)
        if later:
            await peer.say(later)
        await asyncio.sleep(0.05)
        peer.reset() if is_rude else peer.close()
        await app.until(lambda: app.num_gone, within=0.25)
        await app.until(lambda: not app.connections)
        assert app.paths == ["/watch"]

    serve(loop, Limits(), scene)


def test_who_leaves_after_a_large_body_is_missed_at_once(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semsched.web.protocol.LOOK_EVERY", 60)  # it is read from, and so noticed

    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(LONG.replace(b" / ", b" /watch "))
        await app.until(lambda: app.paths)
        await asyncio.sleep(0.05)
        peer.close()
        await app.until(lambda: app.num_gone, within=0.25)

    serve(loop, Limits(), scene)


def test_who_is_hung_up_on_gets_what_was_sent(loop: str) -> None:
    async def scene(_: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /bye "))
        said = await peer.rest()
        assert said.startswith(b"HTTP/1.1 200")
        assert said.endswith(b"\r\n\r\n")

    serve(loop, Limits(), scene)


@pytest.mark.parametrize("later", [b"", ASK, b"\x00\x00"], ids=["", "next", "nonsense"])
def test_who_stops_reading_is_let_go_whatever_he_sends(
    loop: str, later: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semsched.web.protocol.STALL_TIME", 0.2)

    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /flood "))
        await app.until(lambda: app.paths)
        if later:
            await peer.say(later)
        await app.until(lambda: app.num_gone, within=2)
        await app.until(lambda: not app.connections, within=0.25)
        assert app.paths == ["/flood"]

    serve(loop, Limits(), scene)


def test_who_reads_slowly_is_served(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsched.web.protocol.STALL_TIME", 1.0)

    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /flood "))
        for _ in range(4):
            await asyncio.sleep(0.3)
            await peer.take(20_000_000)
        assert not app.num_gone

    serve(loop, Limits(), scene)


def test_who_has_his_whole_answer_may_take_his_time(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semsched.web.protocol.STALL_TIME", 0.05)

    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /much "))
        await app.until(lambda: app.paths)
        await asyncio.sleep(0.3)
        assert (await peer.answer())[2] == MUCH

    serve(loop, Limits(), scene)


def test_nor_does_the_head_of_an_answer_wait_for_him(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semsched.web.protocol.STALL_TIME", 0.2)

    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /much ") + ASK)
        await app.until(lambda: len(app.paths) == 2)
        assert app.connections
        await app.until(lambda: not app.connections, within=2)
        assert app.paths == ["/much", "/"]

    serve(loop, Limits(), scene)


def test_one_who_has_left_may_be_hung_up_on(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(app: App, connect: Connect) -> None:
        peer = await connect()
        await peer.say(ASK.replace(b" / ", b" /drop "))
        await app.until(lambda: app.paths)
        peer.close()
        await app.until(lambda: not app.connections)
        await asyncio.sleep(0.02)  # the socket is closed after that
        app.go_on.set()
        await asyncio.sleep(0.02)

    with caplog.at_level(logging.WARNING):
        serve(loop, Limits(), scene)
    assert not caplog.records
