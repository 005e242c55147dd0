"""The stream: whole frames, the latest first, silence broken by pings, bounded listeners."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

import msgspec
import pytest
from msgspec.structs import replace

from semsched.serve.board import (
    MAX_LISTENERS,
    Backend,
    Clue,
    Counts,
    Ended,
    Feed,
    Lane,
    Queue,
    Running,
    Snapshot,
    TooManyListenersError,
    Ttft,
    Waiting,
)

HOSTILE = "</script><img src=x onerror=alert(1)>\r\n\ndata: {}\u2028\u202e\"'&\x00"
RETRY = b"retry: 1000\n\n"
PING = b"event: ping\ndata: 1\n\n"


def snapshot(text: str = "ward-7", at: float = 100.0) -> Snapshot:
    """One of everything, with `text` wherever a client could put its own."""
    running = Running(text, 0, text, 1.0, 3, 40)
    ended = Ended(text, 1, text, "failed", "x", 0.1, None, 2.0, 40, 3, text, [Clue(text, text)])
    return Snapshot(
        at=at,
        uptime=at,
        policy=text,
        state="serving",
        queue=Queue([Lane(0, 1, 2.5, 900)], 512, 900, 64_000_000, 1.5),
        waiting=[Waiting(text, 0, text, 2.5, 10, 40, text)],
        backends=[Backend(text, "vllm", False, text, 8, 1, 1, None, 12.0, [running])],
        recent=[ended],
        ttft=[Ttft(0, [None, 0.5], [None, 0.9])],
        counts=[Counts(0, 5, 1, 1, 1, 1)],
        clamped=2,
        retries=1,
    )


def run(test: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


async def take(frames: AsyncIterator[bytes], number: int) -> list[bytes]:
    return [await anext(frames) for _ in range(number)]


def data_of(frame: bytes) -> Snapshot:
    """As a browser reads it: lines up to an empty one."""
    lines = frame.split(b"\n")
    assert lines[0] == b"event: snapshot"
    assert lines[2:] == [b"", b""]
    assert b"\r" not in frame
    return msgspec.json.decode(lines[1].removeprefix(b"data: "), type=Snapshot)


def test_a_listener_gets_a_snapshot_at_once() -> None:
    async def test() -> None:
        feed = Feed(snapshot, interval=3600)
        retry, first = await take(feed.listen(), 2)
        assert retry == RETRY
        assert data_of(first) == snapshot()

    run(test)


def test_hostile_text_arrives_as_it_was_and_breaks_no_frame() -> None:
    async def test() -> None:
        _, first = await take(Feed(lambda: snapshot(HOSTILE)).listen(), 2)
        assert data_of(first) == snapshot(HOSTILE)

    run(test)


def test_what_is_no_number_is_null() -> None:
    async def test() -> None:
        _, first = await take(Feed(lambda: replace(snapshot(), at=float("inf"))).listen(), 2)
        assert b'{"at":null,' in first

    run(test)


def test_only_news_are_sent_and_silence_is_broken_by_pings() -> None:
    calls = iter(range(1000))

    def changing() -> Snapshot:
        number = next(calls)
        return replace(snapshot(at=float(number)), retries=number // 8)

    async def test() -> None:
        feed = Feed(changing, interval=0.004, ping_time=0.012)
        frames = await take(feed.listen(), 8)
        assert frames.pop(0) == RETRY
        kinds = [frame == PING for frame in frames]
        assert kinds[:3] == [False, True, True]
        news = [data_of(frame).retries for frame in frames if frame != PING]
        assert news == list(range(len(news)))
        assert len(news) > 1

    run(test)


def test_a_slow_listener_gets_the_latest_not_the_next() -> None:
    calls = iter(range(1000))

    async def test() -> None:
        feed = Feed(lambda: replace(snapshot(), retries=next(calls)), interval=0.001)
        slow, quick = feed.listen(), feed.listen()
        await take(slow, 2)
        last = data_of((await take(quick, 20))[-1])
        assert data_of((await take(slow, 1))[0]).retries >= last.retries
        assert last.retries >= 10

    run(test)


def test_listeners_share_a_snapshot() -> None:
    calls = 0

    def counted() -> Snapshot:
        nonlocal calls
        calls += 1
        return snapshot()

    async def test() -> None:
        feed = Feed(counted, interval=3600)
        listeners = [feed.listen() for _ in range(10)]
        frames = [(await take(one, 2))[1] for one in listeners]
        assert len({id(frame) for frame in frames}) == 1
        assert calls == 1

    run(test)


def test_one_too_many_is_told_so_and_a_place_given_back_is_free() -> None:
    async def test() -> None:
        feed = Feed(snapshot, interval=3600)
        listeners = [feed.listen() for _ in range(MAX_LISTENERS)]
        for one in listeners:
            await anext(one)
        assert feed.num_listeners == MAX_LISTENERS
        with pytest.raises(TooManyListenersError):
            feed.listen()
        await listeners[0].aclose()
        assert feed.num_listeners == MAX_LISTENERS - 1
        assert await anext(feed.listen()) == RETRY

    run(test)


def test_who_was_let_in_at_the_same_moment_as_the_last_gets_an_empty_stream() -> None:
    async def test() -> None:
        feed = Feed(snapshot, interval=3600)
        listeners = [feed.listen() for _ in range(MAX_LISTENERS + 1)]
        for one in listeners[:-1]:
            await anext(one)
        assert [frame async for frame in listeners[-1]] == []
        assert feed.num_listeners == MAX_LISTENERS

    run(test)


def test_who_never_listens_keeps_no_place() -> None:
    async def test() -> None:
        feed = Feed(snapshot)
        for _ in range(2 * MAX_LISTENERS):
            feed.listen()
        assert feed.num_listeners == 0

    run(test)


def test_a_feed_that_closes_ends_its_streams() -> None:
    async def test() -> None:
        feed = Feed(snapshot, interval=3600)
        frames = feed.listen()
        await take(frames, 2)
        waiting = asyncio.ensure_future(anext(frames, None))
        await asyncio.sleep(0)
        feed.close()
        assert await waiting is None
        assert feed.num_listeners == 0

    run(test)


def test_a_snapshot_that_cannot_be_taken_ends_the_stream_and_frees_the_place() -> None:
    def broken() -> Snapshot:
        raise RuntimeError("broken")

    async def test() -> None:
        feed = Feed(broken)
        frames = feed.listen()
        assert await anext(frames) == RETRY
        with pytest.raises(RuntimeError, match="broken"):
            await anext(frames)
        assert feed.num_listeners == 0

    run(test)
