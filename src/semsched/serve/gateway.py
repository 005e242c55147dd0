"""Gateway: one request from its body to the last byte of its answer. The hot path."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from semsched.serve.admission import Admission, Arrival
from semsched.serve.backend import Answer, Hint, UpstreamError
from semsched.serve.claims import declared_length, forwarded
from semsched.serve.desk import Desk, Ticket, TurnedAwayError
from semsched.serve.fleet import Backend, Fleet
from semsched.serve.keys import KeyRing
from semsched.serve.records import Records
from semsched.serve.refusals import Refusals
from semsched.serve.retries import RetryBudget
from semsched.serve.row import Outcome
from semsched.serve.stage import next_stage
from semsched.serve.tracing import Tracer
from semsched.serve.visit import Visit
from semsched.web.client import Client, GoneError
from semsched.web.failure import ApiError, Header, internal_error
from semsched.web.limits import Limits

TOO_MANY = 429
RETRYABLE = frozenset({TOO_MANY, 500, 502, 503, 504})
"""What a backend answers when it, not the request, is at fault."""

MAX_LAST = 16 * 1024
"""Bytes. A larger part goes on by itself, so that the end waits until it is taken: one who never
takes it must not cost memory for ever."""


@dataclass(slots=True)
class Service:
    """What the endpoints share."""

    keys: KeyRing
    admission: Admission
    desk: Desk
    fleet: Fleet
    records: Records
    refusals: Refusals
    now: Callable[[], float]
    """Seconds since the gateway started."""
    limits: Limits
    tracer: Tracer | None
    retries: RetryBudget = field(default_factory=RetryBudget)
    ids: Iterator[int] = field(default_factory=count)
    reading_bytes: int = 0
    """Memory that the bodies take which are not whole yet."""
    is_draining: bool = False


_log = logging.getLogger(__name__)


class Ending(NamedTuple):
    """How a request ended."""

    outcome: Outcome
    code: str = ""


class Endpoint:
    """An ASGI handler of one path."""

    def __init__(self, service: Service, path: str, field: str, has_answer: bool = True) -> None:
        self.path = path
        self._field = field
        self._service = service
        self._has_answer = has_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        client = Client(scope, receive, send)
        try:
            arrival = await self._read(client, scope)
            visit = await self._service.admission.admit(arrival, self._service.now())
            await next_stage()
        except ApiError as error:
            self._service.records.metrics.refuse(error.code)
            await client.answer(error.status, error.body, error.headers)
        except GoneError:
            return
        except Exception:  # noqa: BLE001 - it is logged, and the client is told
            _log.exception("a request could not be read")
            await client.answer(500, internal_error().body)
        else:
            await Exchange(self._service, client, self.path, arrival, visit).run()

    async def _read(self, client: Client, scope: Scope) -> Arrival:
        service, at = self._service, self._service.now()
        headers: list[Header] = scope["headers"]
        key = service.keys.admit(headers, at)
        if service.is_draining:
            raise service.refusals.error("shutting_down", at)
        content = await self._body(client, headers, at)
        request_id = scope["state"]["request_id"].decode()
        kind = self._field, self._has_answer
        return Arrival(next(service.ids), at, key, headers, content, request_id, *kind)

    async def _body(self, client: Client, headers: list[Header], at: float) -> bytes:
        """The body, if there is memory to read it into: those being read count, too."""
        service, most = self._service, self._service.limits.max_body_bytes
        size = min(declared_length(headers, most), most)
        room = service.desk.dispatcher.limits.max_waiting_bytes // 4
        if service.reading_bytes and service.reading_bytes + size > room:
            raise service.refusals.error("queue_full", at)
        service.reading_bytes += size
        try:
            return await client.body(service.limits)
        finally:
            service.reading_bytes -= size


class Exchange:
    """A request that was read: it waits, is sent on, and its answer comes back."""

    def __init__(
        self, service: Service, client: Client, path: str, arrival: Arrival, visit: Visit
    ) -> None:
        self._service = service
        self._client = client
        self._path = path
        self._arrival = arrival
        self._visit = visit
        self._ticket: Ticket | None = None
        self._is_stream = False

    async def run(self) -> None:
        """Serve it; however that ends, it is booked once."""
        self._service.records.accept(self._visit)
        ending, error = Ending("failed", "internal_error"), None
        try:
            with self._client.watched():
                ending = await self._serve()
        except TurnedAwayError as away:
            ending = Ending("refused", away.code)
            error = self._service.refusals.error(away.code, self._service.now())
        except ApiError as failure:
            ending, error = Ending("failed", failure.code), failure
        except GoneError:
            ending = Ending("cancelled", "client_gone")
        except asyncio.CancelledError:  # the server stops, and its patience is over
            ending = Ending("failed", "shutting_down")
            error = self._service.refusals.error("shutting_down", self._service.now())
        except Exception:  # noqa: BLE001 - it is logged, and the client is told
            _log.exception("request %s broke", self._visit.request_id)
            error = internal_error()
        finally:
            self._end(ending)
        if error:
            await self._tell(error)

    async def _tell(self, error: ApiError) -> None:
        """Answer with an error; where an answer has begun, break it off so that nobody takes it
        for whole: say so in a stream, else hang up."""
        client = self._client
        if not client.has_started:
            await client.answer(error.status, error.body, [*error.headers, *self._visit.headers()])
        elif self._is_stream:
            await client.write(b"data: " + error.body + b"\n\n", more=False)
        else:
            await client.hang_up(reset=True)

    def _end(self, ending: Ending) -> None:
        visit, service = self._visit, self._service
        visit.outcome, visit.code = ending
        visit.ended_at = service.now()
        try:
            if self._ticket is not None:
                service.desk.end(self._ticket, *self._used())
        finally:
            service.records.end(visit)
        if service.tracer:
            service.tracer.end(visit, self._path, self._arrival.headers)

    def _used(self) -> tuple[int | None, int | None]:
        """Prompt and output tokens, None where nobody said or counted."""
        tokens = self._visit.tokens
        return tokens.prompt_tokens, tokens.tokens or None

    # --- to the backend ------------------------------------------------------------------

    async def _serve(self) -> Ending:
        service = self._service
        service.retries.pay()
        ticket = self._ticket = service.desk.offer(self._visit.entry)
        while True:
            backend = service.fleet[await ticket.called()]
            await next_stage()
            answer = await self._ask(backend, ticket.carried)
            if answer is not None:
                self._arrival.content = b""  # nobody will be sent it again
                with answer:
                    await next_stage()
                    ending = await self._pass_on(answer)
                with suppress(asyncio.CancelledError):  # it is over
                    await next_stage()
                return ending
            service.records.retry(self._visit)
            service.desk.retry(ticket)

    async def _ask(self, backend: Backend, carried: int) -> Answer | None:
        """The backend's answer; None if it failed and another attempt is due."""
        visit = self._visit
        visit.backend, visit.started_at = backend.name, self._service.now()
        visit.num_attempts += 1
        try:
            content = self._content(backend, carried)
            answer = await backend.ask(self._path, content, self._upstream_headers())
        except UpstreamError as error:
            backend.note_failure(is_gone=error.kind == "connect")
            if self._may_retry():
                return None
            raise _as_api_error(error) from None
        if answer.status not in RETRYABLE:
            backend.note_success()
            return answer
        if answer.status != TOO_MANY:
            backend.note_failure()
        if self._may_retry():
            answer.close()
            return None
        return answer

    def _may_retry(self) -> bool:
        return self._service.retries.take(self._visit.num_attempts)

    def _content(self, backend: Backend, carried: int) -> bytes:
        request = self._visit.entry.request
        lengths = request.predicted_output_tokens, request.predicted_p90_tokens
        hint = Hint(carried, *lengths)
        return backend.adapter(self._arrival.content, hint)

    def _upstream_headers(self) -> list[Header]:
        """What of the client's goes on, and an id that no other request has: an engine may know
        its requests by it."""
        own = (b"x-request-id", f"{self._visit.request_id}-{self._visit.id}".encode())
        return [*forwarded(self._arrival.headers), own]

    # --- to the client -------------------------------------------------------------------

    async def _pass_on(self, answer: Answer) -> Ending:
        client, self._is_stream = self._client, answer.is_stream
        if answer.is_stream:
            self._service.records.first_token(self._visit)
        await client.start(answer.status, [*answer.headers, *self._visit.headers()])
        try:
            end = await self._all_but_the_end(answer)
        except UpstreamError as error:
            self._service.fleet[self._visit.backend].note_failure()
            raise _as_api_error(error) from None
        await client.write(end, more=False)
        if answer.status >= 400:
            return Ending("failed", f"backend_{answer.status}")
        if answer.is_stream and self._visit.tokens.saw_failure:
            return Ending("failed", "backend_failed")
        return Ending("finished")

    async def _all_but_the_end(self, answer: Answer) -> bytes:
        """Pass on the body, but for a small last part, which is returned: it and the end of the
        answer are one message. Raises UpstreamError."""
        tokens, last = self._visit.tokens, b""
        async for part in answer.chunks():
            tokens.feed(part)
            if answer.is_over and len(part) <= MAX_LAST:
                last = part
            else:
                await self._client.write(part, more=True)
        if answer.rest:
            tokens.feed(answer.rest)
        if not self._is_whole(answer):
            await self._client.write(last, more=True)
            raise UpstreamError("reset", "the stream stopped before its end")
        return last + answer.rest

    def _is_whole(self, answer: Answer) -> bool:
        """A connection may end as if all were well though the engine behind it has died."""
        tokens, is_read = self._visit.tokens, answer.is_stream and not answer.is_encoded
        return not is_read or answer.status != 200 or tokens.saw_end or tokens.saw_failure


def _as_api_error(error: UpstreamError) -> ApiError:
    if error.kind == "timeout":
        return ApiError(504, "backend_timeout", "the backend did not answer in time")
    return ApiError(502, "backend_failed", "the backend failed")
