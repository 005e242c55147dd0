"""No schedule at all beats the bound, and it is not far below the best one."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.core.profile import EngineProfile, load_profile
from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES, WEIGHT
from semsched.simulate import bound, capacity, simulate, simulate_fleet, weighted_latency_bound
from semsched.simulate.metrics import summarise
from semsched.workload import Workload, poisson
from tests.simulate.cases import engine, engines, schedulings, workload, workloads
from tests.simulate.tiny import Tiny, Wish

KINDS = [
    (model, batching, memory)
    for model in ("paper", "linear")
    for batching in ("alternate", "chunked")
    for memory in ("ample", "scarce")
]


class Case(NamedTuple):
    """One tiny world, for the package and for the search through all schedules."""

    requests: Workload
    profile: EngineProfile
    scheduling: Scheduling
    tiny: Tiny

    def optimum(self) -> float:
        """The least mean weighted latency, in seconds."""
        weight = WEIGHT[self.requests.urgency]
        finished = self.tiny.optimum() - float(weight @ self.requests.arrived_at)
        return finished / float(weight.sum())

    def bound(self) -> float:
        return weighted_latency_bound(self.requests, self.profile, self.scheduling)


def draw(seed: int, model: str, batching: str, memory: str) -> Case:
    rng = np.random.default_rng(seed)
    num = int(rng.integers(1, 5))
    prompt, output = rng.integers(1, 3, num), rng.integers(1, 4, num)
    arrived_at = np.sort(rng.choice([0.0, 0.7, 2.3], num) if seed % 2 else np.zeros(num))
    requests = workload(arrived_at, prompt, output, rng.integers(0, 5, num))
    slow = seed % 3 == 0
    requests = dataclasses.replace(requests, ready_at=arrived_at + (0.4 if slow else 0.0))
    base, b, c, d, e = (float(rng.choice(times)) for times in TIMES)
    kv_tokens = int((prompt + output.max()).max()) + int(rng.integers(0, 3))
    kv_tokens = kv_tokens if memory == "scarce" else 10**6
    seats, budget = int(rng.integers(1, 3)), int(rng.integers(2, 5))
    profile = engine(
        kv_tokens,
        block_size=1,
        model=model,
        base=base,
        prefill_token=b,
        prefill_square=c,
        decode_seq=d,
        decode_context=e,
    )
    scheduling = Scheduling.model_validate(
        {"max_num_seqs": seats, "batching": batching, "max_num_batched_tokens": budget}
    )
    tiny = Tiny(
        [Wish(*wish) for wish in zip(*columns(requests), strict=True)],
        seats,
        chunked=batching == "chunked",
        additive=model == "linear",
        base=base,
        prefill=(b, c),
        decode=(d, e),
        budget=budget,
        kv_tokens=kv_tokens,
        loses=int((prompt + output.max()).sum()) > kv_tokens,
    )
    return Case(requests, profile, scheduling, tiny)


TIMES = ([0.0, 0.5], [0.0, 0.1, 1.0], [0.0, 0.1], [0.0, 0.25, 1.0], [0.0, 0.125])
"""Seconds to choose from: base, per prefilled token and its square, per decode and context."""


def columns(requests: Workload) -> list[Any]:
    lengths = (requests.prompt_tokens, requests.output_tokens)
    weight = WEIGHT[requests.urgency]
    return [column.tolist() for column in (requests.ready_at, *lengths, weight)]


def is_below(value: float, optimum: float) -> bool:
    return value <= optimum + 1e-9 * max(1.0, abs(optimum))


@pytest.mark.parametrize(("model", "batching", "memory"), KINDS)
def test_no_schedule_beats_the_bound(model: str, batching: str, memory: str) -> None:
    for seed in range(60):
        case = draw(seed, model, batching, memory)
        assert is_below(case.bound(), case.optimum()), seed


@pytest.mark.parametrize("relaxation", ["_seats", "_time", "_memory"])
@pytest.mark.parametrize("part", ["tail", "work"])
def test_a_bound_too_high_is_caught(
    monkeypatch: pytest.MonkeyPatch, relaxation: str, part: str
) -> None:
    """The check itself can fail: a whole service time for half of one, or too much work."""
    right = getattr(bound, relaxation)

    def wrong(*args: Any) -> bound.Relaxation:
        relaxed: bound.Relaxation = right(*args)
        return relaxed._replace(**{part: 2 * getattr(relaxed, part)})

    monkeypatch.setattr(bound, relaxation, wrong)
    cases = (draw(seed, *kind) for kind in KINDS for seed in range(20))
    assert any(not is_below(case.bound(), case.optimum()) for case in cases)


@pytest.mark.parametrize("model", ["paper", "linear"])
@pytest.mark.parametrize("batching", ["alternate", "chunked"])
def test_alone_the_bound_is_met(model: str, batching: str) -> None:
    profile = engine(model=model, base=0.1, prefill_token=0.01, decode_seq=0.2, decode_context=0.01)
    scheduling = Scheduling.model_validate({"batching": batching, "max_num_batched_tokens": 16})
    requests = dataclasses.replace(workload([2.0], [50], [7], [3]), ready_at=np.array([2.5]))
    run = simulate(requests, profile, POLICIES["fcfs"], scheduling)
    best = weighted_latency_bound(requests, profile, scheduling)
    assert best == pytest.approx(summarise(run)["weighted_latency_mean"], rel=1e-12)
    assert best > 0.5 + 7 * 0.2 - 0.2


@pytest.mark.parametrize("model", ["paper", "linear"])
def test_smiths_rule_meets_the_bound_on_one_seat(model: str) -> None:
    """Smith (1956): from one instant on, the shortest for its weight first is best."""
    rng = np.random.default_rng(1)
    requests = workload(
        np.full(50, 3.0), rng.integers(1, 30, 50), rng.integers(1, 30, 50), rng.integers(0, 5, 50)
    )
    profile = engine(model=model, base=0.5, prefill_token=0.01, decode_seq=0.2)
    one_seat = Scheduling(max_num_seqs=1)
    run = simulate(requests, profile, POLICIES["smith"], one_seat)
    best = weighted_latency_bound(requests, profile, one_seat)
    assert best == pytest.approx(summarise(run)["weighted_latency_mean"], rel=1e-9)


@settings(max_examples=250, deadline=None)
@given(workloads(), engines(), st.sampled_from(sorted(POLICIES)), schedulings(), st.integers(1, 3))
def test_no_policy_beats_the_bound(
    requests: Workload,
    profile: EngineProfile,
    policy: str,
    scheduling: Scheduling,
    num_replicas: int,
) -> None:
    run = simulate_fleet(requests, profile, POLICIES[policy], scheduling, num_replicas=num_replicas)
    reached = summarise(run)["weighted_latency_mean"]
    best = weighted_latency_bound(requests, profile, scheduling, num_replicas)
    assert best == 0.0 if reached is None else is_below(best, reached)


@settings(max_examples=250, deadline=None)
@given(workloads(), engines(), st.sampled_from(sorted(POLICIES)), schedulings())
def test_nobody_sits_for_less_than_its_demand(
    requests: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    rows = simulate(requests, profile, POLICIES[policy], scheduling).rows
    rows = rows.filter(pl.col("status") == "finished")
    seated = (rows["finished_at"] - rows["arrived_at"] - rows["queue_time"]).to_numpy()
    cost = bound._least_cost(requests, profile, scheduling)
    demand = bound._demand(requests, rows["id"].to_numpy(), cost, scheduling)
    least = demand.prefill_time + demand.decode_time
    assert (seated >= least * (1 - 1e-9) - 1e-6).all()


@pytest.mark.parametrize(("load", "factor"), [(0.5, 1.2), (1.5, 1.5)])
def test_the_bound_says_something_where_costs_add_up(load: float, factor: float) -> None:
    profile, scheduling = load_profile("H100_8B"), Scheduling()
    requests = poisson(2_000, rate=1.0, mix=(1, 1, 1, 1, 1))
    rate = load * capacity(requests, profile, scheduling.max_num_seqs)
    requests = requests.arriving_at(requests.arrived_at / rate)
    smith = summarise(simulate(requests, profile, POLICIES["smith"], scheduling))
    best = weighted_latency_bound(requests, profile, scheduling)
    assert best <= smith["weighted_latency_mean"] <= factor * best


def test_more_replicas_lower_the_bound() -> None:
    requests = poisson(500, rate=100.0, mix=(1, 1, 1, 1, 1))
    one, two, many = (
        weighted_latency_bound(requests, load_profile("A100_7B"), Scheduling(), num_replicas)
        for num_replicas in (1, 2, 500)
    )
    assert one > 1.5 * two
    assert two > many


def test_the_refused_are_left_out() -> None:
    profile = engine(num_blocks=4, decode_seq=1.0)
    with_refused = workload([0, 0], [10, 60], [5, 20])
    alone = dataclasses.replace(
        workload([0], [10], [5]), max_output_tokens=np.array([20], dtype=np.int32)
    )
    bounds = [weighted_latency_bound(w, profile, Scheduling()) for w in (with_refused, alone)]
    assert bounds[0] == bounds[1] == 5.0
    assert weighted_latency_bound(workload([0], [60], [20]), profile, Scheduling()) == 0.0
