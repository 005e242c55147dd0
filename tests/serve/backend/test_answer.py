"""An answer on its way: how it breaks off, and how one leaves it."""

import asyncio
from contextlib import suppress

import pytest

from semsched.serve.backend.answer import UpstreamError
from semsched.serve.backend.upstream import Upstream
from tests.serve.backend.peer import (
    CHAT,
    END,
    PATIENT,
    STREAM,
    Deaf,
    Scene,
    Script,
    answering,
    body_of,
    chunk,
    never_reads,
    play,
    says_nothing,
    then,
    until,
    whole,
)

EVENT = b"data: a\n\n"
SHORT = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"

IN_THE_MIDDLE = [
    pytest.param(then(SHORT, end="close"), "reset", b"only this", id="too-short"),
    pytest.param(then(SHORT, end="reset"), "reset", b"only this", id="too-short-reset"),
    pytest.param(then(SHORT), "timeout", b"only this", id="silent"),
    pytest.param(then(STREAM + chunk(EVENT), end="close"), "reset", EVENT, id="cut"),
    pytest.param(then(STREAM + chunk(EVENT), end="reset"), "reset", EVENT, id="reset"),
    pytest.param(then(STREAM + chunk(EVENT)), "timeout", EVENT, id="stream-silent"),
    pytest.param(then(STREAM + chunk(EVENT), b"zz\r\n", gap=0.05), "reset", EVENT, id="bad-chunk"),
]


@pytest.mark.parametrize(("script", "kind", "before"), IN_THE_MIDDLE)
def test_a_failure_in_the_middle_comes_after_what_was_there(
    script: Script, kind: str, before: bytes
) -> None:
    async def scene(scene: Scene) -> None:
        got: list[bytes] = []

        async def take() -> None:
            answer = await scene.upstream.open(CHAT, b"{}", [])
            async for data in answer.chunks():
                got[:] = [*got, data]

        with pytest.raises(UpstreamError) as caught:
            await take()
        assert (caught.value.kind, got) == (kind, [before])
        await scene.all_closed()

    play(script, scene)


def test_who_reads_on_after_a_malformed_chunk_is_told_so() -> None:
    async def scene(scene: Scene) -> None:
        answer = await scene.upstream.open(CHAT, b"{}", [])
        await asyncio.sleep(0.2)  # what is malformed comes while nobody reads
        with pytest.raises(UpstreamError) as caught:
            await body_of(answer)
        assert caught.value.kind == "reset"
        await scene.all_closed()

    play(then(STREAM + chunk(b"a"), b"zz\r\n", gap=0.05), scene, PATIENT)


def test_time_in_which_we_let_the_backend_wait_does_not_count() -> None:
    async def scene(scene: Scene) -> None:
        size = 0
        with await scene.upstream.open(CHAT, b"{}", []) as answer:
            await asyncio.sleep(0.6)  # twice what it may be silent
            async for data in answer.chunks():
                size += len(data)
        assert size == 20_000_000

    play(answering(STREAM + chunk(b"x" * 20_000_000) + END), scene)


# --- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
def test_a_backend_learns_at_once_that_nobody_listens(status: str) -> None:
    async def scene(scene: Scene) -> None:
        answer = await scene.upstream.open(CHAT, b"{}", [])
        answer.close()
        answer.close()
        await until(lambda: scene.peer.num_served == 1, within=0.25)
        await scene.all_closed()

    play(then(whole(b"", status).replace(b"length: 0", b"length: 9") + b"x"), scene)


def test_a_closed_answer_has_no_more() -> None:
    async def scene(scene: Scene) -> None:
        answer = await scene.upstream.open(CHAT, b"{}", [])
        answer.close()
        with pytest.raises(UpstreamError):
            await body_of(answer)

    play(then(STREAM + chunk(b"a")), scene)


async def leave(upstream: Upstream, size: int, after: float) -> None:
    """Ask, and go away while the answer is awaited or read."""

    async def ask() -> None:
        answer = await upstream.open(CHAT, b"x" * size, [])
        async for _ in answer.chunks():
            pass

    task = asyncio.create_task(ask())
    await asyncio.sleep(after)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("script", "size"),
    [
        pytest.param(never_reads, 30_000_000, id="uploading"),
        pytest.param(says_nothing, 2, id="before-the-head"),
        pytest.param(then(STREAM), 2, id="before-the-first-byte"),
        pytest.param(then(STREAM + chunk(b"a")), 2, id="mid-stream"),
        pytest.param(then(b"HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\n"), 2, id="an-error"),
    ],
)
def test_who_is_cancelled_leaves_nothing_behind(script: Script, size: int) -> None:
    async def scene(scene: Scene) -> None:
        await leave(scene.upstream, size, after=0.1)
        if script is never_reads:
            await scene.all_closed(within=0.25, but=1)  # the peer's own end
        else:
            await until(lambda: scene.peer.num_served == 1, within=0.25)
            await scene.all_closed()

    play(script, scene, PATIENT)


def test_an_upload_that_nobody_reads_ends_with_its_request() -> None:
    async def scene(scene: Scene) -> None:
        with pytest.raises(UpstreamError) as caught:
            await scene.upstream.open(CHAT, b"x" * 30_000_000, [])
        assert caught.value.kind == "timeout"
        await scene.all_closed(within=0.25, but=1)  # the peer's own end

    play(never_reads, scene)


def test_who_is_cancelled_while_it_connects_leaves_nothing_behind() -> None:
    async def scene(scene: Scene) -> None:
        async with Deaf() as url:
            await leave(Upstream(url, scene.session, PATIENT, None), 2, after=0.1)
        await scene.all_closed()

    play(says_nothing, scene)


def test_cancelled_at_any_step_it_leaves_nothing_behind() -> None:
    async def ask(upstream: Upstream) -> None:
        with await upstream.open(CHAT, b"x" * 100_000, []) as answer:
            await body_of(answer)

    async def scene(scene: Scene) -> None:
        num_cancelled = 0
        for steps in range(60):
            task = asyncio.create_task(ask(scene.upstream))
            for _ in range(steps):
                await asyncio.sleep(0)
            num_cancelled += task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert num_cancelled > 5
        await scene.session.close()
        await scene.all_closed()

    play(answering(STREAM + chunk(b"a"), chunk(b"b"), END), scene, PATIENT)
