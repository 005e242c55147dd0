import pytest

from semsched.predict.length.features import (
    LEXICAL,
    asked_items,
    asked_tokens,
    read_signs,
    reworded_words,
)
from semsched.predict.length.prompt import read_prompt
from semsched.predict.length.vocabulary import PHRASES


def number(name: str, text: str) -> float:
    return float(read_signs(read_prompt(text)).numbers[LEXICAL.index(name)])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Explain gravity in 50 words.", 70),
        ("Answer in one sentence", 28),
        ("Write two paragraphs on love", 220),
        ("a 1000-word essay on rome", 1400),
        ("write 100 words for the intro and 500 words overall", 700),
        ("\u5199\u4e00\u7bc7\u5c0f\u8bf4\uff0c\u519920000\u5b57, write", 20_000),
        ("write 999999 pages", 20_000),
        ("what is the longest of 300 words?", 0),  # a number in the matter itself
        ("how do I reverse a word in C", 0),
        ("write 0 words", 0),
        ("", 0),
    ],
)
def test_a_length_asked_for_in_words_is_read(text: str, tokens: float) -> None:
    assert asked_tokens(read_prompt(text)) == pytest.approx(tokens)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("top 10 films", 10),
        ("five ideas for lunch", 5),
        ("list 9999 cats", 200),
        ("my cats", 0),
        ("3 lists of the 5 best cats", 3),  # the first that says so
        ("five list ten", 5),
        ("ideas for the best", 0),
    ],
)
def test_the_number_of_things_asked_for_is_read(text: str, items: float) -> None:
    assert asked_items(read_prompt(text)) == items


def test_a_text_to_be_reworded_has_a_size() -> None:
    assert reworded_words(read_prompt("Translate: guten Morgen")) == 3
    assert reworded_words(read_prompt("Guten Morgen")) == 0


@pytest.mark.parametrize(
    ("name", "text", "other"),
    [
        ("question_end", "why? ", "why? because"),
        ("questions", "a? b? c?", "a?"),
        ("fenced", "```x```", "`x`"),
        ("code_marks", "f() { x = 1; }", "f of x"),
        ("choices", "pick: A) x B) y C) z", "pick A or B or C"),
        ("one_word", "Is it so? Yes or no.", "Is it so? No."),
        ("stepwise", "solve it step by step", "step on it"),
        ("how_to", "how do I swim", "who swims"),
        ("how_many", "how many eggs", "eggs, many"),
        ("long", "a detailed essay", "a note"),
        ("short", "briefly, please", "please"),
        ("list", "list the steps", "go"),
        ("foreign", "h\u00e9llo", "hello"),
    ],
)
def test_a_number_tells_one_prompt_from_another(name: str, text: str, other: str) -> None:
    assert number(name, text) > number(name, other)


def test_pasted_text_between_the_ends_is_not_the_request() -> None:
    pasted = "lorem ipsum " * 100
    assert number("long", f"look {pasted} essay {pasted} thanks") == 0
    assert number("long", f"an essay {pasted} {pasted}") > 0
    assert number("long", f"{pasted} {pasted} an essay") > 0


def test_there_is_a_number_for_each_name() -> None:
    signs = read_signs(read_prompt("Translate in 50 words"))
    assert signs.numbers.shape == (len(LEXICAL),)
    assert signs.asked_tokens == pytest.approx(70)
    assert signs.reworded_words == 4


def test_a_group_counts_each_word_once_and_four_at_most() -> None:
    assert number("code", "python python html") == 1.0
    assert number("code", "python java html css react django") == 2.0


@pytest.mark.parametrize(("kind", "phrase"), [(k, p) for k in PHRASES for p in PHRASES[k]])
def test_each_phrase_is_found_as_whole_words_in_a_row(kind: str, phrase: str) -> None:
    first, *others = phrase.split()
    assert number(kind, f"Well, {phrase}!") == 1.0
    assert number(kind, f"{phrase}x {' so '.join([first, *others])}") == 0.0
