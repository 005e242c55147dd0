from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.simulate import simulate
from semsched.simulate.timeline import STATE, timeline
from semsched.workload import Workload
from tests.simulate.cases import engine, engines, schedulings, workload, workloads

policies = st.sampled_from(sorted(POLICIES))
ONE_SEAT = Scheduling(max_num_seqs=1, restore="recompute")
SECONDS: dict[str, Any] = {"prefill_token": 1.0, "decode_seq": 1.0}
"""A token takes a second, in a prefill and in a decode."""


def lives(
    requests: Workload, profile: EngineProfile, scheduling: Scheduling
) -> dict[int, list[tuple[str, float, float]]]:
    """(state, from, to) by request, when the most urgent is served first."""
    intervals = timeline(requests, profile, POLICIES["pjf"], scheduling)
    told: dict[int, list[tuple[str, float, float]]] = {}
    for id, _, *interval in intervals.iter_rows():
        told.setdefault(id, []).append(tuple(interval))
    return told


def test_a_scene_with_every_state() -> None:
    """Request 1 takes the seat of request 0 but needs no KV of it; request 2 takes both."""
    requests = workload([0, 2.5, 5, 10], [4, 1, 3, 7], [4, 1, 1, 1], urgency=[4, 4, 0, 0])
    assert lives(requests, engine(num_blocks=3, block_size=4, **SECONDS), ONE_SEAT) == {
        0: [
            ("prefill", 0, 4),
            ("decode", 4, 5),
            ("paused", 5, 9),
            ("decode", 9, 10),
            ("swapped", 10, 18),
            ("prefill", 18, 20),
            ("decode", 20, 22),
        ],
        1: [("waiting", 2.5, 22), ("prefill", 22, 23), ("decode", 23, 24)],
        2: [("prefill", 5, 8), ("decode", 8, 9)],
        3: [("prefill", 10, 17), ("decode", 17, 18)],
    }


def test_a_paused_request_may_lose_kv_to_one_that_grows() -> None:
    requests = workload([0, 5], [4, 3], [2, 5], urgency=[4, 0])
    assert lives(requests, engine(num_blocks=3, block_size=4, **SECONDS), ONE_SEAT) == {
        0: [
            ("prefill", 0, 4),
            ("decode", 4, 5),
            ("paused", 5, 9),
            ("swapped", 9, 13),
            ("prefill", 13, 14),
            ("decode", 14, 15),
        ],
        1: [("prefill", 5, 8), ("decode", 8, 13)],
    }


def test_loading_back_is_a_prefill_too() -> None:
    requests = workload([0, 5], [4, 7], [4, 1], urgency=[4, 0])
    profile = engine(num_blocks=3, block_size=4, load_token=0.25, **SECONDS)
    scheduling = Scheduling(max_num_seqs=1, restore="swap")
    assert lives(requests, profile, scheduling)[0][2:] == [
        ("swapped", 5, 13),
        ("prefill", 13, 13.25),
        ("decode", 13.25, 16.25),
    ]


def test_who_loses_its_seat_in_mid_prefill_waits() -> None:
    requests = workload([0, 2], [6, 2], [1, 1], urgency=[4, 0])
    chunked = Scheduling(max_num_seqs=1, batching="chunked", max_num_batched_tokens=2)
    assert lives(requests, engine(**SECONDS), chunked) == {
        0: [("prefill", 0, 2), ("waiting", 2, 4), ("prefill", 4, 8)],
        1: [("prefill", 2, 4)],
    }


def test_who_stands_by_while_another_prefills_decodes() -> None:
    requests = workload([0, 3], [2, 5], [3, 1], urgency=[0, 4])
    assert lives(requests, engine(**SECONDS), Scheduling(max_num_seqs=2)) == {
        0: [("prefill", 0, 2), ("decode", 2, 10)],
        1: [("prefill", 3, 8), ("decode", 8, 9)],
    }


def test_the_time_of_the_predictors_is_waiting() -> None:
    requests = replace(workload([1], [2], [1]), ready_at=np.array([1.5]))
    assert lives(requests, engine(**SECONDS), ONE_SEAT) == {
        0: [("waiting", 1, 1.5), ("prefill", 1.5, 3.5), ("decode", 3.5, 4.5)]
    }


def test_the_class_is_the_true_one() -> None:
    requests = replace(
        workload([0], [1], [1], urgency=[3]), predicted_urgency=np.array([0], dtype=np.int32)
    )
    intervals = timeline(requests, engine(**SECONDS), POLICIES["semantic"])
    assert intervals["urgency"].to_list() == [3, 3]
    assert intervals.schema == {
        "id": pl.Int32,
        "urgency": pl.Int32,
        "state": STATE,
        "from_at": pl.Float64,
        "to_at": pl.Float64,
    }


def test_a_refused_request_has_no_life() -> None:
    requests = workload([0, 0], [9, 1], [1, 1])
    assert lives(requests, engine(num_blocks=2, block_size=4, **SECONDS), ONE_SEAT).keys() == {1}


def test_what_takes_no_time_is_left_out() -> None:
    requests = workload([0, 0], [1, 1], [2, 1], urgency=[0, 4])
    assert lives(requests, engine(decode_seq=1.0), ONE_SEAT) == {
        0: [("decode", 0, 2)],
        1: [("waiting", 0, 2), ("decode", 2, 3)],
    }


def test_a_state_that_goes_on_after_an_instant_is_one_interval() -> None:
    requests = workload([0, 2], [1, 1], [5, 1], urgency=[4, 0])
    chunked = Scheduling(max_num_seqs=1, batching="chunked")
    intervals = lives(requests, engine(decode_seq=1.0), chunked)
    assert intervals == {0: [("decode", 0, 4)]}
    run = simulate(requests, engine(decode_seq=1.0), POLICIES["pjf"], chunked)
    assert run.rows["num_preemptions"].to_list() == [1, 0]


@settings(max_examples=200, deadline=None)
@given(workloads(), engines(), policies, schedulings())
def test_intervals_tile_each_life(
    requests: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    rows = simulate(requests, profile, POLICIES[policy], scheduling).rows
    intervals = timeline(requests, profile, POLICIES[policy], scheduling)
    assert intervals.equals(intervals.sort("id", "from_at"))
    assert (intervals["from_at"] < intervals["to_at"]).all()
    before = pl.all().shift().over("id")
    pairs = intervals.select(pl.all(), before.name.prefix("last_")).drop_nulls()
    assert (pairs["from_at"] == pairs["last_to_at"]).all()
    assert (pairs["state"] != pairs["last_state"]).all()
    lives = intervals.group_by("id").agg(pl.col("from_at").min(), pl.col("to_at").max())
    known = rows.filter(pl.col("finished_at") > pl.col("arrived_at"))
    same = known.select("id", from_at="arrived_at", to_at="finished_at")
    assert lives.sort("id").equals(same)


@settings(max_examples=200, deadline=None)
@given(workloads(), engines(), policies, schedulings())
def test_states_add_up_to_the_columns_of_the_run(
    requests: Workload, profile: EngineProfile, policy: str, scheduling: Scheduling
) -> None:
    rows = simulate(requests, profile, POLICIES[policy], scheduling).rows
    intervals = timeline(requests, profile, POLICIES[policy], scheduling)
    seated = intervals.filter(pl.col("state").is_in(["prefill", "decode"]))
    sums = seated.group_by("id").agg(
        start=pl.col("from_at").min(), time=(pl.col("to_at") - pl.col("from_at")).sum()
    )
    both = rows.drop_nulls("finished_at").join(sums, on="id", how="left", maintain_order="left")
    in_seat = both["finished_at"] - both["arrived_at"] - both["queue_time"]
    assert both["time"].fill_null(0.0).to_list() == pytest.approx(in_seat.to_list(), abs=1e-9)
    if profile.cost.base:  # else a first step may take no time, and be left out
        assert both["start"].to_list() == both["started_at"].to_list()
    lost = both["recomputed_tokens"] + both["swapped_tokens"] > 0
    swapped = intervals.filter(state="swapped")["id"].unique()
    assert set(swapped) <= set(both.filter(lost)["id"])
    paused = intervals.filter(state="paused")["id"].unique()
    assert set(paused) <= set(both.filter(pl.col("num_preemptions") > 0)["id"])
