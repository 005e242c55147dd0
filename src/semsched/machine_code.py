"""Functions as machine code, compiled by numba at their first call and kept on disk."""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


class MachineCode:
    """The compiled functions of one part of semsched.

    `sources` are files and folders of the package, with a slash between: compiled functions call
    each other across files, and constants are compiled into them, so the code of all of them is the
    key under which the result is kept; numba itself looks only at the file of the outermost.
    """

    def __init__(self, name: str, sources: Sequence[str]) -> None:
        self.sources = sources
        self._name = name

    @cached_property
    def folder(self) -> Path:
        """Where the machine code lies: one folder for each state of the sources."""
        digest = hashlib.sha256()
        for source in self.sources:
            for path in _files(files("semsched").joinpath(source)):
                digest.update(path.read_bytes())
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(base) / "semsched" / f"{self._name}-{digest.hexdigest()[:16]}"

    def compiled(self, function: F) -> F:
        """Compile `function` at its first call; exact arithmetic, no reordering of floats.

        It may allocate nothing and keep no array alive: the counting of references, which would
        cost more than its work, is off (`_nrt`).
        """
        saved = numba.config.CACHE_DIR  # type: ignore[attr-defined]
        numba.config.CACHE_DIR = str(self.folder)  # type: ignore[attr-defined]
        try:
            options: dict[str, Any] = {
                "cache": self.can_be_kept,
                "error_model": "numpy",
                "_nrt": False,
            }
            machine_code: F = numba.njit(**options)(function)
            return machine_code
        finally:
            numba.config.CACHE_DIR = saved  # type: ignore[attr-defined]

    def is_cached(self) -> bool:
        """Whether a run with these sources, on this Python and numba, has compiled all of it."""
        return self._marker.exists()

    def note_cached(self) -> None:
        """All of it has run: what it needs is compiled."""
        if self.can_be_kept:
            self._marker.touch()

    @property
    def _marker(self) -> Path:
        return self.folder / f"compiled-{sys.implementation.cache_tag}-numba-{numba.__version__}"

    @cached_property
    def can_be_kept(self) -> bool:
        """Whether there is a place for it; else every process has to compile anew."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return False
        return os.access(self.folder, os.W_OK)


def direct(function: F, *arguments: Any) -> F:
    """What was compiled of `function` for arguments like these, to be called with no others.

    A compiled function looks at the types of its arguments at every call, which takes longer than
    a small kernel's work; this hardly looks.
    """
    dispatcher: Any = function
    signature = tuple(map(numba.typeof, arguments))
    dispatcher.compile(signature)
    machine_code: F = dispatcher.get_overload(signature)
    return machine_code


def _files(path: Traversable) -> list[Traversable]:
    if path.is_file():
        return [path]
    inside = sorted(path.iterdir(), key=lambda each: each.name)
    return [each for each in inside if each.name.endswith(".py")]
