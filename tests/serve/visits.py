"""Visits as the gateway leaves them behind, for what is told of them afterwards."""

from typing import Any

from semsched.core.dispatch import Entry
from semsched.policy import semantic
from semsched.predict.urgency import Verdict
from semsched.predict.urgency.verdict import Source
from semsched.request import Request
from semsched.serve.visit import Visit

SECRET_TEXT = "my chest hurts since noon"  # noqa: S105 - what a patient wrote


def visit(
    urgency: int = 2,
    *,
    tenant: str = "clinic",
    source: Source = "model",
    is_clamped: bool = False,
    arrived_at: float = 10.0,
    **happened: Any,
) -> Visit:
    """A request that arrived at 10 s and was classified at 10.001 s; then what `happened`."""
    request = Request(7, arrived_at, 20, urgency, 50, 400, tenant)
    reason = f"says {SECRET_TEXT!r}"
    made = Visit(
        entry=Entry(request, semantic(request), 300, 70.0),
        verdict=Verdict(urgency, reason, source=source),
        text=SECRET_TEXT,
        model="qwen",
        request_id="req-7",
        is_clamped=is_clamped,
        has_answer=True,
        ready_at=arrived_at + 0.001,
    )
    return changed(made, **happened)


def finished(urgency: int = 2, **other: Any) -> Visit:
    """It waited 0.5 s, its first token came after 0.8 s, and 21 of them took 1 s more."""
    times: dict[str, Any] = {"started_at": 10.5, "first_token_at": 10.8, "ended_at": 11.8}
    what: dict[str, Any] = {
        "outcome": "finished",
        "output_tokens": 21,
        "backend": "gpu-0",
        "num_attempts": 1,
    }
    return visit(urgency, **times | what | other)


def refused(urgency: int = 2, code: str = "queue_full", **other: Any) -> Visit:
    """It was turned away after 0.02 s."""
    return visit(urgency, outcome="refused", code=code, ended_at=10.02, **other)


def failed(urgency: int = 2, code: str = "backend_timeout", **other: Any) -> Visit:
    """Its backend failed it for good after 3 s, twice."""
    times: dict[str, Any] = {
        "started_at": 12.0,
        "ended_at": 13.0,
        "backend": "gpu-1",
        "num_attempts": 2,
    }
    return visit(urgency, outcome="failed", code=code, **times | other)


def changed(made: Visit, **happened: Any) -> Visit:
    if output_tokens := happened.pop("output_tokens", 0):
        made.tokens.feed(b'{"usage":{"completion_tokens":%d}}' % output_tokens)
    for name, value in happened.items():
        setattr(made, name, value)
    return made
