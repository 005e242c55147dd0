"""A trace file that chrome://tracing and Perfetto open: who ran when, and how full the engine was.

The format is "Trace Event Format" (Chromium's documentation, 2016), its JSON object variant.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from semsched.request import NUM_CLASSES
from semsched.simulate.run import Run

Event = dict[str, Any]

# viewers know processes and threads only, and 0 stands for the idle ones: a class is a
# process, a request a thread in it whose number ends in the request's id
ENGINE_PID = 1
FIRST_PID = 10
FIRST_TID = 1_000_000

COLOURS = {
    "waiting": "grey",
    "prefill": "rail_response",  # blue
    "decode": "thread_state_running",  # green
    "paused": "yellow",
    "swapped": "terrible",  # red
}
"""By state, of the names that chrome://tracing has; Perfetto chooses its own."""


def write_trace_events(path: Path, timeline: pl.DataFrame, run: Run) -> None:
    """Write the intervals of `simulate.timeline` and the series of the run they belong to."""
    trace = {
        "displayTimeUnit": "ms",
        "otherData": {
            "policy": run.policy,
            "workload": run.workload,
            "profile": run.profile.name,
        },
        "traceEvents": [*_names(timeline), *_intervals(timeline), *_counters(run.series)],
    }
    text = json.dumps(trace, separators=(",", ":"), allow_nan=False)
    path.write_text(text + "\n", "utf-8")


def _names(timeline: pl.DataFrame) -> Iterator[Event]:
    """What the viewer writes beside each row, and in which order they come."""
    yield from _name("process", ENGINE_PID, 0, "engine", 0)
    for urgency in timeline["urgency"].unique().sort():
        yield from _name("process", FIRST_PID + urgency, 0, _class_name(urgency), 1 + urgency)
    for id, urgency in timeline.select("id", "urgency").unique(maintain_order=True).iter_rows():
        yield from _name("thread", FIRST_PID + urgency, FIRST_TID + id, f"request {id}", id)


def _name(kind: str, pid: int, tid: int, name: str, place: int) -> Iterator[Event]:
    where = {"ph": "M", "pid": pid, "tid": tid}
    yield {"name": f"{kind}_name", **where, "args": {"name": name}}
    yield {"name": f"{kind}_sort_index", **where, "args": {"sort_index": place}}


def _class_name(urgency: int) -> str:
    remarks = {0: " (most urgent)", NUM_CLASSES - 1: " (least urgent)"}
    return f"class {urgency}{remarks.get(urgency, '')}"


def _intervals(timeline: pl.DataFrame) -> Iterator[Event]:
    columns = timeline.with_columns(_microseconds("from_at"), _microseconds("to_at"))
    for id, urgency, state, from_at, to_at in columns.iter_rows():
        yield {
            "name": state,
            "ph": "X",
            "ts": from_at,
            "dur": to_at - from_at,
            "pid": FIRST_PID + urgency,
            "tid": FIRST_TID + id,
            "cname": COLOURS[state],
        }


def _counters(series: pl.DataFrame) -> Iterator[Event]:
    for point in series.with_columns(_microseconds("at")).iter_rows(named=True):
        where = {"ph": "C", "ts": point["at"], "pid": ENGINE_PID, "tid": 0}
        running, waiting = point["num_running"], point["num_waiting"]
        yield {
            "name": "requests",
            **where,
            "args": {"num_running": running, "num_waiting": waiting},
        }
        yield {"name": "KV", **where, "args": {"tokens": point["kv_tokens"]}}


def _microseconds(column: str) -> pl.Expr:
    """Whole ones: Perfetto drops intervals that overlap by a rounding error."""
    return (pl.col(column) * 1e6).round().cast(pl.Int64)
