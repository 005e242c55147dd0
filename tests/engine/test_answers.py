import math

import numpy as np
import pytest

from semsched.engine.answers import WORDS, LengthLimits, draw_answer
from semsched.engine.dice import throw, uniform
from semsched.predict.length import prior_lengths

PROMPT = "Explain how a bill becomes a law"
FREE = LengthLimits(1_000_000)


def test_the_same_prompt_and_seed_give_the_same_answer() -> None:
    assert draw_answer(PROMPT, FREE, 3) == draw_answer(PROMPT, FREE, 3)
    lengths = {draw_answer(PROMPT, FREE, seed).num_tokens for seed in range(20)}
    assert len(lengths) > 15


def test_lengths_are_what_the_prior_believes() -> None:
    believed = prior_lengths([PROMPT])
    drawn = [draw_answer(PROMPT, FREE, seed).num_tokens for seed in range(2000)]
    assert np.median(drawn) == pytest.approx(believed.p50[0], rel=0.1)
    assert np.quantile(drawn, 0.9) == pytest.approx(believed.p90[0], rel=0.1)


@pytest.mark.parametrize(
    ("limits", "num_tokens", "reason"),
    [
        (LengthLimits(5), 5, "length"),
        (LengthLimits(5, ignore_eos=True), 5, "length"),
        (LengthLimits(9000, ignore_eos=True), 9000, "length"),
        (LengthLimits(9000, 8000), 8000, "stop"),
        (LengthLimits(1), 1, "length"),
    ],
)
def test_limits_are_kept(limits: LengthLimits, num_tokens: int, reason: str) -> None:
    answer = draw_answer(PROMPT, limits, 0)
    assert (answer.num_tokens, answer.reason) == (num_tokens, reason)


def test_an_answer_that_ends_by_itself_stops() -> None:
    answer = draw_answer(PROMPT, FREE, 0)
    assert answer.reason == "stop"
    assert answer.num_tokens >= 1


def test_the_text_is_a_word_for_each_token() -> None:
    answer = draw_answer(PROMPT, FREE, 0)
    assert answer.text(3) == "".join(f" {WORDS[answer.word(i)]}" for i in range(3))
    assert len(set(answer.text(50).split())) > 20
    assert all(word.isascii() and word.isalpha() for word in WORDS)


def test_dice_are_even_and_repeat() -> None:
    assert throw("a", 1) == throw("a", 1) != throw("a", 2)
    drawn = [uniform("x", i) for i in range(4000)]
    assert 0 < min(drawn) < max(drawn) < 1
    assert math.fsum(drawn) / 4000 == pytest.approx(0.5, abs=0.02)
