"""Results: the rows of a study in one Parquet file, with what made them in its metadata.

The file is replaced whole, so that it can be read at any instant, whatever happens to the one
who writes it.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import cpu_count, getpid
from pathlib import Path
from typing import Any

import polars as pl

import semsched
from semsched.errors import InputError
from semsched.study.experiment import Experiment
from semsched.study.measure import Row

FORMAT = 1
KEY = "semsched"
LISTS = ("e2e_quantiles", "ttft_quantiles", "series_at", "series_kv")


class ResultsError(InputError):
    """A results file that cannot be used; the message names it and says why."""


class Results:
    """The rows of a study, in memory and on disk."""

    def __init__(self, path: Path, experiment: Experiment, command: str) -> None:
        """Take up what is at `path`, if it is of this experiment's making.

        Raises ResultsError if another version or something else made it.
        """
        self.path = path
        self.metadata = describe(experiment, command)
        self._frames: list[pl.DataFrame] = []
        cells = [task.cell(policy) for task in experiment.tasks() for policy in task.policies]
        self._order = {cell: position for position, cell in enumerate(cells)}
        if path.exists():
            frame, metadata = read_results(path)
            if metadata["name"] != experiment.name:
                raise ResultsError(
                    f"{path}: holds the study {metadata['name']!r}: give --out another file"
                )
            others = len(set(frame["cell"]) - set(cells))
            if others:
                raise ResultsError(
                    f"{path}: holds {others} simulations that this sweep does not ask for (other "
                    "settings, seeds or inputs): give --out another file, or remove this one"
                )
            self._frames.append(frame)

    @property
    def cells(self) -> set[str]:
        """The simulations that are done."""
        return {cell for frame in self._frames for cell in frame["cell"].unique()}

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, in the order of the experiment, whoever was done first."""
        frame = pl.concat(self._frames, how="diagonal_relaxed")
        position = pl.col("cell").replace_strict(self._order, return_dtype=pl.Int64)
        return frame.sort(position, maintain_order=True)

    def add(self, rows: Sequence[Row]) -> None:
        """Keep rows; they are on disk after the next `save`."""
        frame = pl.DataFrame(rows, infer_schema_length=None)
        lists = pl.col([name for name in LISTS if name in frame.columns])
        self._frames.append(frame.with_columns(lists.cast(pl.List(pl.Float32))))

    def save(self, **more: Any) -> None:
        """Write everything; `more` is added to the metadata. Raises ResultsError."""
        self.metadata |= more
        if not self._frames:
            return
        frame = self.frame
        self._frames = [frame]
        temporary = self.path.with_name(f".semsched-{getpid()}.parquet")
        try:
            frame.write_parquet(temporary, metadata={KEY: json.dumps(self.metadata)})
            temporary.replace(self.path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ResultsError(f"{self.path}: cannot be written: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)


def describe(experiment: Experiment, command: str) -> dict[str, Any]:
    """What it takes to understand and to repeat the rows."""
    return {
        "format": FORMAT,
        "version": semsched.__version__,
        "machine": f"{platform.machine()}, {cpu_count()} cores, Python {platform.python_version()}",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "experiment": experiment.text,
        **experiment.model_dump(
            include={"name", "title", "description", "x", "num_seeds", "figures"}
        ),
        "axes": experiment.axes,
        "policies": experiment.policies,
        "num_cells": sum(len(task.policies) for task in experiment.tasks()),
        "timelines": {},
        "notes": [],
    }


def read_results(path: Path) -> tuple[pl.DataFrame, Mapping[str, Any]]:
    """The rows of a study and their metadata; raises ResultsError with one line."""
    try:
        metadata = json.loads(pl.read_parquet_metadata(path)[KEY])
        frame = pl.read_parquet(path)
    except KeyError as error:
        raise ResultsError(f"{path}: is no results file of `semsched sweep`") from error
    except (OSError, pl.exceptions.PolarsError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from error
    version = metadata.get("version")
    if (metadata.get("format"), version) != (FORMAT, semsched.__version__):
        raise ResultsError(
            f"{path}: made by semsched {version}, this is {semsched.__version__}: repeat it with "
            f"`semsched sweep {metadata.get('name')} --out OTHER`, or read it with that version"
        )
    return frame, metadata
