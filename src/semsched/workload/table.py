"""Text tables: CSV and JSONL files as columns of text, each row with its line in the file."""

import csv
import io
import json
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from semsched.request import NUM_CLASSES
from semsched.workload.synthetic import MAX_TOKENS
from semsched.workload.workload import Floats, Ints, WorkloadError

Lines = NDArray[np.int64]


def as_numbers(text: pl.Series) -> pl.Series:
    """Text as numbers, null where it is none."""
    return text.cast(pl.Float64, strict=False)


@dataclass(frozen=True)
class TextTable:
    """The rows of a file as text, each with its line; null is a missing value."""

    path: Path
    text: pl.DataFrame
    lines: Lines

    def keep(self, rows: pl.Series) -> "TextTable":
        """The rows that are true in `rows`."""
        return TextTable(self.path, self.text.filter(rows), self.lines[rows.to_numpy()])

    def number(self, column: str) -> Floats:
        """The column as numbers, NaN where it holds none."""
        return as_numbers(self.text[column]).fill_null(np.nan).to_numpy()

    def demand(self, column: str, holds: NDArray[np.bool_], what: str) -> None:
        """Raise WorkloadError for the first row where `holds` is false."""
        if not holds.all():
            at = int(np.argmin(holds))
            value = self.text[column][at]
            shown = "missing" if value is None else repr(value[:40])
            raise WorkloadError(
                f"{self.path}, line {self.lines[at]}: {column} is {shown}, must be {what}"
            )

    def whole(self, column: str) -> Ints:
        """The column as numbers of tokens; raises WorkloadError for the first that is none."""
        number = self.number(column)
        is_whole = np.isfinite(number) & (number == np.floor(number)) & (number >= 1)
        self.demand(column, is_whole, "a whole number of at least 1")
        self.demand(column, number <= MAX_TOKENS, f"at most {MAX_TOKENS}")
        return number.astype(np.int32)

    def classes(self, column: str) -> Ints:
        """The column as urgency classes; raises WorkloadError for the first that is none."""
        number = self.number(column)
        self.demand(column, np.isin(number, np.arange(NUM_CLASSES)), "a class 0 to 4")
        return number.astype(np.int32)


def read_table(path: Path, wanted: Set[str]) -> TextTable:
    """The file at `path`; of JSON objects only the keys in `wanted`. Raises WorkloadError."""
    if path.is_fifo():
        raise WorkloadError(f"{path}: is a pipe: write it to a file first")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise WorkloadError(f"{path}: {error.strerror}") from error
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise WorkloadError(f"{path}, line {line}: not UTF-8 text") from error
    if not content.strip():
        raise WorkloadError(f"{path}: the file is empty")
    if content.lstrip().startswith("{"):
        return _read_jsonl(path, content, wanted)
    return _read_csv(path, content)


def _read_csv(path: Path, content: str) -> TextTable:
    try:
        text = pl.read_csv(io.BytesIO(content.encode()), infer_schema=False).rename(str.strip)
    except pl.exceptions.PolarsError as error:
        raise WorkloadError(_csv_fault(path, content)) from error
    text = text.select(pl.all().str.strip_chars().replace("", None))
    table = TextTable(path, text, np.arange(2, len(text) + 2, dtype=np.int64))
    return table.keep(text.select(~pl.all_horizontal(pl.all().is_null())).to_series())


def _csv_fault(path: Path, content: str) -> str:
    """What is wrong with a file that polars refuses, found row by row."""
    rows = csv.reader(io.StringIO(content), strict=True)
    try:
        num_columns = len(next(rows))
        for row in rows:
            if len(row) > num_columns:
                return (
                    f"{path}, line {rows.line_num}: {len(row)} values under "
                    f"{num_columns} column names"
                )
    except csv.Error as error:
        return f"{path}, line {rows.line_num}: {error}"
    return f"{path}: not a readable CSV file"


def _read_jsonl(path: Path, content: str, wanted: Set[str]) -> TextTable:
    records: list[dict[str, str | None]] = []
    lines: list[int] = []
    for line, written in enumerate(content.split("\n"), start=1):
        if written.strip():
            record = _record(path, line, written)
            records.append({key: _text(record[key]) for key in wanted & record.keys()})
            lines.append(line)
    schema = dict.fromkeys(sorted({key for record in records for key in record}), pl.String)
    text = pl.DataFrame(records, schema=schema)
    return TextTable(path, text, np.array(lines, dtype=np.int64))


def _record(path: Path, line: int, written: str) -> dict[str, Any]:
    try:
        record = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{path}, line {line}: not valid JSON") from error
    if not isinstance(record, dict):
        raise WorkloadError(f"{path}, line {line}: must be a JSON object")
    return record


def _text(value: object) -> str | None:
    """`value` as polars can hold it: JSON may spell half a surrogate pair, UTF-8 may not."""
    return None if value is None else str(value).encode(errors="replace").decode()
