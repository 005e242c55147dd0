"""Tracing: the life of each request as OpenTelemetry's spans, made at once when it is over.

A request is a span that continues the client's trace; within it are `queue`, until its last seat,
and `backend`, from there on. Nothing is done before the end, nothing at all without a tracer, and
the collector is spoken to from another thread. Prompts and reasons are not told.

The SDK is an extra (telemetry). Its OTEL_ environment variables hold: sampling, headers, limits.
"""

import time
from collections.abc import Callable, Sequence
from threading import Thread
from typing import TYPE_CHECKING

import semsched
from semsched.errors import InputError
from semsched.request import CLASS_NAMES
from semsched.serve.board import clip
from semsched.serve.visit import Visit
from semsched.web.failure import Header

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

Clock = Callable[[float], int]

EXPORT_TIME = 5.0
"""Seconds that the collector has for a batch; what is lost is lost."""
CLOSE_TIME = 5.0
"""Seconds for what is left when the gateway stops."""

_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}


def tracer_of(endpoint: str) -> "Tracer":
    """A tracer that speaks to an OTLP collector, as http://localhost:4318.

    Raises InputError if the SDK is not there. Whether the collector is there shows in the log.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise InputError(
            f"telemetry.otlp_endpoint needs {error.name}: pip install 'semsched[telemetry]'"
        ) from error
    what = {"service.name": "semsched", "service.version": semsched.__version__}
    provider = TracerProvider(resource=Resource.create(what), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=EXPORT_TIME)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracer(provider, exporter.shutdown)


class Tracer:
    """Makes spans of requests that have ended."""

    def __init__(
        self, provider: "TracerProvider", give_up: Callable[[], None] = lambda: None
    ) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._give_up = give_up
        self._tracer = provider.get_tracer("semsched", semsched.__version__)
        self._client_context = TraceContextTextMapPropagator().extract
        self._within = trace.set_span_in_context
        self._server, self._client = trace.SpanKind.SERVER, trace.SpanKind.CLIENT
        self._error = trace.Status(trace.StatusCode.ERROR)

    def end(self, visit: Visit, path: str, headers: Sequence[Header]) -> None:
        """A request to `path` is over, just now; `headers` are those it came with.

        Raises ValueError if it is not over.
        """
        if visit.ended_at is None:
            raise ValueError(f"request {visit.id} has not ended")
        at = _clock(visit.ended_at)
        span = self._tracer.start_span(
            f"POST {path}",
            self._client_context(_carrier(headers)),
            self._server,
            start_time=at(visit.entry.request.arrived_at),
        )
        if span.is_recording():
            span.set_attributes(_attributes(visit, path))
            if visit.outcome == "failed":
                span.set_status(self._error)
            self._parts(self._within(span), visit, visit.ended_at, at)
        span.end(at(visit.ended_at))

    def _parts(self, within: "Context", visit: Visit, ended_at: float, at: Clock) -> None:
        started_at, arrived_at = visit.started_at, visit.entry.request.arrived_at
        queue = self._tracer.start_span("queue", within, start_time=at(arrived_at))
        queue.end(at(ended_at if started_at is None else started_at))
        if started_at is None:
            return
        backend = self._tracer.start_span(
            "backend", within, self._client, start_time=at(started_at)
        )
        backend.set_attribute("semsched.backend", visit.backend)
        if visit.first_token_at is not None:
            backend.add_event("first_token", timestamp=at(visit.first_token_at))
        backend.end(at(ended_at))

    def close(self) -> None:
        """Send what is left and stop; takes CLOSE_TIME at most, so not for the event loop."""
        last = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(CLOSE_TIME)
        if last.is_alive():  # it would try again and again
            self._give_up()


def _clock(now: float) -> Clock:
    """From the gateway's seconds, of which it is `now`, to Unix time in nanoseconds."""
    began = time.time_ns() - round(now * 1e9)
    return lambda instant: began + round(instant * 1e9)


def _carrier(headers: Sequence[Header]) -> dict[str, str]:
    """Of which trace the client says it is a part; nothing if it says so twice."""
    found: dict[str, list[str]] = {"traceparent": [], "tracestate": []}
    for name, value in headers:
        if name in (b"traceparent", b"tracestate"):
            found[name.decode()].append(value.decode("latin-1"))
    if len(found["traceparent"]) != 1:
        return {}
    return {name: ",".join(values) for name, values in found.items()}


def _attributes(visit: Visit, path: str) -> "dict[str, AttributeValue]":
    request = visit.entry.request
    told: dict[str, AttributeValue] = {
        "http.request.method": "POST",
        "http.route": path,
        "gen_ai.operation.name": _OPERATIONS.get(path, path),
        "gen_ai.request.model": clip(visit.model),
        "gen_ai.usage.output_tokens": visit.output_tokens,
        "semsched.request_id": visit.request_id,
        "semsched.class": CLASS_NAMES[request.urgency],
        "semsched.source": visit.verdict.source,
        "semsched.clamped": visit.is_clamped,
        "semsched.tenant": request.tenant,
        "semsched.outcome": visit.outcome or "",
        "semsched.attempts": visit.num_attempts,
        "semsched.predicted_output_tokens": request.predicted_output_tokens,
    }
    return told | {"error.type": visit.code} if visit.code else told
