from dataclasses import asdict, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.urgency.sign_words import SIGNS
from semsched.predict.urgency.vitals import Vitals, read_vitals
from semsched.predict.urgency.words import read_words, stem

LIMITS = {
    **{sign.field: (sign.low, sign.high) for sign in SIGNS},
    "age": (0, 120),
    "diastolic": (10, 200),
}


def stated(text: str) -> dict[str, float]:
    """The vital signs that `text` states, by field."""
    vitals = asdict(read_vitals(read_words(text).stems))
    return {name: value for name, value in vitals.items() if value is not None}


@pytest.mark.parametrize(
    ("text", "systolic", "diastolic"),
    [
        ("BP 80/40", 80, 40),
        ("BP120/80", 120, 80),
        ("bp: 120 / 80", 120, 80),
        ("bp-90/60", 90, 60),
        ("BP is 82 over 45", 82, 45),
        ("her blood pressure was only 85/50", 85, 50),
        ("NIBP 210/130 mmHg", 210, 130),
        ("118/76", 118, 76),
        ("BP 60/90", 60, 90),  # written the wrong way round, but named
    ],
)
def test_a_blood_pressure_is_two_numbers(text: str, systolic: float, diastolic: float) -> None:
    assert stated(text) == {"systolic": systolic, "diastolic": diastolic}


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("SBP 78", "systolic", 78),
        ("systolic of 90", "systolic", 90),
        ("78 systolic", "systolic", 78),
        ("140 mmHg", "systolic", 140),
        ("bp 120 80", "systolic", 120),
        ("HR 130", "heart_rate", 130),
        ("HR130", "heart_rate", 130),
        ("HR=130", "heart_rate", 130),
        ("hr 120s", "heart_rate", 120),
        ("heart rate of 38", "heart_rate", 38),
        ("pulse is 42", "heart_rate", 42),
        ("pr 110", "heart_rate", 110),
        ("120 bpm", "heart_rate", 120),
        ("160 beats per minute", "heart_rate", 160),
        ("RR 32", "respiration", 32),
        ("resp rate 8", "respiration", 8),
        ("respirations 28", "respiration", 28),
        ("28 breaths a minute", "respiration", 28),
        ("SpO2 84%", "saturation", 84),
        ("spo2: 84 % on RA", "saturation", 84),
        ("SPO2-88", "saturation", 88),
        ("O2 sat 91%", "saturation", 91),
        ("sats 88% on 2L", "saturation", 88),
        ("sats in room air 79", "saturation", 79),
        ("oxygen is 85", "saturation", 85),
        ("SaO2 0.9", "saturation", 90),
        ("temp 39.4", "temperature", 39.4),
        ("Temp 38.5C", "temperature", 38.5),
        ("T38.5", "temperature", 38.5),
        ("T: 39.0\u00b0C", "temperature", 39),
        ("39,5 \u00b0C", "temperature", 39.5),
        ("fever of 40", "temperature", 40),
        ("feverish, 40 degrees", "temperature", 40),
        ("temperature of 104", "temperature", 40),
        ("104 fahrenheit", "temperature", 40),
        ("temp \u0663\u0668", "temperature", 38),
        ("GCS 8", "gcs", 8),
        ("GCS: 7/15", "gcs", 7),
        ("14/15", "gcs", 14),
        ("glasgow coma scale 9", "gcs", 9),
        ("AVPU: V", "gcs", 12),
        ("P on AVPU", "gcs", 8),
        ("responds to pain on AVPU", "gcs", 8),
        ("pain 8", "pain", 8),
        ("pain 8/10", "pain", 8),
        ("8/10 pain", "pain", 8),
        ("pain is 9 out of 10", "pain", 9),
        ("NRS 7", "pain", 7),
        ("VAS: 0 at rest", "pain", 0),
        ("72M", "age", 72),
        ("34F with rash", "age", 34),
        ("72yo", "age", 72),
        ("72 y/o", "age", 72),
        ("72 y.o.", "age", 72),
        ("34-year-old woman", "age", 34),
        ("34 years old", "age", 34),
        ("aged 60", "age", 60),
        ("age: 45", "age", 45),
        ("3-month-old", "age", 3 / 12),
        ("6 week old baby", "age", 6 / 52),
        ("10 day old infant", "age", 10 / 365),
        ("my boy, 6 months, boy", "age", 0.5),
    ],
)
def test_a_notation_of_one_sign_is_read(text: str, field: str, value: float) -> None:
    assert stated(text) == {field: pytest.approx(value)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no numbers here",
        "open 24/7",
        "3/4 cup of flour",
        "the 2020/21 season",
        "12/10 would eat again",
        "call 911",
        "50% off",
        "100% sure",
        "Route 66",
        "36.6",
        "60/90",
        "hr department 40 people",
        "24 hr pharmacy",
        "pain 3 days",
        "pain 8 for days",
        "pain since 4 am",
        "heart 2 years ago",
        "oxygen 5 l",
        "oxygen 50 l",
        "90 degrees to the left",
        "3 months pregnant",
        "2 weeks ago",
        "2 day history",
        "blood sugar 34",
        "temp",
        "BP /",
        "he is on avpu",
        "pulse felt at 60",  # a word between that says nothing
    ],
)
def test_other_numbers_are_no_vital_signs(text: str) -> None:
    assert stated(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "BP 400/200",
        "BP 0/0",
        "HR 5",
        "HR 400",
        "1,200 bpm",
        "RR 2",
        "RR 300",
        "SpO2 12",
        "SpO2 150",
        "temp 20",
        "temp 60",
        "GCS 2",
        "GCS 20",
        "pain 15",
        "11 out of 10",
        "age 150",
        "150M",
        "40 month old",
        "HR 99999999999999999999",
    ],
)
def test_what_is_impossible_is_not_taken_for_a_vital_sign(text: str) -> None:
    assert stated(text) == {}


def test_a_pressure_keeps_its_upper_value_where_the_lower_is_impossible() -> None:
    assert stated("BP 120/5") == {"systolic": 120}
    assert stated("BP 280/200") == {"systolic": 280, "diastolic": 200}
    assert stated("BP 280/201") == {"systolic": 280}


def test_a_number_is_looked_for_within_six_words() -> None:
    assert stated("HR is now down to about 60") == {"heart_rate": 60}
    assert stated("HR is now down to about only 60") == {}


@pytest.mark.parametrize(
    ("text", "worst"),
    [
        ("BP 120/80, later BP 70/40", {"systolic": 70, "diastolic": 40}),
        ("BP 230/130. BP 120/80", {"systolic": 230, "diastolic": 130}),
        ("HR 80, HR 150", {"heart_rate": 150}),
        ("HR 38, HR 90", {"heart_rate": 38}),
        ("RR 16, RR 6", {"respiration": 6}),
        ("sats 97, sats 82, sats 90", {"saturation": 82}),
        ("T 36.5, T 40.1", {"temperature": 40.1}),
        ("T 31, T 38", {"temperature": 31}),
        ("GCS 15, GCS 9", {"gcs": 9}),
        ("pain 3/10, now 9/10", {"pain": 9}),
        ("30F hit by a car of a 64M", {"age": 30}),  # whom it is about comes first
    ],
)
def test_of_several_values_the_worst_counts_and_of_ages_the_first(
    text: str, worst: dict[str, float]
) -> None:
    assert stated(text) == worst


def test_a_triage_note_is_read_whole() -> None:
    note = "72M, BP 84/50 HR 128 RR 30 SpO2 86% RA T 39.1 GCS 13 pain 7/10"
    assert read_vitals(read_words(note).stems) == Vitals(84, 50, 128, 30, 86, 39.1, 13, 7, 72)


def test_names_are_stems_so_that_a_word_can_be_one() -> None:
    names = {name for sign in SIGNS for name in sign.names}
    assert {name for name in names if stem(name) not in names} == set()


TOKENS = st.sampled_from(
    [name for sign in SIGNS for name in sorted(sign.names)]
    + "/ over out of 10 15 % - . , : 2 avpu v p u year month day old m f yo c mmhg bpm l x".split()
    + ["\u00b2x", "\u0663\u0668", "\u00bd", "99999999999", "0.5", "38,5"]
)


@given(st.lists(TOKENS | st.integers(0, 500).map(str) | st.floats(0, 120).map("{:.1f}".format)))
def test_whatever_stands_together_values_are_within_their_limits(tokens: list[str]) -> None:
    for field, value in stated(" ".join(tokens)).items():
        low, high = LIMITS[field]
        assert low <= value <= high


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_can_be_read(text: str) -> None:
    assert set(stated(text)) <= {field.name for field in fields(Vitals)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BP 120/80 mmHg", Vitals(systolic=120, diastolic=80)),
        ("BP 130/85mmHg", Vitals(systolic=130, diastolic=85)),
        ("90 over 60 mmHg", Vitals(systolic=90, diastolic=60)),
        ("140 mmHg", Vitals(systolic=140)),
        ("BP: 80-40", Vitals(systolic=80, diastolic=40)),
        ("P132 R34", Vitals(heart_rate=132, respiration=34)),
        ("O2: 82", Vitals(saturation=82)),
        ("O2 88%", Vitals(saturation=88)),
        ("Sp02 88%", Vitals(saturation=88)),
        ("SpO\u2082 84%", Vitals(saturation=84)),
        ("39.5 fever", Vitals(temperature=39.5)),
        ("T 36\u00b78", Vitals(temperature=36.8)),
        ("E1V1M1", Vitals(gcs=3)),
        ("GCS: E2V2M4 = 8", Vitals(gcs=8)),
        ("GCS dropped from 14 to 6", Vitals(gcs=6)),
        ("HR 160-170", Vitals(heart_rate=170)),
        ("GCS E4V5M6, 72M", Vitals(gcs=15, age=72)),
        ("I sat 40 minutes waiting", Vitals()),
        ("5/12/2024", Vitals()),
    ],
)
def test_notations_met_in_the_wild(text: str, expected: Vitals) -> None:
    assert read_vitals(read_words(text).stems) == expected
