"""A fleet loses nobody, and a router that looks is better than one that does not."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.core.profile import EngineProfile, load_profile
from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.request import Rank, Request
from semsched.simulate import ROUTINGS, capacity, route, simulate, simulate_fleet
from semsched.simulate.metrics import summarise
from semsched.workload import Workload, paper, poisson
from tests.simulate.cases import engine, engines, schedulings, workload, workloads

ONE_SECOND_A_TOKEN = engine(decode_seq=1.0)
ONE_SEAT = Scheduling(max_num_seqs=1)
ENGINES: tuple[Literal["kernel", "reference"], ...] = ("kernel", "reference")


TWO_SEATS = Scheduling(max_num_seqs=2)


def skewed(load: float, num_replicas: int, profile: EngineProfile, seed: int) -> Workload:
    """Poisson arrivals at that load of replicas of two seats; a few outputs are very long."""
    requests = poisson(2_000, rate=1.0, mix=(1, 1, 1, 1, 1), max_output_length=1000, seed=seed)
    tails = np.random.default_rng(seed).pareto(1.5, len(requests))
    output = np.minimum(tails * 150 + 1, 1000).astype(np.int32)
    requests = replace(requests, output_tokens=output, predicted_output_tokens=output)
    rate = load * num_replicas * capacity(requests, profile, TWO_SEATS.max_num_seqs)
    return requests.arriving_at(requests.arrived_at / rate)


@settings(max_examples=100, deadline=None)
@given(
    workloads(),
    engines(),
    st.sampled_from(sorted(POLICIES)),
    schedulings(),
    st.integers(2, 5),
    st.sampled_from(ROUTINGS),
)
def test_each_request_ends_once_on_one_replica(
    requests: Workload,
    profile: EngineProfile,
    policy: str,
    scheduling: Scheduling,
    num_replicas: int,
    routing: str,
) -> None:
    setup = (requests, profile, POLICIES[policy], scheduling)
    run = simulate_fleet(*setup, num_replicas=num_replicas, routing=routing)
    assert run.rows["id"].to_list() == list(range(len(requests)))
    assert run.rows["arrived_at"].to_list() == requests.arrived_at.tolist()
    assert run.rows["replica"].is_between(0, num_replicas - 1).all()
    assert run.rows["finished_at"].count() + run.totals.num_refused == len(requests)
    assert run.num_replicas == num_replicas
    again = simulate_fleet(*setup, num_replicas=num_replicas, routing=routing)
    assert again.rows.equals(run.rows)


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_replica_serves_its_share_as_if_it_were_alone(
    engine_name: Literal["kernel", "reference"],
) -> None:
    requests = replace(paper(user_request_gap=0.1), tenant=tuple("ab" * 24))
    profile, policy = load_profile("A100_7B"), POLICIES["semantic"]
    run = simulate_fleet(requests, profile, policy, num_replicas=3, engine=engine_name)
    of_first = run.rows.filter(pl.col("replica") == 0)
    ids = of_first["id"].to_numpy()
    alone = simulate(
        workload(*(column[ids] for column in told(requests))), profile, policy, engine=engine_name
    )
    assert of_first["finished_at"].equals(alone.rows["finished_at"])
    assert run.series.equals(alone.series)
    assert run.totals.num_steps > alone.totals.num_steps
    assert run.totals.busy_time > alone.totals.busy_time


def told(requests: Workload) -> tuple[Any, ...]:
    lengths = (requests.prompt_tokens, requests.output_tokens)
    return (requests.arrived_at, *lengths, requests.urgency)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_one_replica_is_simulate(routing: str) -> None:
    requests, profile, policy = paper(), load_profile("A100_7B"), POLICIES["semantic"]
    fleet = simulate_fleet(requests, profile, policy, routing=routing, policy_name="mine")
    single = simulate(requests, profile, policy, policy_name="mine")
    assert (fleet.totals, fleet.policy, fleet.num_replicas) == (single.totals, "mine", 1)
    assert fleet.rows.equals(single.rows)
    assert fleet.series.equals(single.series)


def test_more_replicas_than_requests() -> None:
    requests = workload([0, 1], [1, 1], [3, 3])
    run = simulate_fleet(requests, ONE_SECOND_A_TOKEN, POLICIES["fcfs"], num_replicas=7)
    assert run.rows["replica"].to_list() == [0, 1]
    assert run.rows["finished_at"].to_list() == [3.0, 4.0]
    assert summarise(run)["kv_utilisation_peak"] == 8 / (7 * 100_000 * 16)


def test_a_policy_is_asked_replica_by_replica_and_progress_is_of_the_whole() -> None:
    asked: list[float] = []

    def policy(request: Request) -> Rank:
        asked.append(request.arrived_at)
        return Rank(0, request.arrived_at, 0)

    told: list[tuple[int, int]] = []
    simulate_fleet(
        workload([0, 1, 2, 3], [1] * 4, [2] * 4),
        ONE_SECOND_A_TOKEN,
        policy,
        num_replicas=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert asked == [0, 2, 1, 3]
    assert told == sorted(told)
    assert told[-1] == (4, 4)


# --- routing -----------------------------------------------------------------------------------


def test_round_robin_goes_by_the_order_of_entry() -> None:
    requests = workload([0, 1, 2, 3, 4], [1] * 5, [1] * 5)
    late = replace(requests, ready_at=np.array([9.0, 1.0, 2.0, 3.0, 4.0]))
    assert route(late, ONE_SECOND_A_TOKEN, ONE_SEAT, 2, "round-robin").tolist() == [0, 0, 1, 0, 1]


def test_least_work_knows_what_is_left_and_believes_the_prediction() -> None:
    requests = workload([0, 0, 0, 2, 9], [1] * 5, [4, 1, 1, 1, 1])
    chosen = route(requests, ONE_SECOND_A_TOKEN, ONE_SEAT, 2, "least-work")
    assert chosen.tolist() == [0, 1, 1, 1, 0]  # at 2 s: 2 s left and none; at 9 s: none anywhere
    believed = np.array([1, 4, 4, 1, 1], dtype=np.int32)
    misled = replace(requests, predicted_output_tokens=believed, max_output_tokens=2 * believed + 4)
    chosen = route(misled, ONE_SECOND_A_TOKEN, ONE_SEAT, 2, "least-work")
    assert chosen.tolist() == [0, 1, 0, 1, 0]


def test_urgency_aware_looks_at_what_is_at_least_as_urgent() -> None:
    requests = workload([0, 0, 0, 0], [1] * 4, [9, 3, 1, 1], [4, 0, 0, 3])
    chosen = route(requests, ONE_SECOND_A_TOKEN, ONE_SEAT, 2, "urgency-aware")
    # the second: nothing urgent anywhere, so less work in all; the third overtakes the 9 s
    assert chosen.tolist() == [0, 1, 0, 0]
    least = route(requests, ONE_SECOND_A_TOKEN, ONE_SEAT, 2, "least-work")
    assert least.tolist() == [0, 1, 1, 1]
    doubted = replace(requests, predicted_urgency=np.full(4, 2, dtype=np.int32))
    chosen = route(doubted, ONE_SECOND_A_TOKEN, ONE_SEAT, 2, "urgency-aware")
    assert chosen.tolist() == least.tolist()


def test_the_truth_does_not_leak() -> None:
    requests = skewed(0.9, 3, ONE_SECOND_A_TOKEN, seed=0)
    ones = np.ones(len(requests), dtype=np.int32)
    other = replace(requests, output_tokens=ones, urgency=ones)
    for routing in ROUTINGS:
        chosen = [route(w, ONE_SECOND_A_TOKEN, ONE_SEAT, 3, routing) for w in (requests, other)]
        assert (chosen[0] == chosen[1]).all()


def mean_e2e(seed: int, policy: str, routing: str) -> tuple[float, float]:
    """Mean E2E latency of all, and of class 0, on four replicas at load 0.95."""
    profile = load_profile("A100_7B")
    setup = (skewed(0.95, 4, profile, seed), profile, POLICIES[policy], TWO_SEATS)
    summary = summarise(simulate_fleet(*setup, num_replicas=4, routing=routing))
    return summary["e2e_mean"], summary["by_urgency"]["0"]["e2e_mean"]


@pytest.mark.parametrize("policy", ["fcfs", "semantic"])
def test_least_work_beats_round_robin_on_skewed_lengths(policy: str) -> None:
    for seed in range(5):
        in_turn, least = (mean_e2e(seed, policy, r)[0] for r in ("round-robin", "least-work"))
        assert least < 0.8 * in_turn, seed


def test_urgency_aware_serves_class_0_no_worse_than_least_work() -> None:
    for seed in range(5):
        least, aware = (mean_e2e(seed, "semantic", r)[1] for r in ("least-work", "urgency-aware"))
        assert aware <= least, seed


def test_bad_input_is_one_line() -> None:
    requests, profile, policy = paper(), load_profile("A100_4B"), POLICIES["fcfs"]
    for num_replicas in (0, -1):
        with pytest.raises(ValueError, match=f"^num_replicas is {num_replicas}, must be at least"):
            simulate_fleet(requests, profile, policy, num_replicas=num_replicas)
    with pytest.raises(ValueError, match=r"^unknown routing 'best': use one of round-robin, least"):
        simulate_fleet(requests, profile, policy, routing="best")
