from time import process_time

import numpy as np
import pytest

from semsched.predict.length.features import read_signs
from semsched.predict.length.ngrams import ngrams
from semsched.predict.length.online import encode
from semsched.predict.length.prompt import MAX_EDGE, read_prompt

TEN_MB = 10_000_000

ADVERSARIAL = {
    "one letter": "a",
    "spaces": " ",
    "newlines": "\n",
    "almost a number": "1,",
    "in in in": "in 5 ",
    "quotes": "'\"`",
    "braces": "{;=}",
    "one more word": "in 50 words write a ",
    "combining marks": "e\u0301",
    "no spaces": "\u6f22",
    "control": "\x00\x1b",
    "emoji": "\U0001f469\u200d\U0001f692",
    "right to left": "\u0627\u0644 \u202e",
    "lone surrogate": "\ud800x ",
    "grows in lower case": "\u0130",
}


def test_words_are_cut_at_everything_that_is_no_letter_or_digit() -> None:
    assert read_prompt("Don't STOP, x_1: 3.5!").words == ["don", "t", "stop", "x_1", "3", "5"]


def test_ascii_is_cut_like_any_other_text() -> None:
    every = "".join(map(chr, range(128)))
    for text in (every, "A".join(every), "", "  "):
        assert read_prompt(f"{text} \u00e9").words == [*read_prompt(text).words, "\u00e9"]


def test_words_of_our_vocabulary_are_known() -> None:
    assert read_prompt("Translate the app into app code").known == {"translate", "app", "code"}


def test_a_script_without_spaces_gives_a_word_per_character() -> None:
    assert read_prompt("\u519920000\u5b57 ok").words == ["\u5199", "20000", "\u5b57", "ok"]


def test_only_the_edges_are_read_and_the_whole_is_estimated() -> None:
    prompt = read_prompt("first " + "middle " * 100_000 + "last")
    assert len(prompt.text) == 2 * MAX_EDGE + 1
    assert (prompt.words[0], prompt.words[-1]) == ("first", "last")
    assert prompt.num_words == pytest.approx(100_002, rel=0.02)


def test_a_text_at_the_cap_is_read_whole() -> None:
    text = "x" * MAX_EDGE + "y" * MAX_EDGE
    assert read_prompt(text).text == text


@pytest.mark.parametrize("piece", ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_whatever_the_text_numbers_come_out_soon(piece: str) -> None:
    text = piece * (TEN_MB // len(piece))
    began_at = process_time()
    encoded = encode(text)
    took = process_time() - began_at
    assert np.isfinite(encoded.values).all()
    assert np.isfinite(encoded.prior).all()
    assert took < 0.2, f"{took:.3f} s"


def test_every_character_and_none_are_text() -> None:
    every = "".join(map(chr, range(0x11000)))
    chunks = [every[i : i + 500] for i in range(0, len(every), 500)]
    for text in ("", *chunks):
        prompt = read_prompt(text)
        assert np.isfinite(read_signs(prompt).numbers).all()
        assert ngrams(prompt.asked).size > 0
