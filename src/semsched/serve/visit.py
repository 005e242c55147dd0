"""Visit: one request in the gateway, from its body to its outcome."""

import re
from dataclasses import dataclass, field

from semsched.core.dispatch import Entry
from semsched.predict.urgency import Verdict
from semsched.request import CLASS_NAMES
from semsched.serve.backend import TokenCount
from semsched.serve.row import Outcome, Row
from semsched.web.failure import Header

MAX_REASON = 200
"""Characters of a reason that go into a header."""
_UNPRINTABLE = re.compile(rb"[^ -~]")


@dataclass(slots=True, eq=False)
class Visit:
    """What is known of a request and what has happened to it so far.

    Instants are seconds since the gateway started.
    """

    entry: Entry
    verdict: Verdict = field(repr=False)  # its reason quotes the text
    text: str = field(repr=False)
    """What a person says in it; kept for learning, shown only where configuration allows."""
    model: str
    request_id: str
    is_clamped: bool
    """Whether it claimed a class above its key's ceiling."""
    has_answer: bool
    """Whether tokens come out of it."""
    ready_at: float
    tokens: TokenCount = field(default_factory=TokenCount, repr=False)
    """Of its answer so far."""
    num_attempts: int = 0
    """Times it was sent to a backend."""
    backend: str = ""
    started_at: float | None = None
    first_token_at: float | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    code: str = ""

    @property
    def id(self) -> int:
        """Its number."""
        return self.entry.request.id

    @property
    def output_tokens(self) -> int:
        """What came out; while it runs, about that."""
        return self.tokens.so_far if self.outcome is None else self.tokens.tokens

    def wait_again(self) -> None:
        """Its backend failed it."""
        self.backend, self.started_at = "", None

    @property
    def queue_time(self) -> float:
        """Seconds from its arrival to its (last) seat, or to its end if it got none."""
        until = self.started_at if self.started_at is not None else self.ended_at
        return max((until or self.ready_at) - self.entry.request.arrived_at, 0.0)

    def headers(self) -> list[Header]:
        """What is said of it with its answer."""
        request = self.entry.request
        return [
            (b"x-semsched-class", CLASS_NAMES[request.urgency].encode()),
            (b"x-semsched-reason", _printable(self.verdict.reason)),
            (b"x-semsched-queue-ms", b"%d" % round(1000 * self.queue_time)),
            (b"x-semsched-predicted-tokens", b"%d" % request.predicted_output_tokens),
            (b"x-semsched-backend", self.backend.encode()),
        ]

    def row(self) -> Row:
        """What became of it; to be asked after its end."""
        request, outcome = self.entry.request, self.outcome
        if outcome is None:
            raise ValueError(f"request {request.id} has not ended")
        return Row(
            id=request.id,
            status=outcome,
            code=self.code,
            urgency=request.urgency,
            predicted_urgency=self.verdict.urgency,
            tenant=request.tenant,
            prompt_tokens=request.prompt_tokens,
            output_tokens=self.output_tokens or None,
            predicted_output_tokens=request.predicted_output_tokens,
            predicted_p90_tokens=request.predicted_p90_tokens,
            max_output_tokens=request.max_output_tokens,
            arrived_at=request.arrived_at,
            ready_at=self.ready_at,
            started_at=self.started_at,
            first_token_at=self.first_token_at,
            finished_at=self.ended_at if outcome == "finished" else None,
            queue_time=self.queue_time,
            num_preemptions=max(self.num_attempts - 1, 0),
            backend=self.backend,
            source=self.verdict.source,
            request_id=self.request_id,
        )


def _printable(reason: str) -> bytes:
    """A reason may quote the text: what a header cannot hold is left out."""
    return _UNPRINTABLE.sub(b" ", reason[:MAX_REASON].encode("ascii", "replace"))
