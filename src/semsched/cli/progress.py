"""A progress bar for work that takes over a second, on a terminal only."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE = 1.0
"""Seconds without a bar: what is done by then needs none."""

Advance = Callable[[str, int, int], None]
"""Called with a label, requests done, requests in all."""


@contextmanager
def progress_bar(console: Console) -> Iterator[Advance]:
    """A bar on `console` that shows what it is told, and is gone afterwards."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=None)
    began = time.monotonic()

    def advance(label: str, done: int, total: int) -> None:
        bar.update(task, description=label, completed=done, total=total)
        if console.is_terminal and time.monotonic() - began > PATIENCE:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
