import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from semsched.predict.length.compiled import Compiled
from semsched.predict.length.ngrams import ngrams
from semsched.predict.length.online import LengthPredictor, encode
from semsched.predict.length.prompt import MAX_EDGE, read_prompt
from semsched.workload import read_texts

ORDINARY = read_texts("triage").text
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates, too


def taught() -> LengthPredictor:
    predictor = LengthPredictor()
    for i, text in enumerate(ORDINARY[:100]):
        predictor.observe(text, 1 + 7 * i, truncated=i % 9 == 0)
    return predictor


@pytest.fixture(scope="module")
def plain() -> LengthPredictor:
    return taught()


@pytest.fixture(scope="module")
def compiled() -> LengthPredictor:
    predictor = taught()
    predictor.compile()
    return predictor


@pytest.fixture(scope="module")
def code() -> Compiled:
    return Compiled()


def check(text: str, code: Compiled, plain: LengthPredictor) -> None:
    """Compiled is what numpy says: n-grams to the bit, logarithms up to rounding."""
    asked = read_prompt(text).asked
    np.testing.assert_array_equal(code.ngrams(asked), ngrams(asked))
    learner = plain.learners[""]
    said = code.logs(learner, text)
    assert said == pytest.approx(learner.logs(encode(text)), rel=0, abs=1e-12)


@given(ANY_TEXT)
@example("")
@example("\ud800")
@example("\ud83d\ude00 \U0001f600 \x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff")
@example("\u0130stanbul \u2028 a\u0301 \u6f22\u5b57\u304b\u306a 50\u5b57")
def test_any_text_is_believed_alike(code: Compiled, plain: LengthPredictor, text: str) -> None:
    check(text, code, plain)


@pytest.mark.parametrize(
    "piece",
    ["a", "a ", "\u6f22", "\U0001f600 x", "\ud800x ", "one two three ", "x" * 179 + " ", "\u0130 "],
)
def test_huge_texts_are_believed_alike(code: Compiled, plain: LengthPredictor, piece: str) -> None:
    check(piece * (3 * MAX_EDGE // len(piece)), code, plain)


def test_as_many_ngrams_as_there_can_be_are_found(code: Compiled, plain: LengthPredictor) -> None:
    rng = np.random.default_rng(0)
    words = ["".join(map(chr, rng.integers(0x400, 0x4FF, size=15))) for _ in range(300)]
    check(" ".join(words), code, plain)


def test_ordinary_prompts_are_believed_alike(code: Compiled, plain: LengthPredictor) -> None:
    for text in ORDINARY:
        check(text, code, plain)


def test_a_compiled_predictor_believes_and_learns_the_same(
    compiled: LengthPredictor, plain: LengthPredictor
) -> None:
    np.testing.assert_allclose(
        compiled.predict(ORDINARY), plain.predict(ORDINARY), rtol=1e-12, atol=0
    )
    ours, theirs = taught(), taught()
    ours.compile()
    for text in ORDINARY[100:150]:
        ours.observe(text, 300)
        theirs.observe(text, 300)
    for one, other in zip(
        (ours.learners[""].middle, ours.learners[""].spread),
        (theirs.learners[""].middle, theirs.learners[""].spread),
        strict=True,
    ):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.squares, other.squares)


def test_who_does_not_compile_does_not_load_numba() -> None:
    program = (
        "import sys\n"
        "from semsched.predict.length import LengthPredictor\n"
        "predictor = LengthPredictor()\n"
        "predictor.observe('x', 5)\n"
        "predictor.predict(['x'])\n"
        "print('numba' in sys.modules)\n"
        "predictor.compile()\n"
        "print('numba' in sys.modules)\n"
    )
    said = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert said.split() == ["False", "True"]
