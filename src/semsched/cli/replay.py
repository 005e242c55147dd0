"""`semsched replay`: a recorded day at the gateway, decided again."""

from pathlib import Path

import msgspec
import polars as pl
from rich.console import Console
from rich.table import Table

from semsched.cli.commands import one_line_errors
from semsched.cli.errors import Failure
from semsched.report.files import TABLE_SUFFIXES, check_output, replacing, write_frames
from semsched.request import CLASS_NAMES
from semsched.serve.replay import Replayed, replay
from semsched.serve.row import Row

MAX_SHOWN = 10
"""Differences that are shown."""


def show(journal: Path, trace: Path | None, rows: Path | None) -> None:
    """Replay `journal`, show what came of it, write the requests as asked.

    Raises Failure (exit code 1) if a decision came out otherwise.
    """
    with one_line_errors():
        if trace:
            check_output(trace, inputs=[journal, rows])
        if rows:
            check_output(rows, TABLE_SUFFIXES, inputs=[journal, trace])
        if not journal.is_file():
            raise Failure(f"{journal}: no such file")
        replayed = replay(journal)
        with replacing(list(filter(None, (trace, rows)))) as parts:
            if trace:
                parts[trace].write_bytes(as_trace(replayed.rows))
            if rows:
                write_frames(parts[rows], [(replayed.policy, as_frame(replayed.rows))])
    Console().print(_table(replayed.rows))
    _say(replayed)


def _say(replayed: Replayed) -> None:
    console = Console(highlight=False, soft_wrap=True)
    num = len(replayed.differences)
    console.print(
        f"{replayed.num_decisions} decisions in {replayed.num_acts} acts replayed: "
        f"{num} difference{'' if num == 1 else 's'}"
    )
    for line, act, live, again in replayed.differences[:MAX_SHOWN]:
        console.print(f"line {line}: {act}: live {live}, replayed {again}", markup=False)
    if num:
        raise Failure("the replay decided otherwise", exit_code=1)


def _table(rows: list[Row]) -> Table:
    table = Table(title="what became of the requests")
    for name in ("class", "requests", "finished", "refused", "cancelled", "failed"):
        table.add_column(name, justify="left" if name == "class" else "right")
    table.add_column("mean wait", justify="right")
    for urgency, name in enumerate(CLASS_NAMES):
        mine = [row for row in rows if row.urgency == urgency]
        ends = [sum(row.status == status for row in mine) for status in _STATUSES]
        waits = [row.queue_time for row in mine if row.started_at is not None]
        wait = f"{sum(waits) / len(waits):.3f} s" if waits else "-"
        table.add_row(name, str(len(mine)), *map(str, ends), wait)
    return table


_STATUSES = ("finished", "refused", "cancelled", "failed")


def as_frame(rows: list[Row]) -> pl.DataFrame:
    """The rows with the columns of a simulation's first (simulate/run.py); an engine does not say
    what KV it lost."""
    frame = pl.DataFrame([msgspec.structs.asdict(row) for row in rows], infer_schema_length=None)
    nothing = pl.lit(0, dtype=pl.Int32)
    return frame.with_columns(
        nothing.alias("recomputed_tokens"),
        nothing.alias("swapped_tokens"),
        *(pl.col(name).cast(pl.Float64) for name in _INSTANTS),
    )


_INSTANTS = ("started_at", "first_token_at", "finished_at")


def as_trace(rows: list[Row]) -> bytes:
    """The finished requests as a trace for `simulate --trace`, a JSON object a line."""
    finished = [row for row in rows if row.status == "finished" and row.output_tokens]
    finished.sort(key=lambda row: row.arrived_at)
    return b"".join(msgspec.json.encode(_traced(row)) + b"\n" for row in finished)


def _traced(row: Row) -> dict[str, object]:
    output_tokens = row.output_tokens or 1
    return {
        "arrived_at": row.arrived_at,
        "prompt_tokens": row.prompt_tokens,
        "output_tokens": output_tokens,
        "urgency": row.urgency,
        "predicted_urgency": row.predicted_urgency,
        "predicted_output_tokens": row.predicted_output_tokens,
        "max_output_tokens": max(row.max_output_tokens, output_tokens),
        "tenant": row.tenant,
    }
