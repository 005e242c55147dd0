"""How bad vital signs are: points as an early-warning score gives them, children by their age.

Adults: the National Early Warning Score (Royal College of Physicians, "NEWS2", 2017). Children:
the upper limits at which the Emergency Severity Index (handbook, 4th edition, 2012) asks for a
more urgent level, and the lower limit of systolic pressure 70 + 2 * age of paediatric life
support. Used to classify text, not to treat anybody.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from semsched.predict.urgency.vitals import Vitals

ADULT = 16.0

Scale = tuple[Sequence[float], Sequence[int]]

_NEWS2: Mapping[str, Scale] = {
    "respiration": ((8, 11, 20, 24), (3, 1, 0, 2, 3)),
    "saturation": ((91, 93, 95), (3, 2, 1, 0)),
    "systolic": ((90, 100, 110, 219), (3, 2, 1, 0, 3)),
    "heart_rate": ((40, 50, 90, 110, 130), (3, 1, 0, 1, 2, 3)),
    "temperature": ((35.0, 36.0, 38.0, 39.0), (3, 1, 0, 1, 2)),
    "gcs": ((8, 14), (3, 3, 0)),
}
"""Upper ends of the ranges (inclusive) and the points of each range."""

_EXTREME: Mapping[str, tuple[float, float]] = {
    "respiration": (6, 34),
    "saturation": (84, 101),
    "systolic": (79, 250),
    "heart_rate": (35, 149),
    "temperature": (31.9, 41.4),
    "gcs": (8, 16),
}
"""Beyond these an adult is likely to need help within minutes."""

_CHILD_LIMITS = ((0.25, 180, 50), (3, 160, 40), (8, 140, 30), (ADULT, 110, 24))
"""Up to which age (years): highest heart rate and respiration of a child at ease."""


def points(vitals: Vitals) -> dict[str, int]:
    """0 (normal) to 4 (extreme) points of each vital sign that is stated, by its field."""
    if vitals.age is not None and vitals.age < ADULT:
        return {**_adult(vitals), **_child(vitals, vitals.age)}
    return _adult(vitals)


def _adult(vitals: Vitals) -> dict[str, int]:
    found = {}
    for field, (ends, scores) in _NEWS2.items():
        value = getattr(vitals, field)
        if value is not None:
            low, high = _EXTREME[field]
            found[field] = 4 if not low < value <= high else scores[bisect_left(ends, value)]
    return found


def _child(vitals: Vitals, age: float) -> dict[str, int]:
    heart_rate, respiration = next(
        (heart, breath) for oldest, heart, breath in _CHILD_LIMITS if age <= oldest
    )
    found = {}
    if vitals.heart_rate is not None:
        slow = 4 if vitals.heart_rate < 60 and age < 1 else 3 if vitals.heart_rate < 50 else 0
        found["heart_rate"] = max(_above(vitals.heart_rate, heart_rate), slow)
    if vitals.respiration is not None:
        slow = 4 if vitals.respiration < 10 else 0
        found["respiration"] = max(_above(vitals.respiration, respiration), slow)
    if vitals.systolic is not None:
        least = 70 + 2 * min(age, 10)
        found["systolic"] = (vitals.systolic < least + 5) + 3 * (vitals.systolic < least)
    return found


def _above(value: float, limit: float) -> int:
    return (value > limit) + (value > 1.1 * limit) + (value > 1.2 * limit) + (value > 1.35 * limit)
