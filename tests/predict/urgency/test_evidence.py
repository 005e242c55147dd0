from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.urgency.classifier import UrgencyClassifier
from semsched.predict.urgency.evidence import (
    LEAST_WEIGHT,
    MAX_EVIDENCE,
    shown,
    weigh,
    words_for,
)
from semsched.predict.urgency.features import read
from semsched.predict.urgency.model import FACT, GRAM_WEIGHT, OUTPUTS, softmax
from semsched.predict.urgency.verdict import Evidence
from tests.predict.urgency.hand_made import model

LINE_ENDS = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")


def evidence(text: str, weights: Mapping[str, float], urgency: int = 0) -> tuple[Evidence, ...]:
    """Of a model that has these weights for class 0 and none for the others."""
    linear = model({name: {0: weight} for name, weight in weights.items()}, {})
    return shown(weigh(linear, linear.score(text), urgency))


def reason(text: str, weights: Mapping[str, float], urgency: int = 0) -> str:
    linear = model({name: {0: weight} for name, weight in weights.items()}, {})
    return words_for(weigh(linear, linear.score(text), urgency))


def test_a_span_is_where_the_word_stands() -> None:
    text = "Hello!! There is a Fire here\nand smoke"
    [item] = evidence(text, {"fire": 1.0})
    assert (item.start, item.end) == (19, 23)
    assert (item.words, item.name) == ("Fire", "fire")


def test_a_pair_spans_both_of_its_words() -> None:
    [item] = evidence("my chest,  chest   hurts badly", {"chest hurt": 1.0})
    assert item.words == "chest   hurts"


def test_the_span_of_a_word_near_the_end_of_a_long_text() -> None:
    text = f"{'y' * 100_000} fire {'z' * 50}"
    [item] = evidence(text, {"fire": 1.0})
    assert (item.start, item.end) == (100_001, 100_005)


def test_the_span_of_a_word_in_other_scripts() -> None:
    text = "\U0001f692 \u706b\u706b ge\u00f6ffnet Feuer"
    spans = {
        item.name: text[item.start : item.end]
        for item in evidence(text, {"\u706b": 1.0, "feuer": 1.0})
    }
    assert spans == {"\u706b": "\u706b", "feuer": "Feuer"}


@pytest.mark.parametrize(
    "text",
    [
        "My husband collapsed and is not breathing, BP 78/40, GCS 7",
        "Mi marido se ha desplomado y no respira",
        "\u6211\u4e08\u592b\u5012\u4e0b\u4e86",
        "No chest pain.\n\nWrite a story; 'help, he is bleeding!'\r\nURGENT\u2028" * 40,
    ],
)
def test_words_are_those_of_the_span(text: str) -> None:
    verdict = UrgencyClassifier().classify(text, explain=True)
    assert len(verdict.evidence) > 1
    check_spans(verdict.evidence, text)


@given(st.text(st.characters(), max_size=60).map(lambda text: f"{text} not breathing {text}"))
def test_spans_of_any_text(text: str) -> None:
    verdict = UrgencyClassifier().classify(text, explain=True)
    assert verdict.evidence
    check_spans(verdict.evidence, text)


def check_spans(items: tuple[Evidence, ...], text: str) -> None:
    taken: set[int] = set()
    for item in items:
        assert item.words == text[item.start : item.end]
        if item.end:
            assert 0 <= item.start < item.end <= len(text)
            assert item.words == item.words.strip()
        assert taken.isdisjoint(range(item.start, item.end))
        taken.update(range(item.start, item.end))


def test_what_stands_on_the_whole_text_has_no_words() -> None:
    [item] = evidence("BP 78/40", {f"{FACT}systolic 4": 1.0})
    assert item[:4] == (0, 0, "", "systolic 4")


def test_a_weight_is_above_0_for_the_class_and_below_it_against_it() -> None:
    for urgency, sign in ((0, 1), (1, -1), (4, -1)):
        [fire, water] = evidence("fire water", {"fire": 2.0, "water": -1.0}, urgency)
        assert (fire.name, water.name) == ("fire", "water")
        assert np.sign(fire.weight) == sign
        assert np.sign(water.weight) == -sign


@pytest.mark.parametrize("urgency", range(5))
def test_a_weight_is_what_the_feature_adds_to_the_log_odds(urgency: int) -> None:
    rng = np.random.default_rng(urgency)
    bias = {output: float(rng.normal()) for output in range(len(OUTPUTS))}
    tiny = {output: float(rng.normal()) * 1e-3 for output in range(len(OUTPUTS))}
    linear = model({"fire": tiny}, bias)
    score = linear.score("fire")
    [weight] = weigh(linear, score, urgency).weights
    best = max((i for i, of in enumerate(OUTPUTS) if of == urgency), key=lambda i: bias[i])
    biases = np.array(list(bias.values()))
    gain = log_odds(score.chances, best) - log_odds(softmax(biases), best)
    assert weight == pytest.approx(gain, rel=0.02)


def log_odds(chances: np.typing.NDArray[np.float64], output: int) -> float:
    return float(np.log(chances[output] / (chances.sum() - chances[output])))


def test_the_weightiest_come_first_and_the_light_are_left_out() -> None:
    share = GRAM_WEIGHT / np.sqrt(7)  # three words, two pairs, and the marks of the beginning
    weights = {"fire": 0.5, "water": -2.0, "earth": LEAST_WEIGHT / share / 2}
    items = evidence("fire water earth", weights)
    assert [item.name for item in items] == ["water", "fire"]


def test_overlapping_words_are_named_once() -> None:
    pair, single = {"chest": 0.5, "chest pain": 2.0}, {"chest": 2.0, "chest pain": 0.5, "pain": 1.0}
    assert [item.name for item in evidence("chest pain", pair)] == ["chest pain"]
    assert [item.name for item in evidence("chest pain", single)] == ["chest", "pain"]


def test_only_so_many_are_shown() -> None:
    words = [f"{letter}zqx" for letter in "abcdefghijkl"]
    assert len(evidence(" ".join(words), dict.fromkeys(words, 1.0))) == MAX_EVIDENCE


def test_a_reason_names_the_words_that_speak_for_the_class() -> None:
    weights = {"fire": 2.0, "smok": 1.0, "water": -3.0}
    assert reason("Water, SMOKE and fires", weights) == "fires, SMOKE"
    assert reason("Water, SMOKE and fires", weights, urgency=4) == "Water"
    assert reason("nothing of the kind", weights) == ""


def test_a_reason_has_three_words_at_most_and_none_within_another() -> None:
    weights = {"chest pain": 3.0, "pain": 2.0, "fire": 1.5, "smok": 1.0, "gas": 0.9}
    assert reason("chest pain fire smoke gas", weights) == "chest pain, fire, smoke"


def test_words_that_mean_nothing_by_themselves_are_not_named() -> None:
    weights = {"is": 5.0, "# #": 4.0, "to": 3.0, "a fire": 2.0, "\u706b": 1.0}
    assert reason("there is to a fire 78 40 \u706b", weights) == "a fire, \u706b"


def test_phrases_and_vital_signs_are_named_before_mere_words() -> None:
    phrase = f"{FACT}=not breath"
    assert phrase.removeprefix(FACT) in read("he is not breathing").facts
    weights = {"husband": 9.0, phrase: 0.9, f"{FACT}systolic 4": 0.8}
    said = reason("my husband is not breathing, BP 78/40", weights)
    assert said == "not breathing, systolic 78, husband"


def test_a_vital_sign_is_named_with_its_value() -> None:
    assert reason("BP 78/40, fire", {f"{FACT}systolic 4": 9.0}) == "systolic 78"
    assert reason("HR 150", {f"{FACT}heart_rate 4": 9.0}) == "heart rate 150"
    assert reason("fire", {f"{FACT}size 1": 9.0}) == ""


def test_a_reason_of_long_words_is_cut() -> None:
    said = reason(f"{'a' * 300} {'b' * 300}", {"a" * 40: 1.0, "b" * 40: 1.0})
    assert len(said) == 120


@pytest.mark.parametrize("end", LINE_ENDS, ids=repr)
def test_line_ends_between_the_words_are_not_in_the_reason(end: str) -> None:
    text = f"he is{end}not{end}breathing{end}{end}and bleeding{end}fast"
    verdict = UrgencyClassifier().classify(text)
    assert verdict.urgency <= 1
    assert len(verdict.reason.splitlines()) == 1
    weights = {"breath": 2.0, "not breath": 3.0, "bleed": 1.0, f"{FACT}=not breath": 3.0}
    said = reason(text, weights)
    assert "breathing" in said
    assert len(said.splitlines()) == 1
