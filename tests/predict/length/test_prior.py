import numpy as np
import pytest

from semsched.predict.length.features import LEXICAL
from semsched.predict.length.prior import COEFFICIENTS, prior_lengths


def test_each_coefficient_weighs_a_number_that_exists() -> None:
    assert set(COEFFICIENTS) <= set(LEXICAL)


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [
        ("Is the earth flat? Yes or no.", "Is the earth flat?"),
        ("What is the capital of Peru?", "Write a detailed report on the economy of Peru"),
        ("Explain inflation briefly", "Explain inflation in detail"),
        ("Explain inflation in 20 words", "Explain inflation in 2000 words"),
        ("Write a regex for dates", "Build a complete web application with a database"),
        ("How many feet are in 3 miles?", "How do I build a deck?"),
        ("Translate: good morning", "Translate: " + "the quick brown fox jumps " * 100),
        ("five ideas for lunch", "80 ideas for lunch"),
    ],
)
def test_the_shorter_ask_gets_the_shorter_answer(shorter: str, longer: str) -> None:
    believed = prior_lengths([shorter, longer])
    assert believed.p50[0] < 0.9 * believed.p50[1]


def test_an_asked_length_is_near_and_narrow() -> None:
    believed = prior_lengths(["Write an essay of about 1000 words on rivers", "Tell me of rivers"])
    assert 1000 < believed.p50[0] < 1900
    width = believed.p90 / believed.p50
    assert width[0] < width[1]


def test_max_output_tokens_is_a_cap() -> None:
    believed = prior_lengths(["Write a long essay"] * 3, [None, 700, 20])
    assert believed.p90[0] > 700
    assert believed.p90[1:].tolist() == [700, 20]
    assert believed.p50[2] == 20


def test_no_text_is_no_trouble() -> None:
    assert prior_lengths([]).p50.shape == (0,)
    assert np.isfinite(prior_lengths([""]).p90).all()
