import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.urgency import words
from semsched.predict.urgency.words import MAX_HEAD, MAX_TAIL, MAX_WORDS, Memo, read_words, stem

TEN_MB = 10_000_000

ANY_TEXT = st.text(st.characters(exclude_categories=[]))
"""Lone surrogates too: JSON may hold them."""

ASCII_TEXT = st.text(st.characters(max_codepoint=127))

HOSTILE = {
    "one letter": "a",
    "apostrophes": "'",
    "letters and apostrophes": "a'",
    "digits": "1",
    "almost a number": "1,",
    "spaces": " ",
    "line ends": "\n",
    "combining marks": "\u0301",
    "letters with marks": "e\u0301",
    "digits of another script": "\u0663",
    "no spaces": "\u6f22",
    "eighteen letters in one": "\ufdfa",
    "lone surrogates": "\ud800",
    "emoji": "\U0001f469\u200d\U0001f692",
    "zero bytes": "\x00",
}


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("", []),
        (" \t ", []),
        ("Help me", ["Help", "me"]),
        ("can't, don\u2019t", ["can't", ",", "don\u2019t"]),
        ("'tis dogs' o'er", ["'", "tis", "dogs'", "o'er"]),
        ("rock'n'roll", ["rock'n", "'", "roll"]),
        ("BP120/80", ["BP", "120", "/", "80"]),
        ("38.5C 1,200 7. 1.2.3", ["38.5", "C", "1,200", "7", ".", "1.2", ".", "3"]),
        ("snake_case", ["snake", "case"]),
        ("one\n\ntwo", ["one", "\n", "\n", "two"]),
        ("72-year-old", ["72", "-", "year", "-", "old"]),
        ("\u00e9t\u00e9 \u0436\u0430\u0440", ["\u00e9t\u00e9", "\u0436\u0430\u0440"]),
        ("\u6551\u547dhelp", ["\u6551", "\u547d", "help"]),
        ("\uc0b4\ub824 3", ["\uc0b4", "\ub824", "3"]),
        ("\u0663\u0668", ["\u0663\u0668"]),
        ("\U0001f692!", ["\U0001f692", "!"]),
    ],
)
def test_a_text_is_cut_into_words_numbers_marks_and_line_ends(text: str, raw: list[str]) -> None:
    found = read_words(text)
    assert found.raw == raw
    assert found.text == text
    assert len(found.stems) == len(raw)


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        ("BREATHING", "breath"),
        ("breathes", "breath"),
        ("breathe", "breath"),
        ("stopped", "stop"),
        ("swelling", "swell"),  # l and s may be double
        ("pressed", "press"),
        ("does", "does"),  # too short to lose anything
        ("can't", "cant"),
        ("Can\u2019t", "cant"),
        ("mother's", "mother"),
        ("'s", "'s"),
        ("'", "'"),
        ("\u2019", "'"),
        ("\uff28\uff25\uff2c\uff30", "help"),  # as wide as Chinese characters
        ("\u00c9T\u00c9", "\u00e9t\u00e9"),
        ("38.5", "38.5"),
        ("\n", "\n"),
    ],
)
def test_words_of_one_meaning_share_a_stem(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed


@given(ANY_TEXT.filter(bool))
def test_a_stem_is_short_and_never_nothing(word: str) -> None:
    assert 1 <= len(stem(word)) <= 40
    assert stem(word) == stem(word[:40])


@given(ANY_TEXT)
def test_any_text_has_words_that_stand_where_it_is_said(text: str) -> None:
    found = read_words(text)
    assert len(found.stems) == len(found.raw) <= MAX_WORDS
    assert [text[begin:end] for begin, end in found.spans()] == found.raw
    assert found.stems == [stem(word) for word in found.raw]
    assert all(found.stems)


@given(ASCII_TEXT)
def test_the_faster_pattern_gives_the_same_words(text: str) -> None:
    other = read_words(text + " \u00e9")
    assert other.raw == [*read_words(text).raw, "\u00e9"]
    assert other.stems == [*read_words(text).stems, "\u00e9"]


def test_each_ascii_character_is_cut_alike_by_both_patterns() -> None:
    for character in map(chr, range(128)):
        text = f"a{character}b 1{character}2"
        assert read_words(text + " \u00e9").raw == [*read_words(text).raw, "\u00e9"]


@pytest.mark.parametrize("beyond", [0, 1, 100_000])
def test_the_two_ends_of_a_long_text_are_read(beyond: int) -> None:
    text = "h" * MAX_HEAD + "m" * beyond + "t" * MAX_TAIL
    whole = [text] if not beyond else ["h" * MAX_HEAD, "\n", "t" * MAX_TAIL]
    assert read_words(text).raw == whole


@pytest.mark.parametrize("number", [MAX_WORDS - 1, MAX_WORDS, MAX_WORDS + 1, MAX_WORDS + 99])
def test_of_too_many_words_two_thirds_at_the_beginning_are_kept(number: int) -> None:
    marks = [chr(0x2200 + i) for i in range(number)]  # one character each: no cap on those
    head = MAX_WORDS * 2 // 3
    kept = marks if number <= MAX_WORDS else marks[:head] + marks[head - MAX_WORDS :]
    assert read_words("".join(marks)).raw == kept


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"word{i} " for i in range(300)),
        "".join(f"w{i}, " for i in range(5_000)),
        "".join(f"\u00e9t\u00e9 {i} l'\u00e9t\u00e9\n" for i in range(5_000)),
        "\u6551\u547d" * 5_000,
    ],
    ids=["more characters", "more of both", "not ASCII", "no spaces"],
)
def test_spans_of_texts_beyond_the_caps_point_at_the_words(text: str) -> None:
    found, spans = read_words(text), read_words(text).spans()
    assert [text[begin:end] for begin, end in spans] == found.raw
    assert spans == sorted(spans)
    assert spans[0][0] == 0
    assert spans[-1][1] > len(text) - 10
    assert all(spans[i][1] <= spans[i + 1][0] for i in range(len(spans) - 1))


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_ten_megabytes_of_anything_are_soon_read(piece: str) -> None:
    text = piece * (TEN_MB // len(piece))
    began_at = process_time()
    found = read_words(text)
    spans = found.spans()
    took = process_time() - began_at
    assert len(spans) == len(found.stems) <= MAX_WORDS
    assert took < 0.2, f"{took:.3f} s"


@pytest.mark.parametrize("piece", ["a'", "1.", "a" * 1_000 + "'", "1" * 1_000 + ".", "\n'"])
@pytest.mark.parametrize("pattern", [words._ASCII_WORD, words._ANY_WORD], ids=["ascii", "any"])
def test_the_patterns_backtrack_nowhere_even_without_the_caps(
    pattern: re.Pattern[str], piece: str
) -> None:
    text = piece * (1_000_000 // len(piece))
    began_at = process_time()
    assert sum(map(len, pattern.findall(text))) == len(text)
    took = process_time() - began_at
    assert took < 1, f"{took:.3f} s"


def test_words_that_are_remembered_stay_few_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memo, "MAX_WORDS", 8)
    stems = Memo(stem)
    for i in range(50):
        long = chr(ord("a") + i % 26) * (100 + i)
        assert (stems[long], stems[f"breathing{i}"]) == (stem(long), f"breathing{i}")
        assert len(stems) <= 8
        assert max(map(len, stems)) <= 40


def test_what_is_remembered_is_not_asked_again() -> None:
    asked: list[str] = []

    def length(word: str) -> int:
        asked.append(word)
        return len(word)

    lengths = Memo(length)
    assert [lengths[word] for word in ("pain", "pain", "chest", "pain")] == [4, 4, 5, 4]
    assert asked == ["pain", "chest"]


def test_scripts_with_combining_marks_keep_their_words() -> None:
    assert read_words("\u092e\u0947\u0930\u0947 \u092a\u093f\u0924\u093e").raw == [
        "\u092e\u0947\u0930\u0947",
        "\u092a\u093f\u0924\u093e",
    ]
