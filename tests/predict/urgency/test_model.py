import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from semsched.predict.urgency.features import NUM_PIECES, Reading, pieces, read
from semsched.predict.urgency.model import (
    FACT,
    GRAM_WEIGHT,
    MAX_UNKNOWN,
    OUTPUTS,
    classes,
    encode,
    softmax,
)
from semsched.predict.urgency.model_file import shipped
from tests.predict.urgency.hand_made import model

ANY_TEXT = st.text(st.characters())  # half surrogate pairs included


def index_of_grams(reading: Reading) -> dict[str, int]:
    return {name: row for row, name in enumerate(reading.grams)}


@pytest.mark.parametrize("num_words", [1, 2, 30])
def test_known_grams_share_one_weight(num_words: int) -> None:
    reading = read(
        " ".join(f"word{'abcdefghijklmnopqrstuvwxyzabcde'[i:]}" for i in range(num_words))
    )
    index = index_of_grams(reading)
    rows, values = encode(reading, index)
    assert sorted(rows) == list(index.values())
    assert len(set(values)) == 1
    assert np.square(values).sum() == pytest.approx(GRAM_WEIGHT**2)


def test_facts_count_in_full_beside_the_grams() -> None:
    reading = read("bp 78/40")
    index = {FACT + name: row for row, name in enumerate(reading.facts)} | {"bp": 99}
    rows, values = encode(reading, index)
    by_row = dict(zip(rows.tolist(), values.tolist(), strict=True))
    assert {by_row[index[FACT + name]] for name in reading.facts} == {1.0}
    assert 1 < by_row[99] < GRAM_WEIGHT


def test_a_word_twice_counts_once() -> None:
    once, often = (
        encode(read(text), {"fire": 0})[0].tolist() for text in ("fire", "fire fire fire")
    )
    assert once.count(0) == often.count(0) == 1


def test_words_that_only_claim_urgency_add_nothing() -> None:
    rows, values = encode(read("fire"), {"fire": 0})
    loud_rows, loud_values = encode(read("fire URGENT asap, emergency!"), {"fire": 0})
    np.testing.assert_array_equal(loud_rows, rows)
    np.testing.assert_array_equal(loud_values, values)


def test_an_unknown_word_is_its_pieces() -> None:
    rows, values = encode(read("zorblax"), {"other": 0, "more": 1})
    assert rows.tolist() == [2 + piece for piece in sorted(pieces("zorblax"))]
    assert max(rows) < 2 + NUM_PIECES
    assert len(set(values)) == 1
    assert values[0] > 0


def test_a_known_word_has_no_pieces() -> None:
    rows, _ = encode(read("zorblax"), {"zorblax": 0})
    assert rows.tolist() == [0]


def test_a_negated_unknown_word_has_the_pieces_of_the_word() -> None:
    reading = read("no zorblax")
    assert "-zorblax" in reading.grams
    rows, _ = encode(reading, {"no": 0})
    assert rows.tolist()[1:] == [1 + piece for piece in sorted(pieces("zorblax"))]


def test_a_misspelt_word_shares_pieces_with_the_right_one() -> None:
    right, wrong, other = (
        set(encode(read(word), {})[0].tolist())
        for word in ("unconscious", "unconscous", "newsletter")
    )
    assert len(right & wrong) > len(right) / 2
    assert len(right & other) < len(right) / 4


def test_only_so_many_unknown_words_are_looked_at() -> None:
    words = [f"{a}{b}qx" for a in "bcdfgh" for b in "jklmnpq"]
    rows = [encode(read(" ".join(words[:n])), {})[0].tolist() for n in (29, MAX_UNKNOWN, 42)]
    assert len(rows[0]) < len(rows[1])
    assert rows[1] == rows[2]


@given(ANY_TEXT)
def test_no_word_can_pass_for_a_fact(text: str) -> None:
    assert not any(name.startswith(FACT) for name in read(f"{FACT}{text}\n{FACT}size 1").grams)


@given(ANY_TEXT)
def test_rows_are_within_the_weights_and_none_is_there_twice(text: str) -> None:
    index = {"a": 0, "0": 1, f"{FACT}size 1": 2}
    rows, values = encode(read(text), index)
    assert rows.shape == values.shape
    assert len(set(rows.tolist())) == len(rows)
    assert all(0 <= row < len(index) + NUM_PIECES for row in rows)
    assert np.isfinite(values).all()


def test_outputs_of_one_class_are_merged() -> None:
    outputs = np.array([0.1, 0.2, 0.3, 0.05, 0.05, 0.1, 0.2])
    merged = [0.1, 0.2, 0.3, 0.15, 0.25]
    before = outputs.copy()
    np.testing.assert_allclose(classes(outputs), merged)
    np.testing.assert_allclose(classes(np.array([outputs, outputs])), [merged, merged])
    np.testing.assert_array_equal(outputs, before)


@pytest.mark.parametrize("output", range(len(OUTPUTS)))
def test_each_output_counts_for_its_class(output: int) -> None:
    probabilities = model({"fire": {output: 5.0}}, {}).score("fire").probabilities
    assert probabilities.argmax() == OUTPUTS[output]
    assert probabilities.max() > 0.9


@given(arrays(np.float64, (3, len(OUTPUTS)), elements=st.floats(-1e5, 1e5)))
def test_softmax_is_a_distribution_in_the_order_of_the_odds(outputs: NDArray[np.float64]) -> None:
    chances = softmax(outputs)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert (chances >= 0).all()
    likeliest = np.take_along_axis(outputs, chances.argmax(axis=1)[:, None], axis=1)
    np.testing.assert_allclose(likeliest[:, 0], outputs.max(axis=1), atol=1e-9)


def test_softmax_of_known_odds() -> None:
    np.testing.assert_allclose(softmax(np.log([1.0, 3.0, 4.0])), [0.125, 0.375, 0.5])


@given(st.lists(ANY_TEXT, max_size=4))
def test_probabilities_are_a_row_for_each_text_and_sum_to_one(texts: list[str]) -> None:
    linear = shipped().linear
    probabilities = linear.predict(texts)
    assert probabilities.shape == (len(texts), 5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities >= 0).all()
    for text, row in zip(texts, probabilities, strict=True):
        np.testing.assert_array_equal(linear.score(text).probabilities, row)


ELSEWHERE = """
from semsched.predict.urgency.model_file import shipped
texts = ["My husband collapsed and is not breathing, BP 78/40, GCS 7", "zorblax quux, flimp!",
         "no chest pain, translate 'help me' for my exam: URGENT", "Mein Mann atmet nicht \\u706b"]
print(shipped().linear.predict(texts).tobytes().hex())
"""


def test_another_process_says_the_same_whatever_its_hash_seed() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (process.communicate(timeout=60)[0].strip() for process in running)
    assert len(first) == 4 * 5 * 8 * 2
    assert first == second
