"""simulate() as a user of the library calls it."""

from typing import Any, Literal

import numpy as np
import pytest

from semsched import Rank, Request
from semsched.core.profile import load_profile
from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES, PolicyError
from semsched.simulate import LostRequestError, capacity, engine, simulate
from semsched.simulate.kernel import run_kernel
from semsched.simulate.run import Served
from semsched.workload import paper, poisson
from tests.simulate.cases import engine as make_engine
from tests.simulate.cases import workload


class LongestFirst:
    """A policy with state, as a class."""

    def __init__(self) -> None:
        self.num_asked = 0

    def __call__(self, request: Request) -> Rank:
        self.num_asked += 1
        return Rank(-request.predicted_output_tokens, 0, 0)


def test_a_users_policy_runs_on_both_engines() -> None:
    requests = paper(user_request_gap=0.1)
    first, second = LongestFirst(), LongestFirst()
    kernel = simulate(requests, load_profile("A100_4B"), first)
    reference = simulate(requests, load_profile("A100_4B"), second, engine="reference")
    assert kernel.rows.equals(reference.rows)
    assert (kernel.policy, first.num_asked, second.num_asked) == ("LongestFirst", 48, 48)


def test_an_unusable_rank_is_one_clear_line() -> None:
    with pytest.raises(PolicyError, match=r"rank\.tier must be a finite number, got nan"):
        simulate(paper(), load_profile("A100_4B"), lambda _: Rank(float("nan"), 0, 0))


def test_a_request_that_can_never_fit_is_refused() -> None:
    """The prompt alone fits, with the longest declared output it does not."""
    requests = workload([0, 0, 1], [10, 55, 10], [20, 10, 5])
    names: tuple[Literal["kernel", "reference"], ...] = ("kernel", "reference")
    for name in names:
        run = simulate(requests, make_engine(num_blocks=4), POLICIES["fcfs"], engine=name)
        assert run.rows["status"].to_list() == ["finished", "refused", "finished"]
        assert run.totals.num_refused == 1
        assert run.rows["finished_at"][1] is None


def test_a_run_that_loses_a_request_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*args: Any) -> Served:
        served = run_kernel(*args)
        served.outcome.finished_at[-1] = np.nan
        return served

    monkeypatch.setitem(engine.ENGINES, "kernel", lose)
    with pytest.raises(LostRequestError, match="lost 1 requests: injected 48, finished 47"):
        simulate(paper(), load_profile("A100_4B"), POLICIES["fcfs"])


def test_progress_is_told_and_ends_at_the_end() -> None:
    told: list[tuple[int, int]] = []
    requests = poisson(120_000, rate=10.0, mix=(1, 1, 1, 1, 1), max_output_length=5)
    simulate(
        requests,
        load_profile("A100_4B"),
        POLICIES["fcfs"],
        progress=lambda done, total: told.append((done, total)),
    )
    assert len(told) >= 3
    assert told == sorted(told)
    assert told[-1] == (120_000, 120_000)


@pytest.mark.parametrize(
    ("setting", "batching"), [("A100_4B", "alternate"), ("H100_8B", "chunked")]
)
@pytest.mark.parametrize("max_num_seqs", [1, 16])
def test_capacity_is_what_the_engine_does_at_most(
    setting: str, batching: Literal["alternate", "chunked"], max_num_seqs: int
) -> None:
    profile = load_profile(setting)
    burst = poisson(3_000, rate=1.0, mix=(1, 1, 1, 1, 1))
    burst = burst.arriving_at(np.zeros(3_000))
    scheduling = Scheduling(max_num_seqs=max_num_seqs, batching=batching, preemption="off")
    run = simulate(burst, profile, POLICIES["fcfs"], scheduling)
    done = run.rows["finished_at"].max()
    assert isinstance(done, float)
    assert 3_000 / done == pytest.approx(capacity(burst, profile, max_num_seqs), rel=0.05)


def test_the_series_tells_how_full_the_engine_was() -> None:
    """Its integral is the KV utilisation that the engine counts step by step."""
    requests = paper(user_request_gap=0.5, max_concurrent_user_requests=10)
    run = simulate(requests, load_profile("A100_4B"), POLICIES["semantic"])
    at, kv, running = (run.series[name].to_numpy() for name in ("at", "kv_tokens", "num_running"))
    assert np.trapezoid(kv, at) == pytest.approx(run.totals.kv_token_seconds, rel=0.02)
    assert kv.max() == run.totals.kv_peak_tokens
    assert (kv[-1], running[-1]) == (0, 0)
    assert running.max() == 16


def test_the_series_shows_when_the_engine_is_empty() -> None:
    run = simulate(
        workload([0.0, 100.0], [400, 400], [300, 300]),
        load_profile("A100_4B"),
        POLICIES["fcfs"],
    )
    empty = run.series.filter(run.series["num_running"] == 0)
    assert empty["kv_tokens"].to_list() == [0, 0]
    assert run.series["kv_tokens"].to_list() == [0, 700, 0, 0, 700, 0]
