"""Files of texts with what came of them: a JSON object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from semsched.errors import InputError


class ExampleFileError(InputError):
    """A file that holds no examples; the message names file, line and field."""


class Field(NamedTuple):
    """The key that holds what came of a text, and the whole numbers it may be."""

    name: str
    low: int
    high: int


def read_examples(path: Path, field: Field, *, least: int = 1) -> tuple[list[str], list[int]]:
    """Texts and values of a JSONL file of {"text": ..., FIELD: ...}; more keys may be.

    Raises ExampleFileError for a file that cannot be read, a bad line, or fewer than `least`.
    """
    try:
        rows = list(_rows(path, field))
    except (OSError, UnicodeDecodeError) as error:
        raise ExampleFileError(f"{path}: cannot be read: {error}") from error
    if len(rows) < least:
        raise ExampleFileError(f"{path}: has {len(rows)} rows, must have {least} or more")
    return [text for text, _ in rows], [value for _, value in rows]


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every line of a JSONL file that is not blank, as its place ("file:line") and its object.

    A byte order mark at the start is no part of the first line. Raises ExampleFileError for a
    line that is no object, OSError and UnicodeDecodeError.
    """
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"{path}:{number}", _object(line, f"{path}:{number}")


def text_of_row(row: dict[str, Any], where: str) -> str:
    """The text of a row; raises ExampleFileError if it has none."""
    text = row.get("text")
    if not isinstance(text, str):
        raise ExampleFileError(f"{where}: text: must be a string, got {text!r:.60}")
    return text


def _rows(path: Path, field: Field) -> Iterator[tuple[str, int]]:
    for where, row in read_objects(path):
        yield text_of_row(row, where), _value(row, field, where)


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ExampleFileError(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ExampleFileError(f'{where}: must be an object like {{"text": "..."}}')
    return row


def _value(row: dict[str, Any], field: Field, where: str) -> int:
    name, low, high = field
    value = row.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ExampleFileError(f"{where}: {name}: must be a whole number, got {value!r:.60}")
    if not low <= value <= high:
        raise ExampleFileError(f"{where}: {name}: must be {low} to {high}, got {value!r:.60}")
    return value
