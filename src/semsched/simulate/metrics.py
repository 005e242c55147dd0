"""Metrics: functions of the rows of a run. Seconds and tokens; percentiles interpolate linearly.

E2E latency = finish - arrival, TTFT = first token - arrival, TPOT = (finish - first token) /
(output tokens - 1), queue time = time not running, slowdown = E2E latency / E2E latency alone on
an idle engine. Refused requests count as requests and as missed objectives, nowhere else.
Of several replicas, KV memory counts as one; the batch is that of a replica while it works.
"""

from typing import Any

import numpy as np
import polars as pl

from semsched.core.cost import StepCost, decode_time, prefill_time
from semsched.core.scheduling import Scheduling
from semsched.policy import TARGET, WEIGHT
from semsched.request import NUM_CLASSES
from semsched.simulate.run import Run

Summary = dict[str, Any]
"""One run in numbers, as plain JSON: None where nothing was measured, never NaN."""

LATENCIES = ("e2e", "ttft", "tpot", "queue", "slowdown")

GROUP_METRICS = (
    *(f"{name}_{kind}" for name in LATENCIES for kind in ("mean", "p50", "p90", "p99", "max")),
    "slo_attainment",
)
"""What is known of every group of requests."""


def summarise(run: Run) -> Summary:
    """All metrics of `run`: over all requests, and under "by_urgency" per *true* class.

    "paper_waiting_time" is what arXiv 2506.12204 calls waiting: arrival to finish, service and
    the predictors' time included.
    """
    rows = _with_latencies(run)
    by_urgency = {
        str(urgency): statistics(rows.filter(pl.col("urgency") == urgency))
        for urgency in range(NUM_CLASSES)
    }
    return {
        "policy": run.policy,
        "num_finished": rows["e2e"].count(),
        "num_refused": run.totals.num_refused,
        "by_urgency": by_urgency,
        **statistics(rows),
        "weighted_latency_mean": weighted_latency(rows),
        **rates(run.rows, rows),
        **_engine(run, rows),
        "wall_s": run.wall_time,
        "requests_per_wall_second": _ratio(rows.height, run.wall_time),
    }


def _with_latencies(run: Run) -> pl.DataFrame:
    """The columns the metrics are made of; null for the refused, TPOT also for one token."""
    rows = run.rows.select("urgency", **latencies())
    return rows.with_columns(slowdown=pl.col("e2e") / pl.Series(_alone_time(run)))


def latencies() -> dict[str, pl.Expr]:
    """What rows alone tell of each request, by name: the metrics are made of these columns."""
    e2e = pl.col("finished_at") - pl.col("arrived_at")
    decoding = pl.col("finished_at") - pl.col("first_token_at")
    several = pl.col("output_tokens") > 1
    target = pl.col("urgency").replace_strict(range(NUM_CLASSES), TARGET, return_dtype=pl.Float64)
    return {
        "e2e": e2e,
        "ttft": pl.col("first_token_at") - pl.col("arrived_at"),
        "tpot": pl.when(several).then(decoding / (pl.col("output_tokens") - 1)),
        "queue": pl.col("queue_time"),
        "in_time": (e2e <= target).fill_null(False),
    }


def alone_times(cost: StepCost, scheduling: Scheduling, prompt: Any, output: Any) -> Any:
    """Seconds of prefill and of decode of a request alone on an idle engine, as a pair.

    `prompt` and `output` are tokens, as columns of int64. Typed Any: the functions of
    core/cost.py are plain arithmetic, here on whole columns.
    """
    prefill = prefill_time(cost, 0, prompt)
    if scheduling.batching == "alternate":
        return cost.base + prefill, decode_time(cost, prompt, output)
    num_chunks = -(-prompt // scheduling.max_num_batched_tokens)
    # the step that completes the prefill yields the first token
    return cost.base * num_chunks + prefill, decode_time(cost, prompt, output - 1)


def _alone_time(run: Run) -> Any:
    """E2E latency of each request alone on an idle engine, the predictors' time left out."""
    prompt = run.rows["prompt_tokens"].to_numpy().astype(np.int64)
    output = run.rows["output_tokens"].to_numpy().astype(np.int64)
    prefill, decode = alone_times(run.profile.cost, run.scheduling, prompt, output)
    return prefill + decode


def statistics(rows: pl.DataFrame) -> Summary:
    """The metrics of a group of requests, from the columns of `latencies` it has."""
    wanted = [pl.len().alias("num_requests")]
    for name in LATENCIES:
        if name not in rows.columns:
            continue
        column = pl.col(name)
        wanted += [
            column.mean().alias(f"{name}_mean"),
            *(column.quantile(q / 100, "linear").alias(f"{name}_p{q}") for q in (50, 90, 99)),
            column.max().alias(f"{name}_max"),
        ]
    e2e, any_finished = pl.col("e2e"), pl.col("e2e").count() > 0
    wanted += [
        pl.col("in_time").mean().alias("slo_attainment"),
        pl.when(any_finished).then(e2e.sum()).alias("paper_waiting_time_sum"),
        e2e.mean().alias("paper_waiting_time_mean"),
    ]
    return rows.select(wanted).row(0, named=True)


def weighted_latency(rows: pl.DataFrame) -> float | None:
    """Mean E2E latency (s) of the finished, weighted with `policy.WEIGHT` by true class."""
    finished = rows.drop_nulls("e2e")
    weight = WEIGHT[finished["urgency"].to_numpy()]
    return _ratio(float(weight @ finished["e2e"].to_numpy()), float(weight.sum()))


def rates(rows: pl.DataFrame, measured: pl.DataFrame) -> Summary:
    """Per second of the makespan, from the rows of a run and their `latencies`."""
    finished = rows.filter(pl.col("finished_at").is_not_null())
    makespan = _makespan(rows)
    return {
        "throughput_tokens_per_s": _ratio(_total(finished, "output_tokens"), makespan),
        "throughput_requests_per_s": _ratio(finished.height, makespan),
        "goodput_requests_per_s": _ratio(_total(measured, "in_time"), makespan),
        "makespan_s": makespan,
    }


def _engine(run: Run, rows: pl.DataFrame) -> Summary:
    totals, kv_tokens = run.totals, run.num_replicas * run.profile.kv_tokens
    seat_seconds = float((rows["e2e"] - rows["queue"]).sum())
    return {
        "kv_utilisation_mean": _ratio(totals.kv_token_seconds, _makespan(run.rows) * kv_tokens),
        "kv_utilisation_peak": totals.kv_peak_tokens / kv_tokens,
        "batch_size_mean": _ratio(seat_seconds, totals.busy_time),
        "num_preemptions": _total(run.rows, "num_preemptions"),
        "num_evictions": totals.num_evictions,
        "recomputed_tokens": _total(run.rows, "recomputed_tokens"),
        "swapped_tokens": _total(run.rows, "swapped_tokens"),
    }


def _makespan(rows: pl.DataFrame) -> float:
    """Seconds from the first arrival to the last finish; 0 if nothing finished."""
    last = rows.select(pl.col("finished_at").max() - pl.col("arrived_at").min()).item()
    return 0.0 if last is None else float(last)


def _total(rows: pl.DataFrame, column: str) -> int:
    return int(rows[column].cast(pl.Int64).sum())


def _ratio(amount: float, per: float) -> float | None:
    return amount / per if per else None
