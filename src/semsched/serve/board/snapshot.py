"""The form of what the board is told: everything it shows at one instant."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from semsched.serve.row import Outcome

MAX_WAITING = 30
"""Waiting requests in a snapshot: the next ones to be served."""

MAX_RUNNING = 32
"""Running requests in a snapshot, of each backend."""

MAX_ENDED = 30
"""Ended requests that are remembered."""

MAX_TEXT = 120
"""Characters of a text of a client's that are shown."""

BIN_TIME = 5.0
"""Seconds in a bin of the TTFT series."""

NUM_BINS = 60
"""Bins in a TTFT series: the last five minutes."""


class Lane(msgspec.Struct, frozen=True):
    """What waits of one class; `oldest_wait` in seconds (0: nobody waits), `bytes` of bodies."""

    urgency: int
    num_waiting: int
    oldest_wait: float
    bytes: int


class Queue(msgspec.Struct, frozen=True):
    """The lanes by class and what they share; `drain_rate` in requests/s that left to run."""

    lanes: Sequence[Lane]
    max_waiting: int
    waiting_bytes: int
    max_waiting_bytes: int
    drain_rate: float


class Waiting(msgspec.Struct, frozen=True):
    """A request that waits; `waited` in seconds, `reason` for its class, on one line."""

    id: str
    urgency: int
    tenant: str
    waited: float
    prompt_tokens: int
    predicted_output_tokens: int
    reason: str


class Running(msgspec.Struct, frozen=True):
    """A request in a seat, for `running_for` seconds."""

    id: str
    urgency: int
    tenant: str
    running_for: float
    output_tokens: int
    predicted_output_tokens: int


class Backend(msgspec.Struct, frozen=True):
    """An engine behind the gateway.

    `why` says why it is down ("" if it is up); `reserve` of its `seats` are for classes 0 and 1;
    `kv_usage` is a share (0..1; None: it does not say); `predicted_work` is the predicted
    remaining service time of what runs, in seconds, summed; `running` at most MAX_RUNNING.
    """

    name: str
    kind: str
    is_up: bool
    why: str
    seats: int
    reserve: int
    in_flight: int
    kv_usage: float | None
    predicted_work: float
    running: Sequence[Running]


class Clue(msgspec.Struct, frozen=True):
    """A piece of evidence: what it was taken for, and the prompt's words (None: not shown)."""

    name: str
    words: str | None


class Ended(msgspec.Struct, frozen=True):
    """A request that ended; `code` is the error's ("" if it finished), times in seconds.

    `ttft` is None where no token came, `output_tokens` what came before it ended.
    """

    id: str
    urgency: int
    tenant: str
    outcome: Outcome
    code: str
    queue_time: float
    ttft: float | None
    e2e: float
    predicted_output_tokens: int
    output_tokens: int
    reason: str
    evidence: Sequence[Clue]


class Ttft(msgspec.Struct, frozen=True):
    """TTFT of one class: P50 and P99 in seconds of NUM_BINS bins, oldest first; None: no answer.

    The last bin is the current one, not yet full.
    """

    urgency: int
    p50: Sequence[float | None]
    p99: Sequence[float | None]


class Counts(msgspec.Struct, frozen=True):
    """How many requests of one class came in, and how they ended, since the start."""

    urgency: int
    accepted: int
    finished: int
    refused: int
    cancelled: int
    failed: int


class Snapshot(msgspec.Struct, frozen=True):
    """All that the board shows at one instant; lists by class hold all classes, 0 first.

    `at` in Unix seconds, `uptime` in seconds; `waiting` at most MAX_WAITING in the order of
    service, `recent` the last to end first; `clamped` counts claims held down to what the key may
    claim, `retries` requests that were sent to another backend.
    """

    at: float
    uptime: float
    policy: str
    state: Literal["serving", "draining"]
    queue: Queue
    waiting: Sequence[Waiting]
    backends: Sequence[Backend]
    recent: Sequence[Ended]
    ttft: Sequence[Ttft]
    counts: Sequence[Counts]
    clamped: int
    retries: int


def clip(text: str) -> str:
    """At most MAX_TEXT characters, and only such as UTF-8 can hold."""
    cut = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    return cut.encode("utf-8", "replace").decode("utf-8")
