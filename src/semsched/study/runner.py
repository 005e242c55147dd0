"""Runner: a study's tasks on all local cores, or wherever an executor puts them."""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from threading import Thread

from semsched.study.experiment import Experiment
from semsched.study.measure import Row, measure
from semsched.study.results import Results
from semsched.study.task import Task

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
    """Tasks in so many processes; a worker that dies costs only what it was at one more try."""

    def execute(tasks: Sequence[Task]) -> Iterator[Outcome]:
        if num_workers == 1:
            for task in tasks:
                yield from _attempt(task)
            return
        chunks = deque(list(tasks[i : i + CHUNK]) for i in range(0, len(tasks), CHUNK))
        while chunks:
            suspects = yield from _in_pool(chunks, num_workers, 2 * num_workers)
            yield from _one_by_one(task for chunk in suspects for task in chunk)

    return execute


def _one_by_one(tasks: Iterable[Task]) -> Iterator[Outcome]:
    """Cells whose worker died, each alone in a worker, so that the deadly ones are known."""
    cells = deque([task.only(policy)] for task in tasks for policy in task.policies)
    while cells:
        died = yield from _in_pool(cells, 1, 1)
        yield from (Failure(cell, "its worker died, twice") for [cell] in died)


def _in_pool(
    chunks: deque[list[Task]], num_workers: int, max_in_flight: int
) -> Generator[Outcome, None, list[list[Task]]]:
    """Take chunks until none is left, or a worker dies: returns those that were in flight."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # the cores are taken by the workers
    context = multiprocessing.get_context("spawn")  # a fork would inherit locks of polars
    pending: dict[Future[list[Outcome]], list[Task]] = {}
    with ProcessPoolExecutor(num_workers, context, initializer=_obey_the_parent) as pool:
        try:
            while chunks or pending:
                while chunks and len(pending) < max_in_flight:
                    chunk = chunks.popleft()
                    pending[pool.submit(attempt, chunk)] = chunk
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield from future.result()
                    del pending[future]
        except BrokenProcessPool:
            return list(pending.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return []


def _obey_the_parent() -> None:
    """Ctrl-C reaches all processes of a terminal; the one that writes decides what it means.

    When that one is gone there is nobody to work for.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_leave_with_the_parent, daemon=True).start()


def _leave_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
