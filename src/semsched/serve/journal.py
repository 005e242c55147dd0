"""Journal: what the dispatcher was told and what it said, a JSON line each.

The first line says under which settings. The lines that follow are enough to do it all again:
`replay.py` does, and compares. Lines with a `row` are for people: one per request, in the
simulator's columns.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import msgspec

from semsched.core.cost import StepCost
from semsched.core.dispatch import Dispatcher, Limits
from semsched.serve.row import Row

P = ParamSpec("P")
R = TypeVar("R")

FORMAT = 1

BUFFER_BYTES = 64 * 2**10

_log = logging.getLogger(__name__)


class Head(msgspec.Struct, frozen=True):
    """The settings under which a journal was begun."""

    format: int
    policy: str
    cost: StepCost
    limits: Limits


def _begun(path: Path) -> FileIO:
    """An empty file at `path`; one that was there is named after the second of its last line."""
    if path.is_file() and path.stat().st_size:
        ended_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        path.rename(path.with_stem(f"{path.stem}-{ended_at:%Y%m%dT%H%M%SZ}"))
    return path.open("wb", buffering=0)


class Journal:
    """A dispatcher whose every act is written down, if there is a file to write to.

    What an earlier run wrote there is moved aside. Raises OSError.
    """

    def __init__(self, dispatcher: Dispatcher, head: Head, path: Path | None) -> None:
        self.dispatcher = dispatcher
        self._file = _begun(path) if path else None
        self._unwritten = bytearray()
        self._write({"head": head})

    def do(
        self, act: Callable[Concatenate[Dispatcher, P], R], *args: P.args, **none: P.kwargs
    ) -> R:
        """Have the dispatcher do it; what it says is written down before anybody hears of it."""
        got = act(self.dispatcher, *args, **none)
        if self._file:
            self._write({"do": act.__name__, "with": args, "got": got})
        return got

    @property
    def is_open(self) -> bool:
        """Whether anything is written down."""
        return self._file is not None

    def row(self, row: Row) -> None:
        """A request has ended."""
        self._write({"row": row})

    def _write(self, line: dict[str, object]) -> None:
        if self._file:
            self._unwritten += msgspec.json.encode(line) + b"\n"
            if len(self._unwritten) >= BUFFER_BYTES:
                self.flush()

    def flush(self) -> None:
        """Hand what was written to the operating system.

        A full disk ends the journal, not the service; a journal with a hole is of no use.
        """
        if self._file is None:
            return
        try:
            while self._unwritten:
                del self._unwritten[: self._file.write(self._unwritten)]
        except OSError as error:
            _log.error("the journal ends here: %s", error.strerror or error)
            self._unwritten.clear()
            self.close()

    def close(self) -> None:
        """Nothing more comes."""
        self.flush()
        if self._file:
            self._file.close()
            self._file = None
