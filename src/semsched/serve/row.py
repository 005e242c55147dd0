"""Row: what became of a request, in the simulator's columns and a few that only life has."""

from typing import Literal

import msgspec

from semsched.predict.urgency.verdict import Source

Outcome = Literal["finished", "refused", "cancelled", "failed"]
"""How a request ends, once: with its answer, turned away, given up by its client, or broken."""


class Row(msgspec.Struct, kw_only=True, frozen=True):
    """One request. Instants are seconds since the gateway started, None if they never came."""

    id: int
    status: Outcome
    code: str
    """Why it did not finish; empty if it did."""
    urgency: int
    """The class it was served in: the truth is not known here."""
    predicted_urgency: int
    tenant: str
    prompt_tokens: int
    output_tokens: int | None
    predicted_output_tokens: int
    predicted_p90_tokens: int
    max_output_tokens: int
    arrived_at: float
    ready_at: float
    """When it was classified and entered the queue."""
    started_at: float | None
    """When it was sent to an engine, the last time."""
    first_token_at: float | None
    finished_at: float | None
    queue_time: float
    num_preemptions: int
    """Times it was taken back from an engine that failed it."""
    backend: str
    source: Source
    """Who said the class."""
    request_id: str
