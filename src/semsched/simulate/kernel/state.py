"""State of the kernel: plain arrays, so that it is compiled code's, and yet ours to look at."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semsched.core.cost import restored_by_swap
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.simulate.ranks import Ranks
from semsched.simulate.run import Outcome, Totals
from semsched.simulate.series import blank_cursor, blank_points
from semsched.workload.workload import Ints, Workload

ABSENT, WAITING, PAUSED, PREFILLING, DECODING = range(5)
"""Where a request is; from PREFILLING on it has a seat."""

BY_RANK, BY_CLASS, NEVER = range(3)
"""Who may take a running request's seat."""

VARS = np.dtype(
    [
        # settings
        ("max_num_seqs", "i8"),
        ("max_num_batched_tokens", "i8"),
        ("chunked", "i8"),
        ("backfill", "i8"),
        ("preemption", "i8"),
        ("max_preemptions", "i8"),
        ("finish_guard", "i8"),
        ("num_blocks", "i8"),
        ("block_size", "i8"),
        # where the run stands
        ("now", "f8"),
        ("num_entered", "i8"),
        ("num_done", "i8"),
        ("num_free", "i8"),
        ("num_tokens", "i8"),
        ("unsaved_tokens", "i8"),
        ("changed", "i8"),  # somebody took or left a seat since the last step
        ("num_tiers", "i8"),  # 0, 1, or 2 for several
        ("first_tier", "f8"),
        ("settled", "i8"),  # nobody can be seated until something changes
        ("stretch_at", "f8"),  # start, length and line of the present run of pure decode steps
        ("stretch_steps", "i8"),
        ("first", "f8"),
        ("growth", "f8"),
        # counts
        ("num_refused", "i8"),
        ("num_steps", "i8"),
        ("num_evictions", "i8"),
        ("busy_time", "f8"),
        ("kv_token_seconds", "f8"),
        ("kv_peak_tokens", "i8"),
    ]
)


REQUEST = np.dtype(
    [
        # what is known and true of it
        ("arrived_at", "f8"),
        ("ready_at", "f8"),
        ("tier", "f8"),
        ("offset", "f8"),
        ("slope", "f8"),
        ("prompt_tokens", "i4"),
        ("output_tokens", "i4"),
        ("max_output_tokens", "i4"),
        ("predicted_output_tokens", "i4"),
        ("predicted_p90_tokens", "i4"),
        # how far it has come
        ("value", "f8"),  # offset + slope * remaining time, as last computed
        ("seated_at", "f8"),
        ("seated_time", "f8"),
        ("emitted", "i4"),
        ("computed", "i4"),
        ("resident", "i4"),
        ("num_blocks", "i4"),
        ("place", "i4"),  # in the heap of those without a seat
        ("holder_place", "i4"),
        # what happened to it
        *((name, "f8") for name in ("started_at", "first_token_at", "finished_at", "queue_time")),
        *((name, "i4") for name in ("num_preemptions", "recomputed_tokens", "swapped_tokens")),
        ("urgency", "i1"),
        ("swaps", "i1"),  # lost KV is loaded back, not computed again
        ("where", "i1"),
    ],
    align=True,  # 9 bytes of padding a request buy 2 % of speed
)


Requests = NDArray[np.void]


class State(NamedTuple):
    """All of a run. The lists hold ids; all but `entering` have their size in front."""

    requests: Requests
    """A record of REQUEST each."""
    entering: Ints
    """In order of entering the queue."""
    waiting: Ints
    paused: Ints
    prefilling: Ints
    decoding: Ints
    holders: Ints
    planned: Ints
    """Tokens that each of `prefilling` computes in the next step."""
    points: NDArray[np.float64]
    cursor: NDArray[np.int64]
    vars: NDArray[np.void]
    """One record of VARS."""

    @property
    def outcome(self) -> Outcome:
        """What happened to each request."""
        return Outcome(*(self.requests[name] for name in Outcome._fields))

    @property
    def totals(self) -> Totals:
        """The counts of the run."""
        return Totals(*(self.vars[0][name].item() for name in Totals._fields))


def blank_state(
    workload: Workload, ranks: Ranks, profile: EngineProfile, scheduling: Scheduling
) -> State:
    """A run that has not begun."""
    n, seats = len(workload), scheduling.max_num_seqs
    return State(
        requests=_blank_requests(workload, ranks, profile, scheduling),
        entering=np.argsort(workload.ready_at, kind="stable").astype(np.int32),
        waiting=_zeros(n + 1),
        paused=_zeros(n + 1),
        prefilling=_zeros(seats + 1),
        decoding=_zeros(seats + 1),
        holders=_zeros(min(n, profile.memory.num_blocks) + 1),
        planned=_zeros(seats + 1),
        points=blank_points(),
        cursor=blank_cursor(),
        vars=_blank_vars(profile, scheduling),
    )


def _blank_requests(
    workload: Workload, ranks: Ranks, profile: EngineProfile, scheduling: Scheduling
) -> Requests:
    requests = np.zeros(len(workload), dtype=REQUEST)
    for name in ("arrived_at", "ready_at", "prompt_tokens", "output_tokens", "max_output_tokens"):
        requests[name] = getattr(workload, name)
    requests["urgency"] = workload.predicted_urgency
    for name in ("predicted_output_tokens", "predicted_p90_tokens"):
        requests[name] = getattr(workload, name)
    prompt_tokens: Any = workload.prompt_tokens.astype(np.int64)
    requests["swaps"] = restored_by_swap(profile.cost, scheduling.restore, prompt_tokens)
    for name, column in ranks._asdict().items():
        requests[name] = column
    for name in ("started_at", "first_token_at", "finished_at", "queue_time"):
        requests[name] = np.nan
    return requests


def _zeros(size: int) -> Ints:
    return np.zeros(size, dtype=np.int32)


def _blank_vars(profile: EngineProfile, scheduling: Scheduling) -> NDArray[np.void]:
    vars = np.zeros(1, dtype=VARS)
    settings = scheduling.model_dump(exclude={"restore"})
    settings["chunked"] = settings.pop("batching") == "chunked"
    settings["backfill"] |= settings["chunked"]
    settings["preemption"] = {"rank": BY_RANK, "class": BY_CLASS, "off": NEVER}[
        scheduling.preemption
    ]
    settings["num_blocks"] = settings["num_free"] = profile.memory.num_blocks
    settings["block_size"] = profile.memory.block_size
    for name, value in settings.items():
        vars[0][name] = value
    vars[0]["settled"] = vars[0]["changed"] = True
    return vars
