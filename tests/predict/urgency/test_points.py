from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.urgency.points import points
from semsched.predict.urgency.vitals import Vitals

NEWS2 = {
    "respiration": "0:4 6:4 7:3 8:3 9:1 11:1 12:0 20:0 21:2 24:2 25:3 34:3 35:4 90:4",
    "saturation": "50:4 84:4 85:3 91:3 92:2 93:2 94:1 95:1 96:0 100:0",
    "systolic": "40:4 79:4 80:3 90:3 91:2 100:2 101:1 110:1 111:0 219:0 220:3 250:3 251:4",
    "heart_rate": "20:4 35:4 36:3 40:3 41:1 50:1 51:0 90:0 91:1 110:1 111:2 130:2 131:3 150:4",
    "temperature": "31.9:4 32:3 35:3 35.1:1 36:1 36.1:0 38:0 38.1:1 39:1 39.1:2 41.4:2 41.5:4",
    "gcs": "3:4 8:4 9:3 14:3 15:0",
}
"""The table of the score as it is printed, value:points, with 4 for the extremes."""

ADULTS = [
    (field, float(value), int(score))
    for field, row in NEWS2.items()
    for value, score in (cell.split(":") for cell in row.split())
]


def score(field: str, value: float, age: float | None = None) -> int:
    """The points of one vital sign, the only one stated."""
    found = points(Vitals(**{field: value, "age": age}))
    assert set(found) == {field}
    return found[field]


@pytest.mark.parametrize("age", [None, 16.0, 70.0])
@pytest.mark.parametrize(("field", "value", "expected"), ADULTS)
def test_an_adult_has_the_points_of_the_table(
    field: str, value: float, expected: int, age: float | None
) -> None:
    assert score(field, value, age) == expected


@pytest.mark.parametrize(
    ("age", "field", "value", "expected"),
    [
        (0.1, "heart_rate", 180, 0),
        (0.1, "heart_rate", 181, 1),
        (0.1, "heart_rate", 250, 4),
        (0.1, "heart_rate", 59, 4),  # too slow for a baby
        (0.25, "heart_rate", 175, 0),
        (1, "heart_rate", 160, 0),
        (1, "heart_rate", 177, 2),
        (1, "heart_rate", 59, 0),
        (1, "heart_rate", 49, 3),
        (5, "heart_rate", 140, 0),
        (5, "heart_rate", 169, 3),
        (8.5, "heart_rate", 110, 0),
        (15.9, "heart_rate", 149, 4),
        (0.1, "respiration", 50, 0),
        (0.1, "respiration", 9, 4),
        (2, "respiration", 40, 0),
        (2, "respiration", 41, 1),
        (7, "respiration", 30, 0),
        (12, "respiration", 24, 0),
        (12, "respiration", 33, 4),
        (0, "systolic", 75, 0),
        (0, "systolic", 74, 1),
        (0, "systolic", 69, 4),
        (5, "systolic", 85, 0),
        (5, "systolic", 84, 1),
        (5, "systolic", 79, 4),
        (15, "systolic", 95, 0),  # from ten years on the lower limit is 90
        (15, "systolic", 90, 1),
        (15, "systolic", 89, 4),
        (5, "saturation", 91, 3),  # as of an adult
        (5, "temperature", 39.1, 2),
        (5, "gcs", 14, 3),
    ],
)
def test_a_child_has_points_by_its_age(age: float, field: str, value: float, expected: int) -> None:
    assert score(field, value, age) == expected


def test_only_what_is_stated_and_scored_has_points() -> None:
    assert points(Vitals()) == {}
    assert points(Vitals(diastolic=40, pain=10, age=3)) == {}
    assert points(Vitals(systolic=70, saturation=97)) == {"systolic": 4, "saturation": 0}


VALUES = st.none() | st.floats(0, 400)


@given(VALUES, VALUES, VALUES, VALUES, st.none() | st.floats(0, 120))
def test_points_are_whole_numbers_from_0_to_4(
    systolic: float | None,
    heart_rate: float | None,
    respiration: float | None,
    saturation: float | None,
    age: float | None,
) -> None:
    vitals = Vitals(
        systolic=systolic,
        heart_rate=heart_rate,
        respiration=respiration,
        saturation=saturation,
        age=age,
    )
    assert all(type(score) is int and 0 <= score <= 4 for score in points(vitals).values())


@pytest.mark.parametrize("age", [None, 0.1, 1, 5, 12])
@pytest.mark.parametrize(
    ("field", "at_ease", "worst"),
    [
        ("heart_rate", 90, 320),
        ("respiration", 20, 120),
        ("saturation", 100, 30),
        ("systolic", 115, 20),
        ("temperature", 37, 45),
        ("gcs", 15, 3),
    ],
)
def test_further_from_normal_is_never_fewer_points(
    field: str, at_ease: float, worst: float, age: float | None
) -> None:
    steps = [at_ease + (worst - at_ease) * step / 200 for step in range(201)]
    scores = [score(field, value, age) for value in steps]
    assert all(before <= after for before, after in pairwise(scores))
    assert scores[0] == 0
    assert scores[-1] == 4
