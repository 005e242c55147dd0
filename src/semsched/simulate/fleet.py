"""A fleet: several like engines, each request served by the one that a router gives it to."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, Literal

import numpy as np
import polars as pl

from semsched.core.cost import engine_time
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.policy import Policy
from semsched.request import NUM_CLASSES
from semsched.simulate.engine import simulate
from semsched.simulate.run import Progress, Run, Totals, check_conservation
from semsched.workload.workload import Floats, Ints, Workload

ROUTINGS = ("round-robin", "least-work", "urgency-aware")
"""In turn; to the least work left; to where nobody as urgent is ahead for the longest."""


def route(
    workload: Workload,
    profile: EngineProfile,
    scheduling: Scheduling,
    num_replicas: int,
    routing: str,
) -> Ints:
    """The replica (0 .. num_replicas - 1) of each request, by id.

    Decided in the order in which requests enter the queue, from what is believed of them.
    `least-work` minimises the predicted seconds of engine time still to do, `urgency-aware`
    those of the requests that are at least as urgent, then all of them; ties go to the lowest
    replica. Work drains in real time. Raises ValueError for an unknown routing or no replica.
    """
    if num_replicas < 1:
        raise ValueError(f"num_replicas is {num_replicas}, must be at least 1")
    if routing not in ROUTINGS:
        raise ValueError(f"unknown routing {routing!r}: use one of {', '.join(ROUTINGS)}")
    replica = np.empty(len(workload), dtype=np.int32)
    entering = np.argsort(workload.ready_at, kind="stable")
    if routing == "round-robin":
        replica[entering] = np.arange(len(workload)) % num_replicas
    else:
        urgency = workload.predicted_urgency[entering]
        seen = urgency if routing == "urgency-aware" else np.zeros_like(urgency)
        work = _engine_time(workload, profile, scheduling)[entering]
        soonest = _to_the_soonest(workload.ready_at[entering], seen, work, num_replicas)
        replica[entering] = list(soonest)
    return replica


def _engine_time(workload: Workload, profile: EngineProfile, scheduling: Scheduling) -> Floats:
    """Predicted seconds by which each request holds up a busy engine, as in `capacity`.

    As many seats are taken as there are, or as the KV memory holds of requests like it.
    """
    prompt: Any = workload.prompt_tokens.astype(np.int64)  # the cost functions take columns too
    output: Any = workload.predicted_output_tokens.astype(np.int64)
    seats: Any = np.minimum(scheduling.max_num_seqs, profile.kv_tokens / (prompt + output / 2))
    time: Any = engine_time(profile.cost, prompt, output, seats)
    return time  # type: ignore[no-any-return]


def _to_the_soonest(
    ready_at: Floats, urgency: Ints, work: Floats, num_replicas: int
) -> Iterator[int]:
    """The replica of each request, in order of entry.

    free_at[c][r] is when replica r is done with all work of classes 0 to c that it was given,
    if it serves the most urgent first.
    """
    free_at = [[-math.inf] * num_replicas for _ in range(NUM_CLASSES)]
    everything, replicas = free_at[-1], range(num_replicas)
    for now, c, time in zip(ready_at.tolist(), urgency.tolist(), work.tolist(), strict=True):
        ahead = free_at[c]
        _, _, best = min((max(ahead[r], now), max(everything[r], now), r) for r in replicas)
        for done_at in free_at[c:]:
            done_at[best] = max(done_at[best], now) + time
        yield best


def simulate_fleet(
    workload: Workload,
    profile: EngineProfile,
    policy: Policy,
    scheduling: Scheduling | None = None,
    *,
    num_replicas: int = 1,
    routing: str = "round-robin",
    policy_name: str | None = None,
    engine: Literal["kernel", "reference"] = "kernel",
    progress: Progress | None = None,
) -> Run:
    """Serve the workload on `num_replicas` engines, each under its own copy of the settings.

    One replica gives what `simulate` gives. With several, `rows` also has the column `replica`,
    totals are sums over replicas (the peak of KV memory too, though peaks need not coincide),
    and `series` is that of replica 0, which always gets the first request. A policy is asked
    replica by replica, in order of entry within each, where a request's id is its position
    among those of its replica. Raises as `route` and `simulate` do.
    """
    scheduling, began_at = scheduling or Scheduling(), perf_counter()
    replica = route(workload, profile, scheduling, num_replicas, routing)
    serve = partial(simulate, policy_name=policy_name, engine=engine)
    if num_replicas == 1:
        return serve(workload, profile, policy, scheduling, progress=progress)
    shares = [np.flatnonzero(replica == r) for r in np.unique(replica)]
    told = _tellers(progress, shares, len(workload))
    runs = [
        serve(_share(workload, ids), profile, policy, scheduling, progress=tell)
        for ids, tell in zip(shares, told, strict=True)
    ]
    run = replace(
        runs[0],
        rows=_rows(runs, shares).with_columns(replica=replica),
        totals=Totals(*map(sum, zip(*(run.totals for run in runs), strict=True))),
        wall_time=perf_counter() - began_at,
        num_replicas=num_replicas,
    )
    check_conservation(run)
    return run


def _share(workload: Workload, ids: Any) -> Workload:
    """The requests `ids` (in order) as a workload of their own."""
    columns = {name: getattr(workload, name)[ids] for name in workload.columns()}
    tenant = tuple(workload.tenant[id] for id in ids) if workload.tenant else ()
    return replace(workload, **columns, tenant=tenant, text=())  # read already


def _tellers(progress: Progress | None, shares: list[Any], total: int) -> Iterator[Progress | None]:
    """For each share, how to tell progress within it as progress within the whole."""
    before = 0
    for ids in shares:
        yield progress and partial(_tell, progress, before, total)
        before += len(ids)


def _tell(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


def _rows(runs: list[Run], shares: list[Any]) -> pl.DataFrame:
    """The rows of all replicas, in order of arrival, under the ids of the whole."""
    rows = [
        run.rows.with_columns(id=ids.astype(np.int32))
        for run, ids in zip(runs, shares, strict=True)
    ]
    return pl.concat(rows).sort("id")
