"""Backends: the engines behind the gateway, as it speaks to them and watches them."""

from semsched.serve.backend.adapter import Adapter, Hint, Kind, adapter_of, rewrite
from semsched.serve.backend.answer import Answer, FailureKind, UpstreamError
from semsched.serve.backend.probe import Pace, Probe
from semsched.serve.backend.reading import (
    FIRST_SEATS,
    RECENT,
    Reading,
    adapted_seats,
    parse_metrics,
)
from semsched.serve.backend.tokens import TokenCount
from semsched.serve.backend.upstream import Timeouts, Upstream, new_session

__all__ = [
    "FIRST_SEATS",
    "RECENT",
    "Adapter",
    "Answer",
    "FailureKind",
    "Hint",
    "Kind",
    "Pace",
    "Probe",
    "Reading",
    "Timeouts",
    "TokenCount",
    "Upstream",
    "UpstreamError",
    "adapted_seats",
    "adapter_of",
    "new_session",
    "parse_metrics",
    "rewrite",
]
