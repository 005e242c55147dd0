"""Run: what a simulation leaves behind. One row per request; all metrics come from rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.workload.workload import Floats, Ints, Workload

Progress = Callable[[int, int], None]
"""Told now and then how many requests are done, of how many."""

STATUS = pl.Enum(["finished", "refused"])


class LostRequestError(RuntimeError):
    """A run whose books do not balance: injected is not finished + refused."""


class Outcome(NamedTuple):
    """Per request, by id: what happened to it. Instants of a refused request are NaN."""

    started_at: Floats
    first_token_at: Floats
    finished_at: Floats
    queue_time: Floats
    num_preemptions: Ints
    recomputed_tokens: Ints
    swapped_tokens: Ints

    @classmethod
    def blank(cls, num_requests: int) -> "Outcome":
        """Nothing has happened yet."""
        nothing = [np.full(num_requests, np.nan) for _ in range(4)]
        none = [np.zeros(num_requests, dtype=np.int32) for _ in range(3)]
        return cls(*nothing, *none)


class Totals(NamedTuple):
    """What is counted over a run as a whole."""

    num_refused: int
    num_steps: int
    num_evictions: int
    busy_time: float
    """Seconds in which a step ran."""
    kv_token_seconds: float
    """Integral of the resident KV tokens over time."""
    kv_peak_tokens: int


class Served(NamedTuple):
    """What the reference and the kernel both give."""

    outcome: Outcome
    totals: Totals
    series: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Run:
    """One workload, on one engine or several like it, under one policy.

    `rows` has a row per request, in order of arrival, with the columns of `rows_of`. `series`
    has a row per sampled change of the batch: at, kv_tokens, num_running, num_waiting.
    """

    workload: str
    policy: str
    profile: EngineProfile
    scheduling: Scheduling
    rows: pl.DataFrame
    series: pl.DataFrame
    totals: Totals
    wall_time: float
    """Real seconds that the simulation took."""
    num_replicas: int = 1
    """Engines that shared the workload; with several, `rows` also has a column `replica`."""


def rows_of(workload: Workload, outcome: Outcome) -> pl.DataFrame:
    """The rows of a run: who it was, what is believed of it, and what happened to it."""
    rows = pl.DataFrame(
        {
            "id": np.arange(len(workload), dtype=np.int32),
            "urgency": workload.urgency,
            "predicted_urgency": workload.predicted_urgency,
            "prompt_tokens": workload.prompt_tokens,
            "output_tokens": workload.output_tokens,
            "predicted_output_tokens": workload.predicted_output_tokens,
            "arrived_at": workload.arrived_at,
            "ready_at": workload.ready_at,
            **outcome._asdict(),
        },
        nan_to_null=True,
    )
    status = (
        pl.when(pl.col("finished_at").is_null())
        .then(pl.lit("refused"))
        .otherwise(pl.lit("finished"))
    )
    return rows.insert_column(1, rows.select(status.cast(STATUS).alias("status")).to_series())


def check_conservation(run: Run) -> None:
    """Raise LostRequestError unless every request finished or was refused by the engine."""
    injected, finished = run.rows.height, run.rows["finished_at"].count()
    refused = run.totals.num_refused
    if injected != finished + refused:
        raise LostRequestError(
            f"{run.policy} on {run.workload} lost {injected - finished - refused} requests: "
            f"injected {injected}, finished {finished}, refused {refused}"
        )
