"""What holds in every run, whatever the policy, the engine and the settings."""

from dataclasses import replace

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.core.batch import Step
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.simulate import simulate
from semsched.simulate.ranks import rank_workload
from semsched.simulate.reference import Reference
from semsched.workload import Workload
from tests.simulate.cases import engine, engines, schedulings, workloads

policies = st.sampled_from(sorted(POLICIES))


@settings(max_examples=200, deadline=None)
@given(workloads(), engines(), policies, schedulings())
def test_each_request_ends_once_and_in_order(
    workload: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    run = simulate(workload, profile, POLICIES[policy], scheduling)
    assert run.rows["id"].to_list() == list(range(len(workload)))
    finished = run.rows.filter(pl.col("status") == "finished")
    assert finished.height + run.totals.num_refused == len(workload)
    for earlier, later in (
        ("arrived_at", "started_at"),
        ("started_at", "first_token_at"),
        ("first_token_at", "finished_at"),
    ):
        assert (finished[earlier] <= finished[later]).all()
    assert (finished["queue_time"] >= -1e-9).all()
    refused = run.rows.filter(pl.col("status") == "refused")
    longest = refused["prompt_tokens"] + 30
    assert (longest > profile.kv_tokens).all()


@settings(max_examples=200, deadline=None)
@given(workloads(), engines(), policies, schedulings())
def test_limits_hold_and_no_seat_idles(
    workload: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    ranks = rank_workload(POLICIES[policy], workload)
    reference = Reference(workload, ranks, profile, scheduling)
    seats, memory = reference.batcher.seats, reference.memory
    num_steps = 0
    while reference.step():
        assert seats.num_running <= scheduling.max_num_seqs
        assert 0 <= memory.num_free <= memory.num_blocks
        assert memory.num_free + sum(seq.num_blocks for seq in memory.holders) == memory.num_blocks
        assert sum(seq.resident for seq in memory.holders) == memory.num_tokens
        # the clock moves on without a step only over an empty engine
        assert reference.num_steps > num_steps or not seats.num_running + seats.num_idle
        num_steps = reference.num_steps
    assert memory.num_free == memory.num_blocks
    assert memory.num_tokens == 0
    assert not memory.holders


@settings(max_examples=200, deadline=None)
@given(workloads(), engines(), policies, schedulings())
def test_work_is_conserved(
    workload: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    """With backfill a seat stays free only if nobody waits, or the best has no room."""
    scheduling = scheduling.model_copy(update={"backfill": True})
    ranks = rank_workload(POLICIES[policy], workload)
    reference = Reference(workload, ranks, profile, scheduling)
    seats, memory = reference.batcher.seats, reference.memory
    schedule = reference.batcher.schedule

    def watched(now: float) -> Step:
        step = schedule(now)
        just_seated = step.prefills and scheduling.batching == "alternate"
        if just_seated and seats.num_idle and seats.num_running < scheduling.max_num_seqs:
            best = seats._best_idle(fresh=True)
            assert best is not None
            assert seats._blocks_to_sit(best) > memory.num_free
        return step

    reference.batcher.schedule = watched  # type: ignore[method-assign]
    while reference.step():
        pass


@settings(max_examples=100, deadline=None)
@given(workloads(), engines(), policies, schedulings(preemption="off"))
def test_nobody_is_interrupted_with_preemption_off(
    workload: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    """Unless somebody is longer than its P90, by which memory was planned."""
    tail = np.maximum(workload.predicted_p90_tokens, workload.output_tokens)
    tail = np.where(workload.predicted_p90_tokens, tail, 0)
    workload = replace(workload, predicted_p90_tokens=tail)
    run = simulate(workload, profile, POLICIES[policy], scheduling)
    assert run.totals.num_evictions == 0
    assert run.rows["num_preemptions"].sum() == 0
    finished = run.rows.filter(pl.col("status") == "finished")
    waited = finished["started_at"] - finished["arrived_at"]
    assert np.allclose(waited, finished["queue_time"], atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(workloads(), policies, schedulings())
def test_a_request_loses_its_seat_no_oftener_than_allowed(
    workload: Workload, policy: str, scheduling: Scheduling
) -> None:
    ample = engine(decode_seq=0.1, prefill_token=0.01)
    run = simulate(workload, ample, POLICIES[policy], scheduling)
    assert (run.rows["num_preemptions"] <= scheduling.max_preemptions).all()
    assert run.rows["recomputed_tokens"].sum() == run.rows["swapped_tokens"].sum() == 0


@settings(max_examples=50, deadline=None)
@given(workloads(), engines(), policies, schedulings())
def test_the_same_run_twice_is_the_same(
    workload: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    first, second = (simulate(workload, profile, POLICIES[policy], scheduling) for _ in range(2))
    assert first.rows.equals(second.rows)
    assert first.series.equals(second.series)
    assert first.totals == second.totals
