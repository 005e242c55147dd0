"""Files that a run leaves: JSON metrics, rows, series. Whole or not at all."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from semsched.errors import InputError
from semsched.simulate.run import Run

TABLE_SUFFIXES = (".csv", ".parquet")


class OutputError(InputError):
    """An output that cannot be written; the message names the file and says why."""


def check_output(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Raise OutputError unless a file can be written at `path`, with one of `suffixes` if given.

    To be called before the work whose result the file shall hold.
    """
    if suffixes and path.suffix not in suffixes:
        raise OutputError(f"{path}: must end in {' or '.join(suffixes)}")
    # /dev/stdout is a link too: following it would replace the file behind a redirection
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OutputError(f"{path}: exists and is not a regular file")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"{path}: no such folder: {folder}")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: no permission to write in {folder}")


def write_json(
    path: Path, workload: Mapping[str, Any], summaries: Sequence[Mapping[str, Any]]
) -> None:
    """Write {"workload": what was run, "runs": one summary per policy}."""
    text = json.dumps({"workload": workload, "runs": summaries}, indent=2, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", "utf-8")


def write_rows(path: Path, runs: Sequence[Run]) -> None:
    """Write the rows of all `runs`, led by their policy, as CSV or Parquet by suffix."""
    _write_frame(path, [(run.policy, run.rows) for run in runs])


def write_series(path: Path, runs: Sequence[Run]) -> None:
    """Write the time series of all `runs`, led by their policy, as CSV or Parquet by suffix."""
    _write_frame(path, [(run.policy, run.series) for run in runs])


def _write_frame(path: Path, frames: Sequence[tuple[str, pl.DataFrame]]) -> None:
    policies = pl.Enum([policy for policy, _ in frames])
    frame = pl.concat(
        frame.select(pl.lit(policy, dtype=policies).alias("policy"), pl.all())
        for policy, frame in frames
    )
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            frame.write_csv(temporary)
        else:
            frame.write_parquet(temporary)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place only if the block succeeds."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
