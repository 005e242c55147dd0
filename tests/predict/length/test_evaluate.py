from itertools import combinations
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

import semsched
from semsched.predict.examples import ExampleFileError
from semsched.predict.length import (
    LengthPredictor,
    evaluate,
    kendall_tau,
    prior_lengths,
    read_lengths,
)

DATA = Path(semsched.__file__).parents[3] / "shared" / "data"
SETS = ("length_arena_hard_01.jsonl", "length_arena_hard_2.jsonl")


def plain_tau(x: list[int], y: list[int]) -> float:
    """Tau-b as it is defined: concordant less discordant pairs, ties out of both roots."""
    total = x_pairs = y_pairs = 0
    for i, j in combinations(range(len(x)), 2):
        total += int(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]))
        x_pairs += x[i] != x[j]
        y_pairs += y[i] != y[j]
    return total / sqrt(x_pairs * y_pairs)


def test_tau_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(8, size=(2, 40)).tolist()
        assert kendall_tau(x, y) == pytest.approx(plain_tau(x, y))


def test_tau_of_a_known_case() -> None:
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert kendall_tau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) == pytest.approx(-0.4714045)


@pytest.mark.parametrize(("x", "y"), [([1, 1], [1, 2]), ([1, 2], [1, 1]), ([], []), ([1], [2])])
def test_tau_without_an_order_is_zero(x: list[int], y: list[int]) -> None:
    assert kendall_tau(x, y) == 0


def test_the_second_half_is_predicted_before_it_is_learned() -> None:
    texts = [f"{'tulips' if i % 2 else 'tides'} {i}" for i in range(41)]
    length = [3000 + i if i % 2 else 30 + i for i in range(41)]
    predictor, p50, p90 = LengthPredictor(), [], []
    for text, output_tokens in zip(texts, length, strict=True):
        believed = predictor.predict([text])
        p50.append(believed.p50[0])
        p90.append(believed.p90[0])
        predictor.observe(text, output_tokens)
    figures = evaluate(texts, length)
    assert figures.num_rows == 41
    assert figures.online_tau == kendall_tau(p50[20:], length[20:])
    errors = np.abs(np.log(p50) - np.log(length))
    assert figures.online_log_mae == pytest.approx(errors[20:].mean())
    assert figures.p90_coverage == pytest.approx(np.mean(np.array(length)[20:] <= p90[20:]))
    assert figures.cold_tau == kendall_tau(prior_lengths(texts).p50, length)
    assert figures.online_log_mae < figures.cold_log_mae


def test_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x", "len": 3, "more": []}\n\n' * 4, "utf-8")
    assert read_lengths(path) == (["x"] * 4, [3] * 4)


GOOD = '{"text": "x", "len": 3}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + "{", "a.jsonl:2: not JSON"),
        (GOOD + "[1]", "a.jsonl:2: must be an object"),
        (GOOD * 2 + '{"len": 3}', "a.jsonl:3: text: must be a string, got None"),
        ('{"text": "x"}', "a.jsonl:1: len: must be a whole number, got None"),
        ('{"text": "x", "len": true}', "a.jsonl:1: len: must be a whole number, got True"),
        ('{"text": "x", "len": 1.5}', "a.jsonl:1: len: must be a whole number, got 1.5"),
        ('{"text": "x", "len": 0}', "a.jsonl:1: len: must be 1 to 1000000, got 0"),
        ('{"text": "x", "len": ' + "9" * 400 + "}", "a.jsonl:1: len: must be 1 to 1000000"),
        ("[" * 100_000, "a.jsonl:1: not JSON"),
        (GOOD, "a.jsonl: has 1 rows, must have 4 or more"),
    ],
)
def test_a_bad_line_is_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(ExampleFileError) as raised:
        read_lengths(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExampleFileError, match="cannot be read"):
        read_lengths(path)


def development_set(name: str) -> tuple[list[str], list[int]]:
    if not (DATA / name).is_file():
        pytest.skip("the development sets are not here")
    return read_lengths(DATA / name)


@pytest.mark.parametrize("name", SETS)
def test_the_development_sets_are_ordered_well_enough(name: str) -> None:
    figures = evaluate(*development_set(name))
    assert figures.cold_tau >= 0.12
    assert figures.online_tau >= 0.30
    assert 0.87 <= figures.p90_coverage <= 0.93
    assert figures.online_log_mae < figures.cold_log_mae


@pytest.mark.parametrize("name", SETS)
def test_the_first_hundred_answers_never_make_it_much_worse(name: str) -> None:
    texts, length = development_set(name)
    starts = range(0, len(texts) - 99, 100)
    gains = np.array([gain(texts[i : i + 100], length[i : i + 100]) for i in starts])
    assert gains[:, 0].mean() > -0.01
    assert gains[:, 0].min() > -0.06
    assert gains[:, 1].max() < 0.01


def gain(texts: list[str], length: list[int]) -> tuple[float, float]:
    """What learning adds to the prior's tau and to its log-MAE."""
    predictor, met = LengthPredictor(), []
    for text, output_tokens in zip(texts, length, strict=True):
        met.append(predictor.predict([text]).p50[0])
        predictor.observe(text, output_tokens)
    cold = prior_lengths(texts).p50
    errors = [np.abs(np.log(p50) - np.log(length)).mean() for p50 in (met, cold)]
    return kendall_tau(met, length) - kendall_tau(cold, length), errors[0] - errors[1]
