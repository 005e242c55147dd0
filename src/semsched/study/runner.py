"""Runner: a study's tasks on all local cores, or wherever an executor puts them."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from semsched.study.experiment import Experiment, Task
from semsched.study.measure import Row, measure
from semsched.study.results import Results

SAVE_EVERY = 5.0
"""Seconds of work that a kill may cost."""

CHUNK = 8
"""Tasks that a worker takes at a time."""


@dataclass(frozen=True)
class Failure:
    """A task that could not be done, and why."""

    task: Task
    reason: str


Outcome = list[Row] | Failure
Execute = Callable[[Sequence[Task]], Iterator[Outcome]]
Progress = Callable[[int, int], None]


def run_study(
    experiment: Experiment, results: Results, execute: Execute, progress: Progress
) -> list[Failure]:
    """Do what is not done yet; returns the tasks that failed. Saved as it goes, and at the end.

    `progress` is told how many simulations are done, of how many.
    """
    done = results.cells
    tasks = [task.without(done) for task in experiment.tasks()]
    todo = [task for task in tasks if task.policies]
    total = len(done) + sum(len(task.policies) for task in todo)
    num_done, failures, saved_at = len(done), [], time.monotonic()
    progress(num_done, total)
    try:
        for outcome in execute(todo):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                num_done += len(outcome.task.policies)
            else:
                results.add(outcome)
                num_done += len({row["cell"] for row in outcome})
            progress(num_done, total)
            if time.monotonic() - saved_at > SAVE_EVERY:
                results.save()
                saved_at = time.monotonic()
    finally:
        results.save()
    return failures


def attempt(tasks: Sequence[Task]) -> list[Outcome]:
    """Measure some tasks, each for itself: one that fails does not stop the rest."""
    return [outcome for task in tasks for outcome in _attempt(task)]


def _attempt(task: Task) -> list[Outcome]:
    try:
        return [measure(task)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported with its task
        if len(task.policies) == 1:
            return [Failure(task, f"{type(error).__name__}: {error}")]
        return attempt([task.only(policy) for policy in task.policies])


def on_local_cores(num_workers: int) -> Execute:
    """Tasks in so many processes; a worker that dies costs its cells one more try, alone."""

    def execute(tasks: Sequence[Task]) -> Iterator[Outcome]:
        if num_workers == 1:
            for task in tasks:
                yield from _attempt(task)
            return
        chunks = [list(tasks[i : i + CHUNK]) for i in range(0, len(tasks), CHUNK)]
        orphans: list[Task] = []
        yield from _in_pool(chunks, num_workers, orphans.extend)
        for cell in [task.only(policy) for task in orphans for policy in task.policies]:
            died: list[Task] = []
            yield from _in_pool([[cell]], 1, died.extend)
            yield from (Failure(lost, "its worker died, twice") for lost in died)

    return execute


def _in_pool(
    chunks: Sequence[list[Task]], num_workers: int, orphaned: Callable[[list[Task]], None]
) -> Iterator[Outcome]:
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # the cores are taken by the workers
    context = multiprocessing.get_context("spawn")  # a fork would inherit locks of polars
    with ProcessPoolExecutor(num_workers, context, initializer=_ignore_interrupts) as pool:
        pending: dict[Future[list[Outcome]], list[Task]] = {
            pool.submit(attempt, chunk): chunk for chunk in chunks
        }
        try:
            while pending:
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    chunk = pending.pop(future)
                    try:
                        yield from future.result()
                    except BrokenProcessPool:
                        orphaned(chunk)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal; the one that writes decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
