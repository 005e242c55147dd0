"""Ranks of a whole workload: asked once each, in the order of entering the queue."""

import math
from typing import Any

import numpy as np
import pytest

from semsched.policy import POLICIES, PolicyError, columnwise
from semsched.request import Rank, Request
from semsched.simulate.ranks import Ranks, rank_workload
from semsched.workload import Workload, paper


def workload(ready_at: list[float]) -> Workload:
    """Requests arriving together, whose predictors are done at those instants."""
    num = len(ready_at)
    lengths = np.arange(1, num + 1, dtype=np.int32)
    urgency = (np.arange(num) % 5).astype(np.int32)
    return Workload(
        name="hand-made",
        arrived_at=np.zeros(num),
        prompt_tokens=lengths * 10,
        output_tokens=lengths,
        urgency=np.zeros(num, np.int32),
        max_output_tokens=lengths,
        predicted_urgency=urgency,
        predicted_output_tokens=lengths + 1,
        ready_at=np.array(ready_at),
        predicted_p90_tokens=lengths + 2,
    )


class Ticket:
    """A policy with state: the n-th to be asked gets ticket n."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Rank:
        self.asked.append(request)
        return Rank(0.0, len(self.asked), 0.0)


def test_a_policy_is_asked_once_per_request_in_order_of_entering() -> None:
    ticket = Ticket()
    ranks = rank_workload(ticket, workload([3.0, 1.0, 2.0, 1.0]))
    assert [request.id for request in ticket.asked] == [1, 3, 2, 0]
    assert ranks.offset.tolist() == [4.0, 1.0, 3.0, 2.0]


def test_a_policy_sees_what_is_believed_not_what_is_true() -> None:
    ticket = Ticket()
    requests = workload([0.0, 0.0])
    rank_workload(ticket, requests)
    assert ticket.asked == [requests.request(0), requests.request(1)]
    assert ticket.asked[1].urgency == 1
    assert ticket.asked[1].predicted_output_tokens == 3
    assert ticket.asked[1].predicted_p90_tokens == 4


@pytest.mark.parametrize("name", POLICIES)
def test_ranks_are_contiguous_columns_of_doubles(name: str) -> None:
    for policy in (POLICIES[name], lambda request: POLICIES[name](request)):
        ranks = rank_workload(policy, workload([2.0, 0.5, 7.0]))
        assert isinstance(ranks, Ranks)
        for column in ranks:
            assert column.shape == (3,)
            assert column.dtype == np.float64
            assert column.flags.c_contiguous


@pytest.mark.parametrize("name", POLICIES)
def test_built_ins_rank_all_at_once_as_one_by_one(name: str) -> None:
    requests = workload([2.0, 0.5, 7.0, 7.0, 1 / 3, 0.1])
    at_once = rank_workload(POLICIES[name], requests)
    one_by_one = rank_workload(lambda request: POLICIES[name](request), requests)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(at_once, one_by_one, strict=True))


@pytest.mark.parametrize(
    ("rank", "why"),
    [
        (Rank(math.nan, 0.0, 0.0), "rank.tier must be a finite number"),
        (Rank(0.0, math.inf, 0.0), "rank.offset must be a finite number"),
        (Rank(0.0, 0.0, -1.0), "rank.slope must be >= 0"),
    ],
)
def test_a_bad_rank_is_refused_and_names_the_request(rank: Rank, why: str) -> None:
    with pytest.raises(PolicyError, match=f"{why}.*id=2"):
        rank_workload(
            lambda request: rank if request.id == 2 else Rank(0, 0, 0), workload([0.0] * 4)
        )


def test_the_columns_of_a_columnwise_policy_are_checked() -> None:
    @columnwise
    def falls_back(request: Any) -> Rank:
        return Rank(0.0, request.arrived_at, 1.0 - request.id)

    with pytest.raises(PolicyError, match=r"rank\.slope must be >= 0, got -1\.0 for .*id=2"):
        rank_workload(falls_back, paper())


def test_a_columnwise_policy_may_read_all_that_a_request_has() -> None:
    @columnwise
    def curious(request: Any) -> Rank:
        is_free: Any = np.where(request.tenant == "", 0.0, 1.0)
        return Rank(is_free, np.minimum(request.deadline, request.id), 0.0)

    ranks = rank_workload(curious, paper())
    assert ranks.tier.tolist() == [0.0] * 48
    assert ranks.offset.tolist() == list(range(48))
