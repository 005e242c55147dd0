from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.simulate.metrics import LATENCIES, summarise
from semsched.simulate.run import Outcome, Run, Totals, rows_of
from semsched.workload import Workload

# room for (3 - 2) GiB / 1 MiB = 1024 tokens
PROFILE = EngineProfile.model_validate(
    {
        "name": "tiny",
        "step_time": {"model": "linear", "base": 0.5, "prefill_token": 0.1, "decode_seq": 0.5},
        "memory": {
            "gpu_gib": 3,
            "utilization": 1.0,
            "activation_share": 0.0,
            "weights_gib": 2,
            "kv_bytes_per_token": 2**20,
        },
        "copy_time": {"load_token": 0.0, "save_token": 0.0},
    }
)


def make_run(
    finished_at: Sequence[float], num_refused: int = 0, scheduling: Scheduling | None = None
) -> Run:
    """Three requests of 5 prompt tokens: classes 0, 0 and 3; 1, 3 and 4 output tokens."""

    def ints(*values: int) -> np.ndarray[Any, np.dtype[np.int32]]:
        return np.array(values, dtype=np.int32)

    workload = Workload.known(
        "hand", np.array([1.0, 2.0, 3.0]), ints(5, 5, 5), ints(1, 3, 4), ints(0, 0, 3)
    )
    done = np.where(np.isnan(finished_at), np.nan, 1.0)
    outcome = Outcome(
        started_at=done * [1.0, 3.0, 5.0],
        first_token_at=done * [3.0, 5.0, 7.0],
        finished_at=np.array(finished_at, dtype=np.float64),
        queue_time=done * [0.0, 1.0, 2.0],
        num_preemptions=ints(0, 1, 2),
        recomputed_tokens=ints(0, 5, 0),
        swapped_tokens=ints(0, 0, 7),
    )
    return Run(
        workload="hand",
        policy="fcfs",
        profile=PROFILE,
        scheduling=scheduling or Scheduling(),
        rows=rows_of(workload, outcome),
        series=pl.DataFrame(),
        totals=Totals(num_refused, 9, 4, 8.0, 1024.0, 512),
        wall_time=0.5,
    )


def test_latencies_of_each_class() -> None:
    summary = summarise(make_run([3.0, 9.0, 13.0]))
    first = summary["by_urgency"]["0"]
    assert first["num_requests"] == 2
    assert (first["e2e_mean"], first["e2e_p50"], first["e2e_max"]) == (4.5, 4.5, 7.0)
    assert first["e2e_p90"] == pytest.approx(2 + 0.9 * 5)
    assert first["ttft_mean"] == 2.5
    assert first["tpot_mean"] == 2.0  # of the second alone: the first has one token only
    assert first["queue_mean"] == 0.5
    assert first["slo_attainment"] == 0.5  # within 5 s: the first
    assert (first["paper_waiting_time_sum"], first["paper_waiting_time_mean"]) == (9.0, 4.5)
    assert summary["by_urgency"]["3"]["e2e_mean"] == 10.0
    assert summary["by_urgency"]["3"]["slo_attainment"] == 1.0


def test_a_class_without_requests_has_nothing_measured() -> None:
    summary = summarise(make_run([3.0, 9.0, 13.0]))
    empty = summary["by_urgency"]["1"]
    assert empty.pop("num_requests") == 0
    assert set(empty.values()) == {None}
    assert empty.keys() < summary.keys()


def test_the_run_as_a_whole() -> None:
    summary = summarise(make_run([3.0, 9.0, 13.0]))
    assert (summary["num_requests"], summary["num_finished"], summary["num_refused"]) == (3, 3, 0)
    assert summary["makespan_s"] == 12.0
    assert summary["throughput_tokens_per_s"] == pytest.approx(8 / 12)
    assert summary["throughput_requests_per_s"] == pytest.approx(3 / 12)
    assert summary["goodput_requests_per_s"] == pytest.approx(2 / 12)
    assert summary["kv_utilisation_mean"] == pytest.approx(1024 / (12 * 1024))
    assert summary["kv_utilisation_peak"] == 0.5
    assert summary["batch_size_mean"] == pytest.approx((2 + 6 + 8) / 8)
    assert (summary["num_preemptions"], summary["num_evictions"]) == (3, 4)
    assert (summary["recomputed_tokens"], summary["swapped_tokens"]) == (5, 7)
    assert (summary["wall_s"], summary["requests_per_wall_second"]) == (0.5, 6.0)


def test_latency_weighted_by_class() -> None:
    summary = summarise(make_run([3.0, 9.0, 13.0]))  # E2E 2 and 7 of class 0, 10 of class 3
    weighted = (16 * 2 + 16 * 7 + 2 * 10) / (16 + 16 + 2)
    assert summary["weighted_latency_mean"] == pytest.approx(weighted)
    summary = summarise(make_run([3.0, np.nan, 13.0], num_refused=1))
    assert summary["weighted_latency_mean"] == pytest.approx((16 * 2 + 2 * 10) / (16 + 2))
    assert summarise(make_run([np.nan] * 3, num_refused=3))["weighted_latency_mean"] is None


def test_the_memory_of_all_replicas_counts() -> None:
    one = make_run([3.0, 9.0, 13.0])
    two, one_summary = summarise(replace(one, num_replicas=2)), summarise(one)
    for name in ("kv_utilisation_mean", "kv_utilisation_peak"):
        assert two[name] == one_summary[name] / 2
    assert two["batch_size_mean"] == one_summary["batch_size_mean"]


def test_slowdown_is_one_for_a_request_that_runs_as_if_alone() -> None:
    # alone: prefill step 0.5 + 5 * 0.1, then a step of 1.0 for each token
    summary = summarise(make_run([1.0 + 2.0, 2.0 + 2 * 4.0, 3.0 + 3 * 5.0]))
    assert summary["by_urgency"]["0"]["slowdown_mean"] == pytest.approx(1.5)
    assert summary["by_urgency"]["3"]["slowdown_max"] == pytest.approx(3.0)


def test_slowdown_in_chunked_batching() -> None:
    # alone: three prefill steps of at most 2 tokens, the last of which yields the first token
    chunked = Scheduling(batching="chunked", max_num_batched_tokens=2, max_num_seqs=2)
    alone = 3 * 0.5 + 5 * 0.1 + np.array([0.0, 2.0, 3.0])
    summary = summarise(make_run(list(np.array([1.0, 2.0, 3.0]) + alone), scheduling=chunked))
    assert (summary["slowdown_mean"], summary["slowdown_max"]) == pytest.approx((1.0, 1.0))


def test_refused_requests_miss_their_objective_and_nothing_else() -> None:
    summary = summarise(make_run([3.0, np.nan, 13.0], num_refused=1))
    first = summary["by_urgency"]["0"]
    assert (first["num_requests"], first["slo_attainment"], first["e2e_mean"]) == (2, 0.5, 2.0)
    assert (summary["num_finished"], summary["num_refused"]) == (2, 1)
    assert summary["throughput_tokens_per_s"] == pytest.approx(5 / 12)


def test_all_refused() -> None:
    summary = summarise(make_run([np.nan] * 3, num_refused=3))
    assert (summary["makespan_s"], summary["slo_attainment"]) == (0.0, 0.0)
    assert summary["throughput_requests_per_s"] is None
    assert summary["paper_waiting_time_sum"] is None
    assert {summary[f"{name}_mean"] for name in LATENCIES} == {None}
