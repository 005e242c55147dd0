"""The words in which vital signs, age and clinical scales are stated, and what they may measure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from semsched.predict.urgency.words import stems_of

MAX_AGE = 120.0


@dataclass(frozen=True, slots=True)
class Sign:
    """A vital sign: what it is called, what it may measure, and which of two values is worse."""

    field: str
    names: frozenset[str]
    low: float
    high: float
    worse: Callable[[float, float], float]


def far_from(normal: float) -> Callable[[float, float], float]:
    """Of two values, which is farther from normal."""
    return lambda a, b: max(a, b, key=lambda value: abs(value - normal))


def _sign(
    field: str, names: str, low: float, high: float, worse: Callable[[float, float], float]
) -> Sign:
    return Sign(field, stems_of(names), low, high, worse)


SIGNS = (
    _sign("systolic", "bp sbp systolic pressure nibp", 20, 300, far_from(125)),
    _sign("heart_rate", "hr pr pulse heart bpm", 10, 320, far_from(80)),
    _sign("respiration", "rr resp respiration respiratory breath", 3, 120, far_from(16)),
    _sign(
        "saturation",
        "spo spo2 sp sao sao2 o2 sat sats saturation saturating oxygen ox",
        30,
        100,
        min,
    ),
    _sign("temperature", "t bt temp temperature tmax fever", 25, 45, far_from(37)),
    _sign("gcs", "gcs glasgow", 3, 15, min),
    _sign("pain", "nrs vas pain", 0, 10, max),
    _sign("age", "age aged", 1, MAX_AGE, lambda first, _second: first),
)
BY_NAME: Mapping[str, Sign] = {name: sign for sign in SIGNS for name in sign.names}

BETWEEN = stems_of(
    ": = - ~ < > ( ) / , of is was at to on the a in by read reading now around about only down up "
    "over under has been just rate level scale score total max dropped fell from beat beating "
    "racing pounding pressure saturation sat room air ra coma very still"
)
"""What may stand between a name and its number."""

DURATIONS = stems_of("l litre min mins minute minutes hour hours hr hrs h day days job times")
"""What follows a number that is no reading: "oxygen 50 l", "I sat 40 minutes"."""

REACH = 6
"""Words after a name in which its number is looked for."""

UNITS: Mapping[str, Sign] = {
    "beat": BY_NAME["bpm"],
    "mmhg": BY_NAME["systolic"],
    **{name: BY_NAME[name] for name in ("bpm", "breath", "systolic")},
}
DEGREES = stems_of("c f \u00b0 \u2103 degrees celsius fahrenheit")
SATURATIONS = stems_of("oxygen sat spo saturation saturating oximeter room ra")
PRESSURES = stems_of("bp pressure nibp mmhg")
AVPU = {
    "v": 12.0, "verbal": 12.0, "voic": 12.0, "p": 8.0, "pain": 8.0, "u": 3.0, "unresponsiv": 3.0
}  # fmt: skip
YEARS = stems_of("yo m f male female man woman boy girl lady gentleman yom yof")
YEAR = stems_of("y year yr yrs")
PARTS = {
    "month": 12.0, "mo": 12.0, "mos": 12.0, "mth": 12.0, "week": 52.0, "wk": 52.0, "wks": 52.0,
    "day": 365.0, "days": 365.0,
}  # fmt: skip
AFTER_NUMBERS = (
    {"/", "over", "out", "%", "fever"} | DEGREES | UNITS.keys() | PARTS.keys() | YEARS | YEAR
)
"""What follows a number that says by itself what it measures."""

OLD = stems_of("old o age aged infant baby newborn m f male female boy girl lady")

SIGN_NAMES = frozenset({*BY_NAME, "avpu"})
"""Words that may state a vital sign."""
