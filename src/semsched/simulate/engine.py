"""simulate(): one workload, on one engine, under one policy, in virtual time."""

from time import perf_counter
from typing import Any, Literal

import numpy as np

from semsched.core.cost import engine_time
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.policy import Policy, name_of
from semsched.simulate.kernel import run_kernel
from semsched.simulate.ranks import rank_workload
from semsched.simulate.reference import run_reference
from semsched.simulate.run import Progress, Run, check_conservation, rows_of
from semsched.workload import Workload

ENGINES = {"kernel": run_kernel, "reference": run_reference}


def simulate(
    workload: Workload,
    profile: EngineProfile,
    policy: Policy,
    scheduling: Scheduling | None = None,
    *,
    policy_name: str | None = None,
    engine: Literal["kernel", "reference"] = "kernel",
    progress: Progress | None = None,
) -> Run:
    """Serve the whole workload and say what happened to each request.

    The same arguments give the same rows, bit by bit, from either engine. Raises PolicyError on
    a rank that breaks the contract, LostRequestError if the books do not balance.
    """
    scheduling = scheduling or Scheduling()
    began_at = perf_counter()
    ranks = rank_workload(policy, workload)
    served = ENGINES[engine](workload, ranks, profile, scheduling, progress)
    run = Run(
        workload=workload.name,
        policy=policy_name or name_of(policy),
        profile=profile,
        scheduling=scheduling,
        rows=rows_of(workload, served.outcome),
        series=served.series,
        totals=served.totals,
        wall_time=perf_counter() - began_at,
    )
    check_conservation(run)
    return run


def capacity(workload: Workload, profile: EngineProfile, max_num_seqs: int) -> float:
    """Requests/s that the engine can serve at most, of requests like these, by its step times.

    All seats are taken, or as many as the KV memory holds on average.
    """
    prompt: Any = workload.prompt_tokens.astype(np.int64)  # the cost functions take columns too
    output: Any = workload.output_tokens.astype(np.int64)
    seats = min(max_num_seqs, profile.kv_tokens / float(np.mean(prompt + output / 2)))
    return 1 / float(np.mean(engine_time(profile.cost, prompt, output, seats)))
