"""Made-up results that look like those of a study."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

POLICIES = ("fcfs", "semantic")
MEANS = {
    "fcfs": {"all": 51.5, "0": 50.2, "4": 52.0},
    "semantic": {"all": 47.4, "0": 8.7, "4": 98.0},
}


def row(policy: str, urgency: str, seed: int, load: float) -> dict[str, Any]:
    mean = MEANS[policy][urgency] * load + (seed - 1)
    spread = (mean * np.linspace(0, 2, 41)).tolist()
    return {
        "policy": policy,
        "seed": seed,
        "load": load,
        "urgency": urgency,
        "e2e_mean": mean,
        "e2e_p99": 2 * mean,
        "ttft_mean": mean / 2,
        "slo_attainment": 0.5,
        "e2e_quantiles": spread,
        "ttft_quantiles": spread,
    }


def engine(seed: int, load: float) -> dict[str, Any]:
    """What concerns the run as a whole."""
    return {
        "throughput_tokens_per_s": 900.0 + seed,
        "goodput_requests_per_s": 2.5,
        "kv_utilisation_mean": 0.25,
        "num_preemptions": 12,
        "num_evictions": 0,
        "weighted_latency_mean": 30.0 * load,
        "weighted_latency_bound": 20.0 * load,
        "series_at": [0.0, 1.0, 2.0] if seed == 0 else None,
        "series_kv": [0.0, 0.5, 0.1] if seed == 0 else None,
    }


def results(
    loads: Sequence[float] = (0.5, 1.0),
    num_seeds: int = 3,
    policies: Sequence[str] = POLICIES,
) -> pl.DataFrame:
    rows = [
        row(policy, urgency, seed, load) | (engine(seed, load) if urgency == "all" else {})
        for load in loads
        for seed in range(num_seeds)
        for policy in policies
        for urgency in ("all", "0", "4")
    ]
    lists = pl.col("e2e_quantiles", "ttft_quantiles", "series_at", "series_kv")
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(lists.cast(pl.List(pl.Float32)))


def metadata(**changed: Any) -> dict[str, Any]:
    intervals = [
        {"id": 0, "urgency": 4, "state": "decode", "from_at": 0.0, "to_at": 1.0},
        {"id": 0, "urgency": 4, "state": "paused", "from_at": 1.0, "to_at": 3.0},
        {"id": 1, "urgency": 0, "state": "decode", "from_at": 1.0, "to_at": 3.0},
        {"id": 2, "urgency": 0, "state": "waiting", "from_at": 0.5, "to_at": 2.0},
    ]
    described = {
        "name": "study",
        "title": "How load matters",
        "description": "Two loads.",
        "axes": ["load"],
        "x": "load",
        "command": "semsched sweep study",
        "experiment": 'title = "How load matters"',
        "version": "0.1.0",
        "machine": "x86_64, 2 cores",
        "created_at": "2026-01-01T00:00:00+00:00",
        "timelines": {"fcfs": intervals, "semantic": intervals[:3]},
        "notes": ["`fcfs` needs 9 GPUs."],
    }
    return described | changed
