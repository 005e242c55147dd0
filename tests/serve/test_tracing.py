"""Tracing: what a collector is told of a request, and that it can hold up nobody."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import pytest

pytest.importorskip("opentelemetry.sdk", reason="needs the extra telemetry")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from semsched.errors import InputError
from semsched.serve import tracing
from semsched.serve.tracing import EXPORT_TIME, Tracer, tracer_of
from semsched.serve.visit import Visit
from semsched.web.failure import Header
from tests.serve.visits import SECRET_TEXT, failed, finished, refused, visit

CHAT = "/v1/chat/completions"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = (b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())

NANO = 1e-9


def spans(
    ended: Visit, *headers: Header, path: str = CHAT, provider: TracerProvider | None = None
) -> dict[str, ReadableSpan]:
    """What is exported of one request, by the names of the spans."""
    memory = InMemorySpanExporter()
    provider = provider or TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    Tracer(provider).end(ended, path, headers)
    return {span.name: span for span in memory.get_finished_spans()}


def times(span: ReadableSpan) -> tuple[float, float]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time * NANO, span.end_time * NANO


# --- what is told --------------------------------------------------------------------------------


def test_a_request_is_a_span_with_its_wait_and_its_answer_within() -> None:
    told = spans(finished(1))
    assert set(told) == {f"POST {CHAT}", "queue", "backend"}
    request, queue, backend = told[f"POST {CHAT}"], told["queue"], told["backend"]
    assert request.parent is None
    assert request.context is not None
    assert queue.parent == backend.parent == request.context
    kinds = [span.kind for span in (request, queue, backend)]
    assert kinds == [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CLIENT]


def test_spans_bear_the_times_of_the_visit() -> None:
    told = spans(finished())  # it ended just now
    start, end = times(told[f"POST {CHAT}"])
    assert abs(end - time.time()) < 10
    assert end - start == pytest.approx(1.8, abs=1e-5)
    assert times(told["queue"]) == pytest.approx((start, start + 0.5), abs=1e-5)
    assert times(told["backend"]) == pytest.approx((start + 0.5, end), abs=1e-5)
    (event,) = told["backend"].events
    assert event.name == "first_token"
    assert event.timestamp * NANO == pytest.approx(start + 0.8, abs=1e-5)


def test_the_names_of_attributes_stay_as_they_are() -> None:
    told = spans(finished(1, source="claim", is_clamped=True))
    assert dict(told[f"POST {CHAT}"].attributes or {}) == {
        "http.request.method": "POST",
        "http.route": CHAT,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "qwen",
        "gen_ai.usage.output_tokens": 21,
        "semsched.request_id": "req-7",
        "semsched.class": "urgent",
        "semsched.source": "claim",
        "semsched.clamped": True,
        "semsched.tenant": "clinic",
        "semsched.outcome": "finished",
        "semsched.attempts": 1,
        "semsched.predicted_output_tokens": 50,
    }
    assert dict(told["backend"].attributes or {}) == {"semsched.backend": "gpu-0"}
    assert told[f"POST {CHAT}"].status.status_code is StatusCode.UNSET


def test_who_got_no_seat_waited_and_that_is_all() -> None:
    told = spans(refused(), path="/v1/embeddings")
    assert set(told) == {"POST /v1/embeddings", "queue"}
    assert times(told["queue"]) == times(told["POST /v1/embeddings"])
    attributes = told["POST /v1/embeddings"].attributes or {}
    assert attributes["gen_ai.operation.name"] == "embeddings"
    assert attributes["error.type"] == "queue_full"
    assert told["POST /v1/embeddings"].status.status_code is StatusCode.UNSET  # we did our job


def test_a_failure_is_an_error() -> None:
    told = spans(failed())
    assert told[f"POST {CHAT}"].status.status_code is StatusCode.ERROR
    assert (told[f"POST {CHAT}"].attributes or {})["error.type"] == "backend_timeout"
    assert told["backend"].events == ()


def test_who_started_at_the_very_start_has_a_backend() -> None:
    told = spans(finished(arrived_at=0.0, started_at=0.0, first_token_at=0.0, ended_at=1.0))
    start, end = times(told["queue"])
    assert end == pytest.approx(start, abs=1e-5)
    assert len(told["backend"].events) == 1


def test_who_has_not_ended_has_no_span() -> None:
    with pytest.raises(ValueError, match="request 7 has not ended"):
        spans(visit())


def test_nothing_that_people_wrote_is_told() -> None:
    for span in spans(finished()).values():
        assert "chest" not in span.to_json()
    assert "chest" in SECRET_TEXT


def test_half_characters_and_endless_names_do_not_cost_a_batch() -> None:
    told = spans(finished(model="\ud800" + "m" * 10**6))[f"POST {CHAT}"]
    model = str((told.attributes or {})["gen_ai.request.model"])
    assert len(model.encode()) < 1000


# --- whose trace it is ---------------------------------------------------------------------------


def test_the_trace_of_the_client_goes_on() -> None:
    told = spans(finished(), (b"host", b"x"), TRACEPARENT, (b"tracestate", b"vendor=1"))
    request = told[f"POST {CHAT}"]
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == PARENT
    assert request.parent.trace_state.get("vendor") == "1"
    for span in told.values():
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == TRACE


@pytest.mark.parametrize(
    "headers",
    [
        [(b"traceparent", b"")],
        [(b"traceparent", b"\xff\xfe")],
        [(b"traceparent", f"00-{'0' * 32}-{PARENT}-01".encode())],
        [(b"traceparent", TRACEPARENT[1] * 1000)],
        [TRACEPARENT, TRACEPARENT],
        [(b"tracestate", b"vendor=1")],
    ],
)
def test_a_trace_that_makes_no_sense_begins_anew(headers: list[Header]) -> None:
    request = spans(finished(), *headers)[f"POST {CHAT}"]
    assert request.parent is None
    assert request.context is not None
    assert request.context.trace_id


def test_a_client_that_does_not_trace_is_not_traced() -> None:
    assert spans(finished(), (b"traceparent", TRACEPARENT[1][:-2] + b"00")) == {}
    assert spans(finished(), provider=TracerProvider(ALWAYS_OFF, shutdown_on_exit=False)) == {}


# --- the collector -------------------------------------------------------------------------------


class Collector(HTTPServer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.sent: list[tuple[str, ExportTraceServiceRequest]] = []


class _Post(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        self.server.sent.append((self.path, ExportTraceServiceRequest.FromString(content)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_collector_has_every_span_when_the_tracer_is_closed(collector: Collector) -> None:
    tracer = tracer_of(f"http://127.0.0.1:{collector.server_port}")
    for _ in range(300):
        tracer.end(finished(), CHAT, [])
    tracer.close()
    assert {path for path, _ in collector.sent} == {"/v1/traces"}
    resources = [each for _, sent in collector.sent for each in sent.resource_spans]
    names = {
        each.key: each.value.string_value
        for resource in resources
        for each in resource.resource.attributes
    }
    assert names["service.name"] == "semsched"
    got = [span for each in resources for scope in each.scope_spans for span in scope.spans]
    assert len(got) == 900


def test_a_collector_that_is_silent_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "CLOSE_TIME", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracer = tracer_of(f"http://127.0.0.1:{silent.getsockname()[1]}")
        instants = [time.perf_counter()]
        for _ in range(2000):
            tracer.end(finished(), CHAT, [])
            instants.append(time.perf_counter())
        closing = time.perf_counter()
        tracer.close()
        assert 0.4 < time.perf_counter() - closing < 3
    for thread in threading.enumerate():  # what goes on trying would disturb other tests
        if thread.name == "last spans" or thread.name.startswith("OtelBatch"):
            thread.join(EXPORT_TIME)
            assert not thread.is_alive()
    assert max(after - before for before, after in pairwise(instants)) < EXPORT_TIME / 2


def test_without_the_sdk_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(InputError, match=r"needs opentelemetry.*semsched\[telemetry\]"):
        tracer_of("http://127.0.0.1:4318")
