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


def check_output(
    path: Path, suffixes: Sequence[str] = (), *, inputs: Sequence[Path | None] = ()
) -> None:
    """Raise OutputError unless a file can be written at `path`, with one of `suffixes` if given.

    It must be none of `inputs` (None: not given), whatever they are called. To be called before
    the work whose result the file shall hold.
    """
    if suffixes and path.suffix not in suffixes:
        raise OutputError(f"{path}: must end in {' or '.join(suffixes)}")
    try:
        _check_place(path)
    except (OSError, RuntimeError) as error:  # a name too long, links in a circle
        raise OutputError(f"{path}: cannot be written: {error}") from error
    if any(_is_same(path, read) for read in inputs if read is not None):
        raise OutputError(f"{path}: is read, too: write into another file")


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of the two is not there
        return False


def _check_place(path: Path) -> None:
    # /dev/stdout is a link too: following it would replace the file behind a redirection
    if path.is_symlink():
        raise OutputError(f"{path}: is a link: name the file itself")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: exists and is not a regular file")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"{path}: no such folder: {folder}")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: no permission to write in {folder}")


@contextmanager
def replacing(paths: Sequence[Path]) -> Iterator[dict[Path, Path]]:
    """For each path a temporary file beside it; they take their places if the block succeeds.

    If anything fails none of the paths is touched. Raises OutputError.
    """
    temporary = {
        path: path.with_name(f".semsched-{os.getpid()}-{i}{path.suffix}")
        for i, path in enumerate(paths)
    }
    try:
        yield temporary
        for path, part in temporary.items():
            part.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        names = ", ".join(map(str, paths))
        raise OutputError(f"{names}: cannot be written: {error}") from error
    finally:
        for part in temporary.values():
            part.unlink(missing_ok=True)


def write_json(
    path: Path, workload: Mapping[str, Any], summaries: Sequence[Mapping[str, Any]]
) -> None:
    """Write {"workload": what was run, "runs": one summary per policy}."""
    text = json.dumps({"workload": workload, "runs": summaries}, indent=2, allow_nan=False)
    path.write_text(text + "\n", "utf-8")


def write_rows(path: Path, runs: Sequence[Run]) -> None:
    """Write the rows of all `runs`, led by their policy, as CSV or Parquet by suffix."""
    write_frames(path, [(run.policy, run.rows) for run in runs])


def write_series(path: Path, runs: Sequence[Run]) -> None:
    """Write the time series of all `runs`, led by their policy, as CSV or Parquet by suffix."""
    write_frames(path, [(run.policy, run.series) for run in runs])


def write_frames(path: Path, frames: Sequence[tuple[str, pl.DataFrame]]) -> None:
    """Write frames of the same columns, each led by the name of its policy, as CSV or Parquet."""
    policies = pl.Enum([policy for policy, _ in frames])
    frame = pl.concat(
        frame.select(pl.lit(policy, dtype=policies).alias("policy"), pl.all())
        for policy, frame in frames
    )
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
