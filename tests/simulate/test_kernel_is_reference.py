"""Two implementations, one contract: the kernel gives the rows of the reference."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.core.profile import EngineProfile, load_profile
from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.simulate import simulate
from semsched.simulate.run import Run
from semsched.workload import Workload, paper
from tests.simulate.cases import engines, schedulings, workload, workloads


def both(
    requests: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> tuple[Run, Run]:
    return (
        simulate(requests, profile, POLICIES[policy], scheduling, engine="kernel"),
        simulate(requests, profile, POLICIES[policy], scheduling, engine="reference"),
    )


def assert_same(kernel: Run, reference: Run) -> None:
    """Instants bit by bit, counts exactly; only the integrals are summed in another order."""
    assert kernel.rows.equals(reference.rows)
    assert kernel.series.equals(reference.series)
    for field, ours, theirs in zip(
        kernel.totals._fields, kernel.totals, reference.totals, strict=True
    ):
        assert ours == pytest.approx(theirs, rel=1e-9), field


@settings(max_examples=1000, deadline=None)
@given(workloads(), engines(), st.sampled_from(sorted(POLICIES)), schedulings())
def test_same_rows_on_random_cases(
    requests: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    assert_same(*both(requests, profile, policy, scheduling))


@pytest.mark.parametrize("setting", ["A100_4B", "A100_7B", "A5000_4B", "A5000_7B", "H100_8B"])
@pytest.mark.parametrize("batching", ["alternate", "chunked"])
@pytest.mark.parametrize("preemption", ["rank", "class", "off"])
def test_same_rows_on_the_shipped_engines(setting: str, batching: str, preemption: str) -> None:
    scheduling = Scheduling.model_validate(
        {"batching": batching, "preemption": preemption, "max_num_batched_tokens": 256}
    )
    requests = paper(user_request_gap=0.01, max_concurrent_user_requests=12, seed=3)
    for policy in ("semantic", "fcfs"):
        assert_same(*both(requests, load_profile(setting), policy, scheduling))


def tail_matters(
    requests: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> bool:
    """Whether it makes a difference that some P90s are known."""
    points = replace(requests, predicted_p90_tokens=np.zeros(len(requests), dtype=np.int32))
    with_tail, without = (
        simulate(each, profile, POLICIES[policy], scheduling).rows for each in (requests, points)
    )
    return not with_tail.equals(without)


def test_the_random_cases_are_hard_enough() -> None:
    """What the parity test is about does happen in cases like those it draws."""
    seen: set[str] = set()

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(workloads(), engines(), schedulings())
    def look(requests: Workload, profile: EngineProfile, scheduling: Scheduling) -> None:
        run = simulate(requests, profile, POLICIES["semantic"], scheduling)
        sums = run.rows.select(pl.col(pl.Int32).cast(pl.Int64)).sum().row(0, named=True)
        for what in ("num_preemptions", "recomputed_tokens", "swapped_tokens"):
            if sums[what]:
                seen.add(what)
        if run.totals.num_refused:
            seen.add("num_refused")
        if tail_matters(requests, profile, "sjf", scheduling):
            seen.add("estimates")
        if scheduling.preemption == "off" and sums["num_preemptions"]:
            seen.add("surprises")

    look()
    assert seen == {
        "num_preemptions",
        "recomputed_tokens",
        "swapped_tokens",
        "num_refused",
        "estimates",
        "surprises",
    }


def test_the_kernel_jumps() -> None:
    """Ten million decode steps in one call would take the reference minutes."""
    long = [100_000] * 100
    requests = workload([1e4 * i for i in range(100)], long, long)
    run = simulate(requests, load_profile("H100_8B"), POLICIES["fcfs"])
    assert run.totals.num_steps > 5_000_000
    assert run.wall_time < 20  # a guard against stepping, not a measurement
