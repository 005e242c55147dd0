"""Ranks: what a policy says of a whole workload, as three columns."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from semsched.policy import Policy, PolicyError, ask, check_rank, name_of
from semsched.request import Rank
from semsched.workload.workload import Floats, Workload


class Ranks(NamedTuple):
    """The columns of `Rank`, by request id."""

    tier: Floats
    offset: Floats
    slope: Floats


def rank_workload(policy: Policy, workload: Workload) -> Ranks:
    """Ask the policy for each request, in the order in which they enter the queue.

    A policy marked `columnwise` is asked once, for all. Raises PolicyError on an unusable rank.
    """
    if getattr(policy, "columnwise", False):
        return _as_columns(policy, workload)
    ranks = np.empty((3, len(workload)))
    for id in np.argsort(workload.ready_at, kind="stable").tolist():
        ranks[:, id] = ask(policy, workload.request(id))
    return Ranks(*ranks)


def _beliefs(workload: Workload) -> SimpleNamespace:
    """All that `Request` has, as columns."""
    return SimpleNamespace(
        id=np.arange(len(workload), dtype=np.int32),
        arrived_at=workload.arrived_at,
        prompt_tokens=workload.prompt_tokens,
        urgency=workload.predicted_urgency,
        predicted_output_tokens=workload.predicted_output_tokens,
        max_output_tokens=workload.max_output_tokens,
        tenant=np.array(workload.tenant or ""),
        deadline=np.inf,
        predicted_p90_tokens=workload.predicted_p90_tokens,
    )


def _as_columns(policy: Policy, workload: Workload) -> Ranks:
    try:
        rank = policy(_beliefs(workload))
    except (Exception, SystemExit) as error:
        raise PolicyError(f"{name_of(policy)} raised {error!r} for whole columns") from error
    ranks = Ranks(
        *(np.ascontiguousarray(np.broadcast_to(c, len(workload)), dtype=np.float64) for c in rank)
    )
    usable = np.isfinite(ranks).all(axis=0) & (ranks.slope >= 0)
    if not usable.all():
        id = int(np.argmin(usable))
        check_rank(Rank(*(float(column[id]) for column in ranks)), workload.request(id))
    return ranks
