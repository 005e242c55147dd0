"""Series: any number of changes in a bounded number of points, evenly thinned."""

import numpy as np
import pytest
from numpy.typing import NDArray

from semsched.simulate.series import MAX_POINTS, blank_cursor, blank_points, record, series_of


def recorded(num_changes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Change i happens at instant i / 2 and finds i KV tokens, i + 1 running, i + 2 waiting."""
    points, cursor = blank_points(), blank_cursor()
    for i in range(num_changes):
        record(points, cursor, i / 2, i, i + 1, i + 2)
    return points, cursor


def test_nothing_recorded_is_an_empty_series() -> None:
    series = series_of(*recorded(0))
    assert series.columns == ["at", "kv_tokens", "num_running", "num_waiting"]
    assert series.height == 0


def test_every_change_is_kept_while_there_is_room() -> None:
    series = series_of(*recorded(MAX_POINTS))
    assert series.height == MAX_POINTS
    assert series.row(0) == (0.0, 0, 1, 2)
    assert series.row(3) == (1.5, 3, 4, 5)
    assert series.row(-1) == ((MAX_POINTS - 1) / 2, MAX_POINTS - 1, MAX_POINTS, MAX_POINTS + 1)


@pytest.mark.parametrize(
    ("num_changes", "stride"),
    [
        (1, 1),
        (MAX_POINTS, 1),
        (MAX_POINTS + 1, 2),
        (MAX_POINTS + 2, 2),
        (2 * MAX_POINTS, 2),
        (2 * MAX_POINTS + 1, 4),
        (5 * MAX_POINTS + 123, 8),
    ],
)
def test_past_that_every_stride_th_change_is_kept_in_order(num_changes: int, stride: int) -> None:
    series = series_of(*recorded(num_changes))
    kept = list(range(0, num_changes, stride))
    assert len(kept) <= MAX_POINTS
    assert series["kv_tokens"].to_list() == kept
    assert series["at"].to_list() == [i / 2 for i in kept]
    assert series["num_running"].to_list() == [i + 1 for i in kept]
    assert series["num_waiting"].to_list() == [i + 2 for i in kept]


def test_a_series_does_not_change_with_what_is_recorded_later() -> None:
    points, cursor = recorded(2)
    series = series_of(points, cursor)
    points[:] = -1.0
    assert series["at"].to_list() == [0.0, 0.5]
