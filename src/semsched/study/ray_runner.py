"""The same study on a Ray cluster (optional: `pip install 'semsched[ray]'`)."""

import socket
from collections.abc import Iterator, Sequence

from semsched.errors import InputError
from semsched.study.runner import CHUNK, Execute, Failure, Outcome, attempt
from semsched.study.task import Task

PATIENCE = 5.0
"""Seconds to wait for a cluster."""


def on_ray(address: str) -> Execute:
    """Tasks on the cluster at `address`, or on one of our own if it is `local`.

    Raises InputError if Ray is not installed or not there.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("--ray needs Ray: pip install 'semsched[ray]'") from error

    def execute(tasks: Sequence[Task]) -> Iterator[Outcome]:
        _check_reachable(address)
        try:
            ray.init(None if address == "local" else address, include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"--ray {address}: {error}") from error
        try:
            run = ray.remote(attempt)
            chunks = [list(tasks[i : i + CHUNK]) for i in range(0, len(tasks), CHUNK)]
            pending = {run.remote(chunk): chunk for chunk in chunks}
            while pending:
                [done], _ = ray.wait(list(pending), num_returns=1)
                chunk = pending.pop(done)
                try:
                    yield from ray.get(done)
                except ray.exceptions.RayError as error:
                    yield from (Failure(task, f"{type(error).__name__}: {error}") for task in chunk)
        finally:
            ray.shutdown()

    return execute


def _check_reachable(address: str) -> None:
    """Ray itself waits for minutes for a cluster that is not there, and says nothing."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # "local", or "auto"
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, ValueError) as error:
        raise InputError(f"--ray {address}: nobody answers there: {error}") from error
