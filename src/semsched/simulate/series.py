"""Series: how full the engine was over time, in a bounded number of points.

A point where the batch changes, and two where somebody finishes, before and after; between
points the KV grows evenly.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

MAX_POINTS = 4096


def blank_points() -> NDArray[np.float64]:
    """Room for the points: at, kv_tokens, num_running, num_waiting."""
    return np.zeros((MAX_POINTS, 4))


def blank_cursor() -> NDArray[np.int64]:
    """Points recorded, changes per point, changes until the next point."""
    return np.array([0, 1, 1])


def record(
    points: NDArray[np.float64],
    cursor: NDArray[np.int64],
    at: float,
    kv_tokens: int,
    num_running: int,
    num_waiting: int,
) -> None:
    """Add a point; when the room is full every other one is dropped."""
    cursor[2] -= 1
    if cursor[2] > 0:
        return
    if cursor[0] == MAX_POINTS:
        for i in range(MAX_POINTS // 2):
            for field in range(4):
                points[i, field] = points[2 * i, field]
        cursor[0] = MAX_POINTS // 2
        cursor[1] *= 2
    cursor[2] = cursor[1]
    row = cursor[0]
    points[row, 0], points[row, 1] = at, kv_tokens
    points[row, 2], points[row, 3] = num_running, num_waiting
    cursor[0] += 1


def series_of(points: NDArray[np.float64], cursor: NDArray[np.int64]) -> pl.DataFrame:
    """The points recorded, in order of time."""
    at, kv_tokens, num_running, num_waiting = points[: cursor[0]].T
    return pl.DataFrame(
        {
            "at": at.copy(),
            "kv_tokens": kv_tokens.astype(np.int64),
            "num_running": num_running.astype(np.int64),
            "num_waiting": num_waiting.astype(np.int64),
        }
    )
