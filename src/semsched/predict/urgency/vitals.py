"""Vital signs, age and clinical scales, read from words as numbers.

No embedding and no n-gram can tell a systolic of 78 from one of 178.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from semsched.predict.urgency.sign_words import (
    AFTER_NUMBERS,
    AVPU,
    BETWEEN,
    BY_NAME,
    DEGREES,
    DURATIONS,
    MAX_AGE,
    OLD,
    PARTS,
    PRESSURES,
    REACH,
    SATURATIONS,
    SIGN_NAMES,
    SIGNS,
    UNITS,
    YEAR,
    YEARS,
    Sign,
    far_from,
)
from semsched.predict.urgency.words import Memo


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a text states; None where it states nothing, the worst where it states several.

    Blood pressure in mmHg, rates per minute, saturation in %, temperature in Celsius, pain 0 to
    10, age in years, `gcs` 3 to 15 (a letter of AVPU is turned into one).
    """

    systolic: float | None = None
    diastolic: float | None = None
    heart_rate: float | None = None
    respiration: float | None = None
    saturation: float | None = None
    temperature: float | None = None
    gcs: float | None = None
    pain: float | None = None
    age: float | None = None


NOTHING = Vitals()
"""What most texts state."""


def read_vitals(stems: Sequence[str]) -> Vitals:
    """The vital signs stated in `stems`; what is impossible is not taken for one."""
    found: dict[str, float] = {}
    for field, value in _statements(stems):
        worse = _WORSE[field]
        found[field] = worse(found[field], value) if field in found else value
    return Vitals(**found) if found else NOTHING


_WORSE: Mapping[str, Callable[[float, float], float]] = {
    **{sign.field: sign.worse for sign in SIGNS},
    "diastolic": far_from(75),
}


_TELLING = Memo(lambda stem: stem in BY_NAME or stem[0].isdigit())
"""Whether a word names a sign or is a number."""


def is_telling(stem: str) -> bool:
    """Whether a word may state a vital sign; a text without such a word states none."""
    return stem in SIGN_NAMES or stem[0].isdigit()


def _statements(stems: Sequence[str]) -> Iterator[tuple[str, float]]:
    telling = [at for at, tells in enumerate(_TELLING.of(stems)) if tells]
    for at in telling:
        sign = _sign_at(stems, at)
        if sign is None:
            if _unit_after(stems, at) in AFTER_NUMBERS:
                yield from _by_what_follows(stems, at)
        elif (position := _number_after(stems, at + 1)) is not None:
            yield from _reading(sign, stems, at, position)
    if "p" in stems and "r" in stems:
        yield from _pulse_and_breath(stems)
    if "avpu" in stems:
        yield from _avpu(stems, stems.index("avpu"))
    if "e" in stems and "v" in stems:
        yield from _responses(stems, stems.index("e"))


def _sign_at(stems: Sequence[str], at: int) -> Sign | None:
    """The sign that a telling word names; None for a number."""
    if stems[at] == "2" and stems[at - 1 : at] == ["o"]:
        return BY_NAME["oxygen"]
    return BY_NAME.get(stems[at])


def _unit_after(stems: Sequence[str], at: int) -> str:
    return next((stem for stem in stems[at + 1 : at + 6] if stem != "-"), "")


def _pulse_and_breath(stems: Sequence[str]) -> Iterator[tuple[str, float]]:
    """ "P132 R34": letters that mean this only side by side."""
    found = {name: _after_letter(stems, name) for name in ("p", "r")}
    if found["p"] and found["r"]:
        yield from _within("heart_rate", found["p"], 20, 320)
        yield from _within("respiration", found["r"], 3, 120)


def _after_letter(stems: Sequence[str], letter: str) -> float:
    """The number behind the first such letter; 0 if there is none."""
    follows = stems[stems.index(letter) + 1 :][:1]
    return _number(follows[0]) if follows and follows[0][0].isdigit() else 0.0


def _avpu(stems: Sequence[str], at: int) -> Iterator[tuple[str, float]]:
    nearby = (*stems[at + 1 : at + 4], *stems[max(at - 3, 0) : at])
    yield from (("gcs", AVPU[word]) for word in nearby if word in AVPU)


def _responses(stems: Sequence[str], at: int) -> Iterator[tuple[str, float]]:
    """ "E3V4M5": the sum of the three responses of a GCS."""
    letters, scores = tuple(stems[at : at + 6 : 2]), stems[at + 1 : at + 6 : 2]
    if letters == ("e", "v", "m") and len(scores) == 3:
        yield from _within("gcs", sum(map(_number, scores)), 3, 15)


def _reading(
    sign: Sign, stems: Sequence[str], at: int, position: int
) -> Iterator[tuple[str, float]]:
    """The number at `position`, after the name of a sign; of a blood pressure, both."""
    value = _number(stems[position])
    if sign.field == "temperature":
        value = _celsius(value)
    elif sign.field == "saturation" and 0.3 <= value < 1:
        value *= 100
    follows = stems[position + 1 : position + 3]
    if not sign.low <= value <= sign.high or not _fits(sign, stems[at], follows):
        return
    yield sign.field, value
    if len(follows) == 2 and follows[1][0].isdigit():
        yield from _second(sign, follows[0], _number(follows[1]))


def _second(sign: Sign, between: str, value: float) -> Iterator[tuple[str, float]]:
    """The number after the first: a diastolic pressure, or where a sign went from there."""
    if sign.field == "systolic":
        if between in ("/", "over", "-"):
            yield from _within("diastolic", value, 10, 200)
    elif between in ("to", "-", "then") and sign.field != "age":
        value = _celsius(value) if sign.field == "temperature" else value
        yield from _within(sign.field, value, sign.low, sign.high)


def _fits(sign: Sign, name: str, follows: Sequence[str]) -> bool:
    """Whether the number is a reading: not "pain 3 days", "heart 2 years ago", "oxygen 50 l"."""
    unit = follows[0] if follows else ""
    if sign.field == "pain":
        return name != "pain" or tuple(follows) == ("/", "10") or unit in ("", ".", ",", ";", ")")
    return unit not in PARTS and unit not in YEAR and unit not in DURATIONS


def _number_after(stems: Sequence[str], begin: int) -> int | None:
    for position in range(begin, min(begin + REACH, len(stems))):
        stem = stems[position]
        if stem in ("2", "02") and stems[position - 1] in ("spo", "sp", "o", "sao"):
            continue
        if stem[0].isdigit():
            return position
        if stem not in BETWEEN and stem != "o":
            return None
    return None


def _by_what_follows(stems: Sequence[str], at: int) -> Iterator[tuple[str, float]]:
    """A number that says by what comes after it (AFTER_NUMBERS) what it measures."""
    value = _number(stems[at])
    after = [stem for stem in stems[at + 1 : at + 6] if stem != "-"]
    unit = after[0]
    if unit in ("/", "over") and len(after) > 1:
        yield from _fraction(value, _number(after[1]), stems[max(at - 4, 0) : at + 5])
    elif after[:3] == ["out", "of", "10"]:
        yield from _within("pain", value, 0, 10)
    elif unit == "%" and _of_oxygen(stems[max(at - 4, 0) : at + 5]):
        yield from _within("saturation", value, 30, 100)
    elif unit in UNITS and not _is_second(stems, at):
        sign = UNITS[unit]
        yield from _within(sign.field, value, max(sign.low, 6), sign.high)
    elif unit == "fever":
        yield from _within("temperature", _celsius(value), 37.5, 44)
    elif unit in DEGREES and ("f" not in after[:2] or value > 90):
        yield from _within("temperature", _celsius(value), 34, 44)
    if not _is_temperature(stems[at - 1 : at]) and "." not in stems[at]:
        yield from _age(value, unit, after)


def _is_temperature(before: Sequence[str]) -> bool:
    """Whether the word before a number names a temperature: "T 101 F" is no woman of 101."""
    return bool(before) and BY_NAME.get(before[0], SIGNS[0]).field == "temperature"


def _of_oxygen(around: Sequence[str]) -> bool:
    return not SATURATIONS.isdisjoint(around) or any(
        pair in (("o", "2"), ("sp", "02")) for pair in pairwise(around)
    )


def _is_second(stems: Sequence[str], at: int) -> bool:
    """Whether a number is the lower one of a pressure: 80 of "120/80 mmHg"."""
    return at > 0 and stems[at - 1] in ("/", "over")


def _fraction(value: float, below: float, around: Sequence[str]) -> Iterator[tuple[str, float]]:
    if below == 10:
        yield from _within("pain", value, 0, 10)
    elif below == 15:
        yield from _within("gcs", value, 3, 15)
    elif 50 < value <= 300 and 20 <= below <= 180 and _are_pressures(value, below, around):
        yield from (("systolic", value), ("diastolic", below))


def _are_pressures(value: float, below: float, around: Sequence[str]) -> bool:
    return below < value or not PRESSURES.isdisjoint(around)


def _age(value: float, unit: str, after: Sequence[str]) -> Iterator[tuple[str, float]]:
    old = not OLD.isdisjoint(after[1:4])
    if unit in PARTS and old:
        yield from _within("age", value / PARTS[unit], 0, 3)
    elif (unit in YEARS and not _counts(after[1:2])) or (unit in YEAR and old):
        yield from _within("age", value, 0, MAX_AGE)


def _counts(follows: Sequence[str]) -> bool:
    """Whether a number follows: "V4M5" states responses, no age."""
    return bool(follows) and follows[0][0].isdigit()


def _within(field: str, value: float, low: float, high: float) -> Iterator[tuple[str, float]]:
    if low <= value <= high:
        yield field, value


def _number(word: str) -> float:
    """The value of a word that begins with a digit; 0 if it is no number, such as "2x"."""
    try:
        return float(word[:8].replace(",", ".").replace("\u00b7", "."))
    except ValueError:
        return 0.0


def _celsius(value: float) -> float:
    return (value - 32) / 1.8 if 80 < value < 115 else value
