"""Measure: one task's simulations, as the rows of a results file."""

from typing import Any

import numpy as np
import polars as pl

from semsched.policy import load_policy
from semsched.request import NUM_CLASSES
from semsched.simulate import simulate_fleet, weighted_latency_bound
from semsched.simulate.metrics import summarise
from semsched.simulate.run import Run
from semsched.study.task import Task

Row = dict[str, Any]

NUM_QUANTILES = 41
"""Points of a distribution: 0, 2.5 %, .. 100 %."""

NUM_SPANS = 100
"""Points of a time series."""

PER_GROUP_ONLY = ("by_urgency", "policy", "wall_s", "requests_per_wall_second")


def measure(task: Task) -> list[Row]:
    """A row per policy and class, and one for all classes with what concerns the whole run.

    Raises what a wrong setting raises: WorkloadError, ProfileError, PolicyError.
    """
    scenario = task.scenario()
    profile, requests = scenario.engine.profile(), scenario.requests()
    replicas = scenario.engine.num_replicas
    bound = weighted_latency_bound(requests, profile, scenario.scheduling, replicas)
    rows = []
    for name in task.policies:
        run = simulate_fleet(
            requests,
            profile,
            load_policy(name),
            scenario.scheduling,
            num_replicas=replicas,
            routing=scenario.engine.routing,
            policy_name=name,
            engine=scenario.engine.engine,
        )
        cell = {"cell": task.cell(name), "policy": name, "seed": task.settings["seed"]}
        rows += [{**cell, **task.axes, **row} for row in _rows(run, bound)]
    return rows


def _rows(run: Run, bound: float) -> list[Row]:
    summary = summarise(run)
    whole = {key: value for key, value in summary.items() if key not in PER_GROUP_ONLY}
    rows = [
        {
            "urgency": "all",
            **whole,
            "weighted_latency_bound": bound,
            **_quantiles(run.rows),
            **_series(run),
        }
    ]
    for urgency in range(NUM_CLASSES):
        group = run.rows.filter(pl.col("urgency") == urgency)
        name = str(urgency)
        rows.append({"urgency": name, **summary["by_urgency"][name], **_quantiles(group)})
    return rows


def _quantiles(rows: pl.DataFrame) -> Row:
    arrived_at = rows["arrived_at"].to_numpy()
    return {
        "e2e_quantiles": _spread(rows["finished_at"].to_numpy() - arrived_at),
        "ttft_quantiles": _spread(rows["first_token_at"].to_numpy() - arrived_at),
    }


def _spread(values: Any) -> list[float] | None:
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    return np.quantile(known, np.linspace(0, 1, NUM_QUANTILES)).tolist()  # type: ignore[no-any-return]


def _series(run: Run) -> Row:
    """KV utilisation over time: the mean in each of equal spans, at the middle of the span."""
    at, kv_tokens = (run.series[name].to_numpy() for name in ("at", "kv_tokens"))
    if len(at) < 2:
        return {"series_at": None, "series_kv": None}
    upto = np.concatenate([[0.0], np.cumsum(np.diff(at) * (kv_tokens[1:] + kv_tokens[:-1]) / 2)])
    edges = np.linspace(at[0], at[-1], NUM_SPANS + 1)
    means = np.diff(np.interp(edges, at, upto)) / np.diff(edges) / run.profile.kv_tokens
    return {"series_at": ((edges[1:] + edges[:-1]) / 2).tolist(), "series_kv": means.tolist()}
