"""Against theory, and against a model that shares no code with ours."""

from collections.abc import Generator
from typing import Any

import numpy as np
import polars as pl
import pytest
import simpy

from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.simulate import simulate
from semsched.simulate.ranks import rank_workload
from semsched.simulate.reference import Reference
from semsched.workload import Workload
from tests.simulate.cases import engine, workload

STEP = 1e-3
MEAN_TOKENS = 1000


def stream(num_requests: int, load: float, seed: int) -> Workload:
    """Poisson arrivals, geometric outputs (all but exponential), five equal classes."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(MEAN_TOKENS * STEP / load, num_requests)
    return workload(
        np.cumsum(gaps),
        np.ones(num_requests),
        rng.geometric(1 / MEAN_TOKENS, num_requests),
        rng.integers(0, 5, num_requests),
    )


ONE_SEAT = engine(num_blocks=1_000_000, decode_seq=STEP)
SERVICE = MEAN_TOKENS * STEP
SERVICE_SQUARED = STEP**2 * (2 * MEAN_TOKENS**2 - MEAN_TOKENS)


def e2e_by_class(requests: Workload, policy: str, **settings: Any) -> list[float]:
    scheduling = Scheduling(max_num_seqs=1, max_preemptions=10**9, **settings)
    rows = simulate(requests, ONE_SEAT, POLICIES[policy], scheduling).rows
    e2e = rows.group_by("urgency").agg((pl.col("finished_at") - pl.col("arrived_at")).mean())
    return [value for _, value in sorted(e2e.iter_rows())]


def test_mm1_first_come_first_served() -> None:
    load = 0.7
    means = e2e_by_class(stream(1_000_000, load, seed=1), "fcfs")
    assert np.mean(means) == pytest.approx(SERVICE / (1 - load), rel=0.02)


def test_mg1_non_preemptive_priority() -> None:
    """Cobham (1954): W_k = W_0 / ((1 - s_(k-1)) (1 - s_k)), s_k the load of classes 0..k."""
    load = 0.8
    means = e2e_by_class(stream(2_000_000, load, seed=2), "pjf", preemption="off")
    residual = load / SERVICE * SERVICE_SQUARED / 2
    for urgency, mean in enumerate(means):
        above, upto = load * urgency / 5, load * (urgency + 1) / 5
        waited = residual / ((1 - above) * (1 - upto))
        assert mean == pytest.approx(SERVICE + waited, rel=0.02), urgency


def test_mg1_preemptive_resume_priority() -> None:
    """Class k does not feel the classes below it (Jaiswal 1968)."""
    load = 0.8
    means = e2e_by_class(stream(2_000_000, load, seed=3), "pjf", preemption="class")
    for urgency, mean in enumerate(means):
        above, upto = load * urgency / 5, load * (urgency + 1) / 5
        residual = upto / SERVICE * SERVICE_SQUARED / 2
        theory = SERVICE / (1 - above) + residual / ((1 - above) * (1 - upto))
        assert mean == pytest.approx(theory, rel=0.02), urgency


def test_littles_law() -> None:
    """The engine's own head count over time against the latencies in the rows."""
    requests = stream(1_000, 0.7, seed=4)
    ranks = rank_workload(POLICIES["semantic"], requests)
    profile = engine(decode_seq=STEP, prefill_token=STEP)
    reference = Reference(requests, ranks, profile, Scheduling(max_num_seqs=2))
    seats, head_seconds = reference.batcher.seats, 0.0
    before, done = 0.0, 0
    while reference.step():
        heads = seats.num_running + seats.num_idle + reference.num_done - done
        head_seconds += heads * (reference.now - before)
        before, done = reference.now, reference.num_done
    e2e_seconds = float((reference.outcome.finished_at - requests.arrived_at).sum())
    assert head_seconds == pytest.approx(e2e_seconds, rel=0.01)
    assert e2e_seconds / before > 0.7  # there is a crowd to count


@pytest.mark.parametrize("model", ["paper", "linear"])
@pytest.mark.parametrize("batching", ["alternate", "chunked"])
def test_alone_on_the_engine(model: str, batching: str) -> None:
    """One request: base, prefill and decode summed by hand, token by token."""
    base, b, c, d, e = 0.5, 0.01, 1e-4, 0.03, 1e-3
    profile = engine(
        model=model,
        base=base,
        prefill_token=b,
        prefill_square=c,
        decode_seq=d,
        decode_context=e,
    )
    scheduling = Scheduling.model_validate({"batching": batching, "max_num_batched_tokens": 40})
    prompt, output = 100, 7
    run = simulate(workload([3.0], [prompt], [output]), profile, POLICIES["fcfs"], scheduling)
    prefill = b * prompt + c * prompt**2
    decodes = [base + d + e * (prompt + i + 1) for i in range(output)]
    if batching == "alternate":
        first, rest = base + prefill + decodes[0], decodes[1:]
    else:  # three chunks; the last one yields the first token
        first, rest = 3 * base + prefill, decodes[: output - 1]
    row = run.rows.row(0, named=True)
    assert row["started_at"] == 3.0
    assert row["first_token_at"] == pytest.approx(3.0 + first, rel=1e-12)
    assert row["finished_at"] == pytest.approx(3.0 + first + sum(rest), rel=1e-12)
    assert row["queue_time"] == pytest.approx(0.0, abs=1e-12)


def simpy_fcfs(requests: Workload, seats: int, step: float, prefill: float) -> dict[int, float]:
    """First come, first served on an `alternate` engine, told as a SimPy process."""
    env = simpy.Environment()
    queue: list[int] = []
    left: dict[int, int] = {}
    finished: dict[int, float] = {}
    arrived = env.event()

    def clients() -> Generator[simpy.Event, None, None]:
        nonlocal arrived
        for id, at in enumerate(requests.arrived_at):
            yield env.timeout(max(float(at) - env.now, 0.0))
            queue.append(id)
            if not arrived.triggered:
                arrived.succeed()

    def server() -> Generator[simpy.Event, None, None]:
        nonlocal arrived
        while len(finished) < len(requests):
            joining = [queue.pop(0) for _ in range(min(seats - len(left), len(queue)))]
            left.update((id, int(requests.output_tokens[id])) for id in joining)
            if joining:
                yield env.timeout(max(prefill * int(requests.prompt_tokens[id]) for id in joining))
            elif left:
                yield env.timeout(step)
                for id in list(left):
                    left[id] -= 1
                    if not left[id]:
                        finished[id] = env.now
                        del left[id]
            else:
                arrived = env.event()
                yield arrived

    env.process(clients())
    env.process(server())
    env.run()
    return finished


def test_simpy_agrees() -> None:
    rng = np.random.default_rng(5)
    num, step, prefill = 2_000, 0.013, 0.0007
    requests = workload(
        np.cumsum(rng.exponential(0.11, num)),
        rng.integers(1, 200, num),
        rng.integers(1, 60, num),
    )
    theirs = simpy_fcfs(requests, seats=4, step=step, prefill=prefill)
    run = simulate(
        requests,
        engine(decode_seq=step, prefill_token=prefill),
        POLICIES["fcfs"],
        Scheduling(max_num_seqs=4),
    )
    ours = run.rows["finished_at"].to_list()
    assert ours == pytest.approx([theirs[id] for id in range(num)], rel=1e-9)
    assert run.rows.filter(pl.col("queue_time") > 0.1).height > num // 5  # the queue matters
