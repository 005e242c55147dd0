"""The rows of requests, as `semsched compare --rows` writes them, become results for a report.

What rows tell is measured with the functions of `simulate/metrics.py`; what only a run knows
(slowdown, KV memory, the lower bound) is absent.
"""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import semsched
from semsched.errors import InputError
from semsched.request import NUM_CLASSES
from semsched.simulate.metrics import latencies, rates, statistics, weighted_latency
from semsched.study.measure import NUM_QUANTILES

COLUMNS = (
    "policy",
    "urgency",
    "output_tokens",
    "arrived_at",
    "first_token_at",
    "finished_at",
    "queue_time",
    "num_preemptions",
    "recomputed_tokens",
    "swapped_tokens",
)
"""That the rows must have; others are not looked at."""

COUNTED = ("num_preemptions", "recomputed_tokens", "swapped_tokens")


class RowsError(InputError):
    """Rows that cannot be reported; the message names the file and says why."""


def results_from_rows(rows: Path | pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Results and metadata, as `study/results.py` describes them, of one scenario and seed.

    `rows` are a Parquet file or a frame. One policy at a time is in memory, with the columns in
    need. Raises RowsError with one line.
    """
    name = str(rows) if isinstance(rows, Path) else "rows"
    try:
        frame = pl.scan_parquet(rows) if isinstance(rows, Path) else rows.lazy()
        results = [row for policy in _policies(name, frame) for row in _measured(frame, policy)]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RowsError(f"{name}: cannot be read: {str(error).splitlines()[0]}") from error
    lists = pl.col("e2e_quantiles", "ttft_quantiles").cast(pl.List(pl.Float32))
    return pl.DataFrame(results, infer_schema_length=None).with_columns(lists), _metadata(name)


def _policies(name: str, frame: pl.LazyFrame) -> list[str]:
    """The policies in the rows, in order; raises RowsError if there is nothing to measure."""
    missing = [column for column in COLUMNS if column not in frame.collect_schema()]
    if missing:
        raise RowsError(
            f"{name}: the column {missing[0]} is missing: give the rows that "
            "`semsched compare --rows` writes"
        )
    policies = frame.select(pl.col("policy").cast(pl.String).unique(maintain_order=True))
    found = policies.collect(engine="streaming")["policy"].to_list()
    if not found:
        raise RowsError(f"{name}: has no rows")
    return found


def _measured(frame: pl.LazyFrame, policy: str) -> Iterator[dict[str, Any]]:
    """The results of a policy: over all requests, then per class."""
    columns = ["urgency", "arrived_at", "finished_at", "output_tokens", *COUNTED]
    rows = (
        frame.filter(pl.col("policy").cast(pl.String) == policy)
        .select(*columns, **latencies())
        .collect(engine="streaming")
    )
    whole = {
        "weighted_latency_mean": weighted_latency(rows),
        **rates(rows, rows),
        **rows.select(pl.col(COUNTED).cast(pl.Int64).sum()).row(0, named=True),
    }
    rows = rows.select("urgency", *latencies())
    cell = {"policy": policy, "seed": 0}
    yield {**cell, "urgency": "all", **_group(rows), **whole}
    for urgency in range(NUM_CLASSES):
        group = rows.filter(pl.col("urgency") == urgency)
        yield {**cell, "urgency": str(urgency), **_group(group)}


def _group(rows: pl.DataFrame) -> dict[str, Any]:
    return {
        **statistics(rows),
        "e2e_quantiles": _quantiles(rows["e2e"]),
        "ttft_quantiles": _quantiles(rows["ttft"]),
    }


def _quantiles(values: pl.Series) -> list[float] | None:
    known = values.drop_nulls().to_numpy()
    if not len(known):
        return None
    quantiles: list[float] = np.quantile(known, np.linspace(0, 1, NUM_QUANTILES)).tolist()
    return quantiles


def _metadata(name: str) -> dict[str, Any]:
    return {
        "name": Path(name).stem,
        "title": f"The requests of {Path(name).name}",
        "description": "",
        "axes": [],
        "x": None,
        "command": f"semsched report {shlex.quote(name)}",
        "experiment": "",
        "version": semsched.__version__,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "timelines": {},
        "notes": [],
    }
