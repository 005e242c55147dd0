"""Completions: from the body of a request to the tokens of its answer. The hot path."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from semsched.engine.answers import LengthLimits, draw_answer
from semsched.engine.body import Body, read_body
from semsched.engine.dialect import Dialect
from semsched.engine.faults import Fault
from semsched.engine.generation import Generation, Job
from semsched.engine.handler import Handler, Service, check, send_whole
from semsched.engine.wire import Wire, event
from semsched.web.client import Client
from semsched.web.failure import ApiError, Header

DEFAULT_MAX_TOKENS = 4096
"""Longest answer to a client that names no limit, if the engine can hold it."""

_EVENTS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request under way."""

    client: Client
    body: Body
    generation: Generation
    wire: Wire
    fault: Fault


class Completions(Handler):
    """An ASGI handler that speaks one dialect."""

    def __init__(self, service: Service, dialect: Dialect) -> None:
        super().__init__(service)
        self._dialect = dialect

    async def _answer(self, client: Client, content: bytes, fault: Fault) -> None:
        """Answer while somebody listens."""
        exchange = self._begin(client, content, fault)
        watcher = asyncio.create_task(client.watch(exchange.generation.cancel))
        try:
            await (_stream if exchange.body.stream else _whole)(exchange)
        finally:
            exchange.generation.cancel()
            watcher.cancel()

    def _begin(self, client: Client, content: bytes, fault: Fault) -> Exchange:
        """Hand the request to the engine; raises ApiError."""
        field, service = self._dialect.field, self._service
        body = read_body(content, field)
        prompt = self._dialect.prompt(body)
        room = max(service.engine.profile.kv_tokens - prompt.num_tokens, 1)
        limits = LengthLimits(
            body.limit(field) or max(min(DEFAULT_MAX_TOKENS, room), body.min_tokens),
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
        wire = self._dialect.wire(body.model or service.model, prompt.num_tokens, answer)
        return Exchange(client, body, service.submit(job), wire, fault)


async def _whole(exchange: Exchange) -> None:
    generation = exchange.generation
    await generation.end()
    check(generation)
    data = exchange.wire.whole(generation.emitted)
    await send_whole(exchange.client, data, generation.emitted, exchange.fault)


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
        check(generation)
    except ApiError as error:
        if not generation.emitted:
            raise
        await client.write(event(error.body), more=False)
