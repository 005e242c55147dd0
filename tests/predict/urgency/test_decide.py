import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.errors import InputError
from semsched.predict.urgency.decide import (
    COSTS,
    MAX_DOUBT,
    Costs,
    checked_costs,
    decide,
    is_unsure,
    read_costs,
)
from semsched.predict.urgency.verdict import UNSURE
from semsched.request import NUM_CLASSES

EVEN = [[float(true != given) for given in range(NUM_CLASSES)] for true in range(NUM_CLASSES)]
"""Every wrong class costs the same: the likeliest class is the cheapest."""


def decided(*probabilities: float, costs: Costs = COSTS) -> int:
    [urgency] = decide(np.array([probabilities]), costs)
    return urgency


# --- decisions ---------------------------------------------------------------------------------


def test_costs_are_the_squared_distance_and_half_as_much_again_for_what_is_called_too_idle() -> (
    None
):
    assert [list(row) for row in COSTS] == [
        [0, 1.5, 6, 13.5, 24],
        [1, 0, 1.5, 6, 13.5],
        [4, 1, 0, 1.5, 6],
        [9, 4, 1, 0, 1.5],
        [16, 9, 4, 1, 0],
    ]
    assert checked_costs(COSTS) == COSTS


@pytest.mark.parametrize("urgency", range(NUM_CLASSES))
def test_what_is_certain_is_decided(urgency: int) -> None:
    assert decided(*np.eye(NUM_CLASSES)[urgency]) == urgency


@pytest.mark.parametrize(
    ("probabilities", "urgency"),
    [
        ((0, 0.6, 0.4, 0, 0), 1),
        ((0, 0.41, 0.59, 0, 0), 1),  # 0.59 * 1 < 0.41 * 1.5: not the likeliest
        ((0, 0.39, 0.61, 0, 0), 2),
        ((0.5, 0, 0, 0, 0.5), 2),  # between the two, nearer to the urgent: 2 beats 1 by 0.25
        ((0.3, 0, 0, 0, 0.7), 2),
        ((0.1, 0, 0, 0, 0.9), 3),
        ((0, 0, 0, 0.3, 0.7), 4),
    ],
)
def test_the_class_of_least_expected_cost_is_decided(
    probabilities: tuple[float, ...], urgency: int
) -> None:
    assert decided(*probabilities) == urgency


def test_costs_of_the_operator_are_used() -> None:
    assert decided(0.1, 0.2, 0.05, 0.6, 0.05) == 2
    assert decided(0.1, 0.2, 0.05, 0.6, 0.05, costs=EVEN) == 3
    never_late = [
        [cost * (100 if j > i else 1) for j, cost in enumerate(EVEN[i])] for i in range(5)
    ]
    assert decided(0.1, 0.2, 0.05, 0.6, 0.05, costs=never_late) == 0


@pytest.mark.parametrize("tied", [(0, 4), (1, 2), (2, 3), (3, 4)])
def test_of_equal_costs_the_more_urgent_class_is_decided(tied: tuple[int, int]) -> None:
    assert decided(*np.eye(NUM_CLASSES)[list(tied)].mean(axis=0), costs=EVEN) == min(tied)


def test_what_says_next_to_nothing_is_neither_first_nor_last() -> None:
    even = (0.2,) * NUM_CLASSES
    for urgency in range(NUM_CLASSES):
        costs = [[float(true != given) * (1 if given == urgency else 50) for given in range(5)]
            for true in range(5)]  # fmt: skip
        assert decided(*even, costs=costs) == UNSURE == 2
    assert decided(0.9, 0.025, 0.025, 0.025, 0.025, costs=EVEN) == 0


def test_doubt_is_the_entropy() -> None:
    assert np.log(NUM_CLASSES) > MAX_DOUBT > np.log(4)
    assert not is_unsure(np.array([0.25, 0.25, 0.25, 0.25, 0]).tolist())
    assert not is_unsure(np.array([0, 0, 0, 0, 1.0]).tolist())
    assert is_unsure(np.full(NUM_CLASSES, 1 / NUM_CLASSES).tolist())
    for share in np.linspace(0, 1, 101):
        row = share / NUM_CLASSES + (1 - share) * np.eye(NUM_CLASSES)[0]
        entropy = -sum(p * np.log(p) for p in row.tolist() if p)
        assert is_unsure(row.tolist()) == (entropy > MAX_DOUBT)


def test_no_rows_no_classes_and_each_row_by_itself() -> None:
    assert decide(np.zeros((0, NUM_CLASSES))) == []
    rows = np.eye(NUM_CLASSES)[[4, 0, 2]]
    assert decide(rows) == [4, 0, 2]
    assert all(type(urgency) is int for urgency in decide(rows))


ROWS = st.lists(st.floats(0.001, 1), min_size=NUM_CLASSES, max_size=NUM_CLASSES)


@given(ROWS)
def test_no_other_class_has_a_lower_expected_cost(parts: list[float]) -> None:
    row = np.array(parts) / sum(parts)
    urgency = decided(*row.tolist())
    expected = [sum(row[true] * COSTS[true][given] for true in range(5)) for given in range(5)]
    assert is_unsure(row.tolist()) or expected[urgency] <= min(expected) + 1e-9


# --- costs -------------------------------------------------------------------------------------


def changed(true: int, given: int, cost: object) -> list[list[object]]:
    rows: list[list[object]] = [list(row) for row in EVEN]
    rows[true][given] = cost
    return rows


SHAPE = "must be 5 lists of 5 numbers"
VALUES = "must be 0 for the right class and above 0 for a wrong one"


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (None, SHAPE),
        ("costs", SHAPE),
        (1, SHAPE),
        ([], SHAPE),
        ({"a": 1}, SHAPE),
        (EVEN[:4], SHAPE),
        ([row[:4] for row in EVEN], SHAPE),
        ([*EVEN[:4], [1.0]], SHAPE),
        ([EVEN], SHAPE),
        (changed(0, 1, "x"), SHAPE),
        (changed(0, 1, None), SHAPE),
        (changed(0, 1, []), SHAPE),
        (changed(0, 1, float("nan")), SHAPE),
        (changed(0, 1, float("inf")), SHAPE),
        (changed(0, 1, 10**400), SHAPE),
        (changed(0, 1, 0), VALUES),
        (changed(0, 1, -1), VALUES),
        (changed(2, 2, 1), VALUES),
        (changed(2, 2, -1), VALUES),
    ],
)
def test_costs_that_cannot_be_used_are_refused(costs: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as raised:
        checked_costs(costs)
    assert "\n" not in str(raised.value)
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(costs), "utf-8")
    with pytest.raises(InputError, match=message) as raised:
        read_costs(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_costs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps([[0 if i == j else i + 2 for j in range(5)] for i in range(5)]))
    costs = read_costs(path)
    assert [costs[4][0], costs[0][4], costs[3][3]] == [6, 2, 0]
    assert checked_costs(costs) == costs


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"[" * 100_000])
def test_a_file_that_holds_no_costs_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_costs(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
