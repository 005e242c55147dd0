import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Timer

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsched.errors import InputError
from semsched.predict.urgency import embedded as module
from semsched.predict.urgency.classifier import UrgencyClassifier
from semsched.predict.urgency.embedded import Head, SecondLook, mix
from semsched.predict.urgency.model import OUTPUTS
from semsched.predict.urgency.verdict import Floats

DIGITS = Head(10 * np.eye(5, len(OUTPUTS), dtype=np.float32), np.zeros(7, np.float32))
"""Of embeddings of 5 numbers, each of which stands for a class."""

TEXT = "my private trouble"


class Digits:
    """Embeds "3" as class 3, and keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.given.append(list(texts))
        return np.eye(5, dtype=np.float32)[[int(text) for text in texts]]


class Gated(Digits):
    """Works on its n-th text until its n-th gate is opened."""

    def __init__(self, num_gates: int) -> None:
        super().__init__()
        self.gates = [Event() for _ in range(num_gates)]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = super().encode(texts)
        self.gates[len(self.given) - 1].wait(30)
        return encoded


@contextmanager
def gated(num_gates: int) -> Iterator[Gated]:
    encoder = Gated(num_gates)
    try:
        yield encoder
    finally:  # a thread that waits would keep the process
        for gate in encoder.gates:
            gate.set()


def timed(second: SecondLook, text: str) -> tuple[Floats | None, float]:
    began_at = time.monotonic()
    return second.look(text), time.monotonic() - began_at


def test_a_look_is_the_heads_opinion_of_one_text() -> None:
    encoder = Digits()
    second = SecondLook(encoder, DIGITS, deadline=10)
    for digit in (3, 0, 4):
        opinion = second.look(str(digit))
        assert opinion is not None
        assert opinion.shape == (5,)
        assert opinion.argmax() == digit
        assert opinion.sum() == pytest.approx(1)
    assert encoder.given == [["3"], ["0"], ["4"]]


def test_a_head_merges_the_outputs_of_a_class() -> None:
    weights = np.zeros((2, 7), np.float32)
    weights[0, 5] = weights[1, 6] = 20
    probabilities = Head(weights, np.zeros(7, np.float32)).probabilities(
        np.eye(2, dtype=np.float32)
    )
    assert probabilities.shape == (2, 5)
    assert probabilities.argmax(axis=1).tolist() == [3, 4]


def test_a_late_answer_is_none_in_time() -> None:
    with gated(1) as encoder:
        opinion, seconds = timed(SecondLook(encoder, DIGITS, deadline=0.1), "1")
        assert opinion is None
        assert 0.09 < seconds < 1


def test_while_a_late_one_is_under_way_the_others_do_without() -> None:
    with gated(1) as encoder:
        second = SecondLook(encoder, DIGITS, deadline=0.05)
        assert second.look("1") is None
        for _ in range(3):
            opinion, seconds = timed(second, "2")
            assert opinion is None
            assert seconds < 1
        assert encoder.given == [["1"]]


def test_once_the_late_one_is_done_the_next_is_answered() -> None:
    with gated(2) as encoder:
        encoder.gates[1].set()
        second = SecondLook(encoder, DIGITS, deadline=5)
        Timer(0.1, encoder.gates[0].set).start()
        assert second.look("1") is not None
        opinion = second.look("2")
        assert opinion is not None
        assert opinion.argmax() == 2


def test_to_wait_for_its_turn_counts_towards_the_deadline() -> None:
    with gated(2) as encoder:
        second = SecondLook(encoder, DIGITS, deadline=0.4)
        assert second.look("1") is None
        Timer(0.3, encoder.gates[0].set).start()
        opinion, seconds = timed(second, "2")
        assert opinion is None
        assert encoder.given == [["1"], ["2"]]
        assert seconds < 0.6


def test_threads_get_the_answer_to_their_own_text() -> None:
    second = SecondLook(Digits(), DIGITS, deadline=10)
    digits = [i % 5 for i in range(100)]
    with ThreadPoolExecutor(8) as threads:
        opinions = list(threads.map(second.look, map(str, digits)))
    assert [None if o is None else int(o.argmax()) for o in opinions] == digits


class Failing(Digits):
    """Fails on every text that is no digit, quoting it."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for text in texts:
            if not text.isdigit():
                raise ValueError(text)
        return super().encode(texts)


def test_an_encoder_that_raises_costs_the_second_look_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    second = SecondLook(Failing(), DIGITS, deadline=10)
    assert second.look(TEXT) is None
    assert "ValueError" in caplog.text
    assert TEXT not in caplog.text
    opinion = second.look("4")
    assert opinion is not None
    assert opinion.argmax() == 4


def test_embeddings_that_do_not_fit_the_head_are_no_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = Head(np.zeros((6, 7), np.float32), np.zeros(7, np.float32))
    with caplog.at_level(logging.WARNING):
        assert SecondLook(Digits(), head, deadline=10).look("1") is None
    assert "sentence embedding failed" in caplog.text


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (None, "has no head for embeddings: train it with --embed"),
        (DIGITS, "embeddings of 5 numbers, must be 384"),
    ],
)
def test_a_model_without_a_fitting_head_is_said_before_anything_is_loaded(
    head: Head | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MiniLM", None)
    with pytest.raises(InputError, match=says):
        SecondLook.with_minilm(head)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_classifier_mixes_the_second_opinion_in_by_its_share(share: float) -> None:
    text = "write a story about a heart attack"
    head = Head(DIGITS.weights, DIGITS.bias, share)
    both = UrgencyClassifier(second=SecondLook(Constant(0), head, deadline=10))
    look = DIGITS.probabilities(np.eye(5, dtype=np.float32)[:1])
    expected = mix(UrgencyClassifier().predict([text]), look, share)
    np.testing.assert_allclose(both.predict([text]), expected)
    verdict = both.classify(text)
    assert verdict.probabilities == pytest.approx(expected[0])
    assert (verdict.urgency == 0) == (share == 1.0)


def test_where_vital_signs_are_stated_the_embedding_is_not_asked() -> None:
    text, encoder = "resting at home, BP 120/80, HR 70", Constant(0)
    both = UrgencyClassifier(second=SecondLook(encoder, DIGITS, deadline=10))
    assert both.classify(text) == UrgencyClassifier().classify(text)
    assert encoder.given == []


class Constant(Digits):
    def __init__(self, digit: int) -> None:
        super().__init__()
        self.digit = digit

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return super().encode([str(self.digit) for _ in texts])


def test_the_classifier_goes_on_alone_where_there_is_no_second_opinion() -> None:
    alone = UrgencyClassifier()
    with gated(1) as late:
        for encoder, text in ((Failing(), TEXT), (late, "3")):
            both = UrgencyClassifier(second=SecondLook(encoder, DIGITS, deadline=0.05))
            np.testing.assert_array_equal(both.predict([text]), alone.predict([text]))
            assert both.classify(text) == alone.classify(text)
        assert late.given == [["3"]]


CHANCES = st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda row: sum(row) > 0.1)


@given(CHANCES, CHANCES, st.floats(0, 1))
def test_a_mix_is_a_distribution_between_both(
    first: list[float], second: list[float], share: float
) -> None:
    a, b = (np.array(row) / sum(row) for row in (first, second))
    mixed = mix(a, b, share)
    assert mixed.sum() == pytest.approx(1)
    assert (mixed >= 0).all()
    np.testing.assert_allclose(mixed, mix(b, a, 1 - share), atol=1e-9)
    np.testing.assert_allclose(mix(a, b, 0), a, atol=1e-7)
    np.testing.assert_allclose(mix(a, b, 1), b, atol=1e-7)


def test_a_mix_of_known_opinions() -> None:
    first, second = np.array([0.8, 0.2, 0, 0, 0]), np.array([0.2, 0.8, 0, 0, 0])
    np.testing.assert_allclose(mix(first, second, 0.5), [0.5, 0.5, 0, 0, 0], atol=1e-6)
    odds = mix(first, second, 0.25)
    assert odds[0] / odds[1] == pytest.approx(2)
