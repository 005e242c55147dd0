"""Small engines and workloads, made to be short of memory, seats and luck."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.workload import Workload
from semsched.workload.workload import Ints

MAX_TOKENS = 30
"""Longest prompt and longest output of a drawn request."""


def engine(num_blocks: int = 100_000, block_size: int = 16, **times: Any) -> EngineProfile:
    """An engine with that many KV blocks; times not given are zero."""
    copy = {name: times.pop(name, 0.0) for name in ("load_token", "save_token")}
    step = {"model": "paper", "prefill_token": 0.0, "decode_seq": 0.0} | times
    return EngineProfile.model_validate(
        {
            "name": "test",
            "step_time": step,
            "memory": {
                "gpu_gib": (num_blocks + 0.5) * block_size * 1024 / 2**30,
                "utilization": 1.0,
                "activation_share": 0.0,
                "weights_gib": 0.0,
                "kv_bytes_per_token": 1024,
                "block_size": block_size,
            },
            "copy_time": copy,
        }
    )


def workload(
    arrived_at: Any, prompt_tokens: Any, output_tokens: Any, urgency: Any = None
) -> Workload:
    """A workload from plain lists, perfectly predicted."""

    def ints(column: Any) -> Ints:
        return np.asarray(column, dtype=np.int32)

    return Workload.known(
        "test",
        np.asarray(arrived_at, dtype=np.float64),
        ints(prompt_tokens),
        ints(output_tokens),
        ints(np.zeros(len(arrived_at)) if urgency is None else urgency),
    )


@st.composite
def engines(draw: st.DrawFn) -> EngineProfile:
    """Either cost model, and hardly more memory than the longest request takes."""
    block_size = draw(st.sampled_from([1, 2, 4, 8]))
    least = 2 * MAX_TOKENS // block_size
    return engine(
        num_blocks=draw(st.integers(least // 2, 3 * least)),
        block_size=block_size,
        model=draw(st.sampled_from(["paper", "linear"])),
        base=draw(st.sampled_from([0.0, 0.01, 0.5])),
        prefill_token=draw(st.sampled_from([0.0, 0.001, 0.25])),
        prefill_square=draw(st.sampled_from([0.0, 1e-4])),
        decode_seq=draw(st.sampled_from([0.0, 0.013, 1.0])),
        decode_context=draw(st.sampled_from([0.0, 1e-3, 0.25])),
        load_token=draw(st.sampled_from([0.0, 1e-3, 1.0])),
        save_token=draw(st.sampled_from([0.0, 1e-3])),
    )


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Up to 40 requests with ties in arrival, wrong predictions, some tails, slow predictors."""
    num = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    span = draw(st.sampled_from([0, 10, 50]))
    whole = draw(st.booleans())
    at = np.sort(rng.uniform(0, span, num).round(0 if whole else 9))

    def ints(low: int, high: int) -> Ints:
        return rng.integers(low, high, num, dtype=np.int32)

    believed = ints(1, MAX_TOKENS + 1)
    tail = draw(st.sampled_from([0.0, 0.0, 0.5, 1.0]))  # of so many a P90 is known, right or wrong
    p90 = believed + ints(-2, draw(st.sampled_from([0, 10, 2 * MAX_TOKENS])))
    return Workload(
        name="drawn",
        arrived_at=at,
        prompt_tokens=ints(1, draw(st.integers(2, MAX_TOKENS + 1))),
        output_tokens=ints(1, draw(st.integers(2, MAX_TOKENS + 1))),
        urgency=ints(0, 5),
        max_output_tokens=np.full(num, MAX_TOKENS, dtype=np.int32),
        predicted_urgency=ints(0, 5),
        predicted_output_tokens=believed,
        predicted_p90_tokens=np.where(rng.random(num) < tail, np.maximum(p90, 0), 0),
        ready_at=at + rng.choice([0.0, 0.5, 2.0], num),
    )


@st.composite
def schedulings(draw: st.DrawFn, preemption: str | None = None) -> Scheduling:
    """Any settings, with few seats and a small budget."""
    seats = draw(st.integers(1, 6))
    return Scheduling.model_validate(
        {
            "max_num_seqs": seats,
            "batching": draw(st.sampled_from(["alternate", "chunked"])),
            "max_num_batched_tokens": draw(st.integers(seats, 20)),
            "backfill": draw(st.booleans()),
            "preemption": preemption or draw(st.sampled_from(["rank", "class", "off"])),
            "max_preemptions": draw(st.sampled_from([0, 1, 3, 100])),
            "restore": draw(st.sampled_from(["cheaper", "swap", "recompute"])),
            "finish_guard": draw(st.sampled_from([0, 0, 3])),
        }
    )
