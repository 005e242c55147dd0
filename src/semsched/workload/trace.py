"""Traces: workloads recorded elsewhere, read from CSV or JSONL files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from semsched.workload.synthetic import check_range, draw_urgency
from semsched.workload.table import Lines, TextTable, as_numbers, read_table
from semsched.workload.workload import Workload, WorkloadError


class Trace(NamedTuple):
    """A workload from a file."""

    workload: Workload
    lines: Lines
    """Each request's line in the file, the first line being 1."""
    given: frozenset[str]
    """Fields that the file has a column for; the others are drawn or assumed."""


CLINIC = "clinic"
SHIPPED = resources.files("semsched.workload") / "traces" / "clinic.csv"

REQUIRED = ("arrived_at", "prompt_tokens", "output_tokens")
OPTIONAL = (
    "urgency",
    "max_output_tokens",
    "predicted_urgency",
    "predicted_output_tokens",
    "tenant",
    "text",
)


def _milliseconds(text: pl.Series) -> pl.Series:
    return as_numbers(text) / 1e3


def _datetime(text: pl.Series) -> pl.Series:
    """Seconds since 1970; a float holds today's to within 0.3 microseconds."""
    instants = text.str.strip_suffix("+00:00").str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us"
    )
    return instants.dt.epoch("us") / 1e6


@dataclass(frozen=True)
class Format:
    """How a published trace writes a request.

    `columns` maps our field to the file's column; a file has the format whose `arrived_at`
    column it has. `seconds` reads that column (null: unreadable), `instant` says what it holds.
    `has_failed` says that calls without output are failed calls, to be left out.
    """

    columns: Mapping[str, str]
    seconds: Callable[[pl.Series], pl.Series] = as_numbers
    instant: str = "a finite number of seconds, at least 0"
    has_failed: bool = False


def _columns(*names: str) -> Mapping[str, str]:
    return dict(zip(REQUIRED, names, strict=True))


FORMATS: Mapping[str, Format] = {
    "plain": Format({field: field for field in REQUIRED + OPTIONAL}),
    "BurstGPT": Format(_columns("Timestamp", "Request tokens", "Response tokens"), has_failed=True),
    "Azure": Format(
        _columns("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
        seconds=_datetime,
        instant="a date and time such as 2023-11-16 18:17:03.979",
    ),
    "Mooncake": Format(
        _columns("timestamp", "input_length", "output_length"),
        seconds=_milliseconds,
        instant="a finite number of milliseconds, at least 0",
    ),
}


WANTED = {column for form in FORMATS.values() for column in form.columns.values()}
"""Columns that any format reads."""


def read_trace(
    path: str | Path,
    *,
    mix: Sequence[float] = (1, 1, 1, 1, 1),
    seed: int = 0,
    max_requests: int | None = None,
) -> Trace:
    """The workload in a trace file, or in the shipped one named `clinic`.

    Formats are told apart by their columns: BurstGPT, Azure LLM inference, Mooncake, or a
    plain file with columns `arrived_at` (s), `prompt_tokens`, `output_tokens` and any of
    OPTIONAL; CSV or JSONL. Requests are put in order of arrival (equal instants in file
    order), the first at 0, and only the first `max_requests` are kept. Without an urgency
    column urgency is drawn by the weights `mix`. BurstGPT's failed calls (no output) are left
    out. Rows without any value are blank lines. Every fault of the file raises a one-line
    WorkloadError; lines are counted in the file, and a line break within quotes shifts them.
    """
    if path == CLINIC:
        with resources.as_file(SHIPPED) as file:
            trace = read_trace(file, seed=seed, max_requests=max_requests)
        return trace._replace(workload=replace(trace.workload, name=CLINIC))
    path = Path(path)
    if max_requests is not None:
        check_range("max_requests", max_requests, 1)
    check_range("seed", seed, 0)
    table = read_table(path, WANTED)
    form = _recognise(table)
    if form.has_failed:
        output = as_numbers(table.text[form.columns["output_tokens"]])
        table = table.keep((output != 0).fill_null(True))
    if table.text.is_empty():
        raise WorkloadError(f"{path}: no requests in it")
    fields = _parse(table, form)
    order = np.argsort(fields["arrived_at"], kind="stable")[:max_requests]
    fields = {name: column[order] for name, column in fields.items()}
    given = frozenset(fields)
    if "urgency" not in given:
        fields["urgency"] = draw_urgency(len(order), mix, np.random.default_rng(seed))
    return Trace(_workload(path.name, fields), table.lines[order], given)


def clinic() -> Workload:
    """The shipped example: ten minutes of a hospital's LLM service, with a surge of urgent
    requests in the middle (made by tools/make_clinic_trace.py)."""
    return read_trace(CLINIC).workload


def _recognise(table: TextTable) -> Format:
    for name, trace in FORMATS.items():
        if trace.columns["arrived_at"] in table.text.columns:
            for field in REQUIRED:
                if trace.columns[field] not in table.text.columns:
                    raise WorkloadError(
                        f"{table.path}: {name} trace without the column {trace.columns[field]}"
                    )
            return trace
    known = "; ".join(
        f"{name} ({', '.join(trace.columns[field] for field in REQUIRED)})"
        for name, trace in FORMATS.items()
    )
    raise WorkloadError(f"{table.path}: columns of no known trace; known are {known}")


def _parse(table: TextTable, trace: Format) -> dict[str, NDArray[Any]]:
    """Every field the table has, checked, in the order of the file."""
    present = {
        field: column for field, column in trace.columns.items() if column in table.text.columns
    }
    arrival = present["arrived_at"]
    arrived_at = trace.seconds(table.text[arrival]).fill_null(np.nan).to_numpy()
    table.demand(arrival, np.isfinite(arrived_at) & (arrived_at >= 0), trace.instant)
    fields: dict[str, NDArray[Any]] = {"arrived_at": arrived_at}
    for field, column in present.items():
        if field.endswith("_tokens"):
            fields[field] = table.whole(column)
        elif field.endswith("urgency"):
            fields[field] = table.classes(column)
    if "tenant" in present:
        fields["tenant"] = table.text[present["tenant"]].fill_null("").to_numpy()
    if "text" in present:
        fields["text"] = table.text[present["text"]].fill_null("").to_numpy()
    if "max_output_tokens" in fields:
        fits = fields["output_tokens"] <= fields["max_output_tokens"]
        table.demand(present["max_output_tokens"], fits, "at least the output_tokens of its line")
    return fields


def _workload(name: str, fields: Mapping[str, NDArray[Any]]) -> Workload:
    known = Workload.known(
        name,
        fields["arrived_at"] - fields["arrived_at"][0],
        fields["prompt_tokens"],
        fields["output_tokens"],
        fields["urgency"],
        max_output_tokens=fields.get("max_output_tokens"),
        tenant=tuple(fields["tenant"].tolist()) if "tenant" in fields else (),
    )
    return replace(
        known,
        text=tuple(fields["text"].tolist()) if "text" in fields else (),
        predicted_urgency=fields.get("predicted_urgency", known.urgency),
        predicted_output_tokens=fields.get("predicted_output_tokens", known.output_tokens),
    )
