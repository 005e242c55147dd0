"""Compilation: the kernel's functions as machine code, kept on disk between runs."""

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.extending import register_jitable

from semsched import belief
from semsched.core import cost
from semsched.simulate import series

F = TypeVar("F", bound=Callable[..., Any])


SHARED = (
    belief.length_beyond,
    belief.shape_of,
    belief.tokens_left,
    belief.turning_point,
    cost.decode_line,
    cost.decode_time,
    cost.prefill_time,
    cost.remaining_time,
    cost.run_time,
    cost.step_time,
    series.record,
)
"""Functions of the reference that the kernel calls too, compiled as they stand."""

for shared in SHARED:
    register_jitable(shared)


@cache
def cache_folder() -> Path:
    """Where the machine code lies: one folder for each state of the sources.

    Compiled functions call each other across files, so the code of all of them is the key:
    numba itself looks only at the file of the outermost.
    """
    digest = hashlib.sha256()
    for source in _sources():
        digest.update(source.encode())
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "semsched" / f"kernel-{digest.hexdigest()[:16]}"


def compiled(function: F) -> F:
    """Compile `function` at its first call; exact arithmetic, no reordering of floats.

    The kernel allocates nothing and keeps no array alive, so the counting of references, which
    would cost more than its work, is off (`_nrt`).
    """
    saved = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]
    try:
        options: dict[str, Any] = {"cache": _can_cache(), "error_model": "numpy", "_nrt": False}
        return numba.njit(**options)(function)
    finally:
        numba.config.CACHE_DIR = saved  # type: ignore[attr-defined]


def is_cached() -> bool:
    """Whether a run with these sources, on this Python and numba, has compiled the kernel."""
    return _marker().exists()


def note_cached() -> None:
    """The kernel has run: what it needs is compiled."""
    if _can_cache():
        _marker().touch()


def _marker() -> Path:
    return cache_folder() / f"compiled-{sys.implementation.cache_tag}-numba-{numba.__version__}"


@cache
def _can_cache() -> bool:
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(cache_folder(), os.W_OK)


def _sources() -> list[str]:
    package = files("semsched")
    kernel = sorted((package / "simulate" / "kernel").iterdir(), key=lambda path: path.name)
    shared = [package / "belief.py", package / "core" / "cost.py"]
    used = [*shared, package / "simulate" / "series.py", *kernel]
    return [path.read_text("utf-8") for path in used if path.name.endswith(".py")]
