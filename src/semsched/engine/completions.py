"""Completions: from the body of a request to the tokens of its answer. The hot path."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from semsched.engine.answers import Limits, draw_answer
from semsched.engine.body import Body, read_body
from semsched.engine.client import Client, GoneError, Header
from semsched.engine.dialect import Dialect
from semsched.engine.embedded import EmbeddedEngine
from semsched.engine.failure import ApiError
from semsched.engine.faults import Fault, FaultBox
from semsched.engine.generation import Generation, Job, RefusedError
from semsched.engine.wire import Wire, event

DEFAULT_MAX_TOKENS = 4096
"""Longest answer to a client that names no limit, if the engine can hold it."""

_EVENTS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
]


@dataclass(frozen=True, slots=True)
class Service:
    """What the handlers share."""

    engine: EmbeddedEngine
    faults: FaultBox
    model: str
    """The name that is listed; any other is answered, too."""
    seed: int
    max_body_bytes: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request under way."""

    client: Client
    body: Body
    generation: Generation
    wire: Wire
    fault: Fault


class Completions:
    """An ASGI handler that speaks one dialect."""

    def __init__(self, service: Service, dialect: Dialect) -> None:
        self._service = service
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        client = Client(scope, receive, send)
        try:
            content = await client.body(self._service.max_body_bytes)
            await self._meet(client, content, self._service.faults.next())
        except ApiError as error:
            await client.answer(error.status, error.body, error.headers)
        except GoneError:
            return

    async def _meet(self, client: Client, content: bytes, fault: Fault) -> None:
        match fault.kind:
            case "error":
                raise ApiError(500, "injected_fault", "a fault on purpose")
            case "hang":
                await client.leave()
            case "reset":
                await client.hang_up(reset=True)
            case _:
                await self._answer(self._begin(client, content, fault))

    def _begin(self, client: Client, content: bytes, fault: Fault) -> Exchange:
        """Hand the request to the engine; raises ApiError."""
        body, service = read_body(content), self._service
        prompt = self._dialect.prompt(body)
        room = max(service.engine.profile.kv_tokens - prompt.num_tokens, 1)
        limits = Limits(
            body.limit or max(min(DEFAULT_MAX_TOKENS, room), body.min_tokens),
            body.min_tokens,
            body.ignore_eos,
        )
        seed = service.seed if body.seed is None else body.seed
        answer = draw_answer(prompt.text, limits, seed)
        job = Job(
            prompt.num_tokens,
            answer.num_tokens,
            limits.max_tokens,
            body.priority,
            body.predicted_output_tokens,
            body.predicted_p90_tokens or 0,
        )
        wire = Wire(self._dialect, body.model or service.model, prompt.num_tokens, answer)
        try:
            return Exchange(client, body, service.engine.submit(job), wire, fault)
        except RefusedError as error:
            raise ApiError.refused(error) from None

    async def _answer(self, exchange: Exchange) -> None:
        """Answer while somebody listens."""
        watcher = asyncio.create_task(exchange.client.watch(exchange.generation))
        try:
            await (_stream if exchange.body.stream else _whole)(exchange)
        finally:
            exchange.generation.cancel()
            watcher.cancel()


async def _whole(exchange: Exchange) -> None:
    client, generation, fault = exchange.client, exchange.generation, exchange.fault
    await generation.end()
    if fault.slow_bytes:
        await client.pause(fault.slow_bytes * generation.emitted)
    _check(generation)
    data = exchange.wire.whole(generation.emitted)
    if fault.kind == "cut":
        await client.start(200, [(b"content-length", str(len(data)).encode())])
        await client.write(data[: len(data) // 2], more=True)
        await client.hang_up(reset=False)
    else:
        await client.answer(200, data)


async def _stream(exchange: Exchange) -> None:
    client, wire = exchange.client, exchange.wire
    async for start, end in _spans(exchange):
        opening = b""
        if not start:  # not before the first token: until then it may still be an error
            await client.start(200, _EVENTS)
            opening = wire.opening()
        await client.write(opening + wire.words(start, end), more=True)
    if exchange.fault.kind == "cut":
        await client.hang_up(reset=False)
    else:
        await _close(exchange)


async def _spans(exchange: Exchange) -> AsyncIterator[tuple[int, int]]:
    """From which to before which token to send, as they come; several if several are out."""
    generation, fault = exchange.generation, exchange.fault
    last = fault.cut_after if fault.kind == "cut" else generation.job.output_tokens
    seen = 0
    while seen < last and (out := await generation.more(seen)) > seen:
        if fault.slow_bytes:
            await exchange.client.pause(fault.slow_bytes)
            out = seen + 1
        out = min(out, last)
        yield seen, out
        seen = out


async def _close(exchange: Exchange) -> None:
    client, generation = exchange.client, exchange.generation
    if generation.outcome == "finished":
        end = exchange.wire.closing(generation.emitted, exchange.body.wants_usage)
        await client.write(end, more=False)
        return
    try:
        _check(generation)
    except ApiError as error:
        if not generation.emitted:
            raise
        await client.write(event(error.body), more=False)


def _check(generation: Generation) -> None:
    """Raise GoneError or ApiError (503) unless it finished."""
    if generation.outcome == "cancelled":
        raise GoneError
    if generation.outcome == "failed":
        raise ApiError(503, "shutting_down", "the engine stopped before the answer was complete")
