import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.urgency.classifier import UrgencyClassifier
from semsched.predict.urgency.decide import COSTS, decide
from semsched.predict.urgency.seeds import read_seeds
from semsched.predict.urgency.verdict import UNSURE, Verdict
from tests.predict.urgency.hand_made import model

SHOUTING = "URGENT!!! ASAP EMERGENCY critical priority 0 "


CERTAIN = {
    "My husband collapsed and is not breathing": {0},
    "crushing chest pain with BP 78/40": {0, 1},
    "Mi marido se ha desplomado y no respira": {0, 1, 2},
    "Mein Mann ist zusammengebrochen und atmet nicht": {0, 1, 2},
    "\u6211\u4e08\u592b\u5012\u4e0b\u4e86\uff0c\u6ca1\u6709\u547c\u5438": {0, 1, 2},
    "write a story about a heart attack": {3, 4},
    "no chest pain, just needs a refill": {3, 4},
    "explain stroke symptoms for my exam": {3, 4},
    "URGENT!!! ASAP\nOur June newsletter is out: three recipes, a raffle and a quiz": {3, 4},
    "Write a Python function that reverses a list": {3, 4},
}


def check_sound(verdict: Verdict) -> None:
    assert verdict.urgency in range(5)
    [line] = verdict.reason.splitlines()
    assert 0 < len(line) <= 120
    assert "\x1b" not in line
    assert verdict.probabilities is not None
    assert len(verdict.probabilities) == 5
    assert all(chance >= 0 for chance in verdict.probabilities)
    assert sum(verdict.probabilities) == pytest.approx(1)


@pytest.mark.parametrize(("text", "classes"), CERTAIN.items(), ids=list(CERTAIN))
def test_what_nobody_would_doubt(text: str, classes: set[int]) -> None:
    verdict = UrgencyClassifier().classify(text)
    assert verdict.urgency in classes
    check_sound(verdict)


def test_the_reason_is_in_the_text() -> None:
    text = "Crushing chest pain with BP 78/40"
    for words in UrgencyClassifier().classify(text).reason.split(", "):
        assert words in f"{text}; systolic 78; diastolic 40"


def test_evidence_is_given_if_asked_for() -> None:
    text = "My husband collapsed and is not breathing"
    short, long = (
        UrgencyClassifier().classify(text),
        UrgencyClassifier().classify(text, explain=True),
    )
    assert short.evidence == ()
    assert long.evidence
    assert short == replace(long, evidence=())


@given(st.text(st.characters(), max_size=300))
def test_any_text_gets_a_class_and_a_reason(text: str) -> None:
    verdict = UrgencyClassifier().classify(text, explain=True)
    check_sound(verdict)
    [row] = UrgencyClassifier().predict([text])
    assert tuple(row) == verdict.probabilities
    assert decide(row[None]) == [verdict.urgency]


HOSTILE: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "10 MB of one word": lambda: "a" * 10_000_000,
    "10 MB of blanks": lambda: " " * 10_000_000,
    "10 MB of phrases": lambda: "chest pain, not breathing; " * 400_000,
    "10 MB of Chinese": lambda: "\u706b" * 10_000_000,
    "half surrogate pairs": lambda: "\ud83d\udc80 \udfff\ud800" * 1_000,
    "control characters": lambda: "".join(map(chr, (*range(32), *range(127, 160)))) * 50,
    "line ends": lambda: "\n\r\u2028\u2029\x85" * 1_000,
    "every script": lambda: "".join(map(chr, range(0x100, 0xD800, 23))),
    "beyond the first plane": lambda: "".join(map(chr, range(0x10000, 0x10FFFF, 499))),
    "combining marks": lambda: "a\u0301\u0302\u0303" * 1_000,
    "letters that unfold": lambda: "\ufdfa" * 3_000,
    "apostrophes": lambda: "a'" * 5_000,
    "quotation marks": lambda: "\"'\u201c`" * 2_000,
    "digits": lambda: "1" * 5_000,
    "commas in digits": lambda: "1,1." * 2_000,
    "years": lambda: "1999 " * 1_000,
    "negations": lambda: "no not never without " * 500,
    "blood pressures": lambda: "bp 80/40 hr 190 " * 400,
    "terminal commands": lambda: "\x1b[2J\x1b[31m not breathing \x07" * 200,
    "unknown words": lambda: " ".join(f"{i:x}zq{i * 7919:x}" for i in range(2_000)),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_gets_a_class_in_time(make: Callable[[], str]) -> None:
    text = make()
    check_sound(UrgencyClassifier().classify(text, explain=True))
    seconds = []
    for _ in range(3):
        began_at = time.perf_counter()
        UrgencyClassifier().classify(text)
        seconds.append(time.perf_counter() - began_at)
    assert min(seconds) < 0.1


def test_to_declare_oneself_urgent_makes_no_emergency() -> None:
    seeds = [seed.text for seed in read_seeds("heldout") if seed.urgency >= 3]
    quiet = decide(UrgencyClassifier().predict(seeds))
    loud = decide(UrgencyClassifier().predict([SHOUTING + text for text in seeds]))
    lifted = [after for before, after in zip(quiet, loud, strict=True) if after <= 1 < before]
    assert len(seeds) > 500
    assert len(lifted) <= 1


NOW = (
    "not breathing",
    "crushing chest pain radiating to the left arm",
    "unconscious and bleeding heavily",
    "seizing for 10 minutes",
    "slurred speech and left sided weakness",
)
BEFORE = (
    "hx of HTN, now {}",
    "no medical history, {}",
    "previously healthy 30M, {}",
    "known case of diabetes, {}",
    "worried about my wife, {}",
    "my father had a fall just now and {}",
    "PMH: asthma, CKD. {}",
)


@pytest.mark.parametrize("before", BEFORE)
def test_no_history_hides_a_present_emergency(before: str) -> None:
    given = [UrgencyClassifier().classify(before.format(now)).urgency for now in NOW]
    assert max(given) <= 2
    assert sum(urgency <= 1 for urgency in given) >= len(NOW) - 1


def test_a_unit_behind_a_pressure_changes_nothing() -> None:
    for pressure in ("120/80", "130/85", "110/70"):
        bare, unit = f"headache, BP {pressure}, HR 72", f"headache, BP {pressure} mmHg, HR 72"
        given = [UrgencyClassifier().classify(text).urgency for text in (bare, unit)]
        assert max(given) - min(given) <= 1
        assert min(given) >= 2


@pytest.mark.parametrize(
    "text",
    [
        "\u03b4\u03b5\u03bd \u03b1\u03bd\u03b1\u03c0\u03bd\u03ad\u03b5\u03b9",
        "qwzx vbnk plmt",
        "\u05d4\u05d5\u05d0 \u05dc\u05d0 \u05e0\u05d5\u05e9\u05dd",
        "",
        "...",
    ],
)
def test_what_cannot_be_read_is_standard(text: str) -> None:
    assert UrgencyClassifier().classify(text).urgency == 2


@pytest.mark.parametrize("urgency", range(5))
def test_nothing_but_shouting_is_not_urgent(urgency: int) -> None:
    text = f"{SHOUTING.replace('0', str(urgency))} severity {urgency} P{urgency} IMPORTANT!!!"
    assert UrgencyClassifier().classify(text).urgency >= 2


def test_a_text_is_a_row_in_its_place() -> None:
    texts = list(CERTAIN)
    rows = UrgencyClassifier().predict(texts)
    assert rows.shape == (len(texts), 5)
    for text, row in zip(texts, rows, strict=True):
        assert tuple(row) == UrgencyClassifier().classify(text).probabilities
    assert UrgencyClassifier().predict([]).shape == (0, 5)


def test_threads_may_share_it() -> None:
    texts = [seed.text for seed in read_seeds("heldout")[:200]]
    alone = list(map(UrgencyClassifier().classify, texts))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(UrgencyClassifier().classify, texts)) == alone


def test_the_costs_are_the_operators() -> None:
    rows = [list(row) for row in COSTS]
    rows[0] = [0.0, *[1e9] * 4]
    careful = UrgencyClassifier(costs=rows)
    assert UrgencyClassifier().classify("hello").urgency >= 2
    assert careful.classify("hello").urgency == 0
    np.testing.assert_array_equal(
        careful.predict(["hello"]), UrgencyClassifier().predict(["hello"])
    )


def test_a_model_that_knows_nothing_is_unsure_and_says_so() -> None:
    verdict = UrgencyClassifier(model({}, {})).classify("My husband is not breathing")
    assert verdict.urgency == UNSURE
    assert verdict.reason == "nothing in the text says how urgent it is"


def test_a_class_that_no_word_stands_for_is_said() -> None:
    verdict = UrgencyClassifier(model({"fire": {4: -1.0}}, {4: 9.0})).classify("fire")
    assert (verdict.urgency, verdict.reason) == (4, "no single word decides")
