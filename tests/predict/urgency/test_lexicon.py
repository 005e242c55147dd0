import tomllib
from collections.abc import Iterator
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.urgency.lexicon import (
    NEGATED,
    PAST,
    QUOTED,
    SENTENCE_ENDS,
    SMALL,
    Entry,
    find,
    lexicon,
    scopes,
)
from semsched.predict.urgency.words import read_words
from semsched.request import NUM_CLASSES

TABLES = tomllib.loads(files("semsched.predict.urgency").joinpath("lexicon.toml").read_text())


def found(text: str, kind: str = "group") -> list[tuple[str, str]]:
    """The phrases of one kind in `text`: what they mean, and the words they stand on."""
    words = read_words(text)
    return [
        (entry.name, " ".join(words.raw[begin:end]))
        for entry, begin, end in find(words.stems)
        if entry.kind == kind
    ]


def flagged(text: str) -> dict[str, int]:
    """The flags of the words of `text` that have any."""
    words = read_words(text)
    flags = scopes(words.stems, find(words.stems))
    assert len(flags) == len(words.stems)
    return {word: flag for word, flag in zip(words.raw, flags, strict=True) if flag}


def negated(text: str) -> str:
    return " ".join(word for word, flag in flagged(text).items() if flag & NEGATED)


def past(text: str) -> str:
    return " ".join(word for word, flag in flagged(text).items() if flag & PAST)


def quoted(text: str) -> str:
    return " ".join(word for word, flag in flagged(text).items() if flag & QUOTED)


# --- phrases -----------------------------------------------------------------------------------


def phrases() -> Iterator[tuple[str, dict[str, object], str]]:
    for kind, sections in TABLES.items():
        for section in sections:
            yield from ((kind, section, phrase) for phrase in section["phrases"])


def test_every_phrase_finds_itself_from_its_first_word_to_its_last() -> None:
    for kind, _section, phrase in phrases():
        stems = read_words(phrase).stems
        large = [at for at, stem in enumerate(stems) if stem not in SMALL]
        assert large, f"{phrase!r} holds small words only"
        key = " ".join(stems[at] for at in large)
        ends = {
            (match.begin, match.end)
            for match in find(stems)
            if (match.entry.kind, match.entry.phrase) == (kind, key)
        }
        assert ends == {(large[0], large[-1] + 1)}, phrase


def test_every_table_says_what_its_kind_needs() -> None:
    assert set(TABLES) == {"group", "gate", "scope"}
    for group in TABLES["group"]:
        assert set(group) == {"name", "urgency", "phrases"}
        assert 0 <= group["urgency"] < NUM_CLASSES
    for gate in TABLES["gate"]:
        assert set(gate) == {"name", "phrases"}
    for scope in TABLES["scope"]:
        assert scope["kind"] in ("negated", "past")
        assert scope.get("commas", "pass") in ("pass", "stop", "list")
        assert scope.get("around") or scope["reach"] > 0


def test_the_lexicon_is_read_once() -> None:
    assert lexicon() is lexicon()


def test_small_words_inside_a_phrase_are_passed_over() -> None:
    assert found("Pain is now in my chest") == [("heart, brain", "Pain is now in my chest")]
    assert found("She is turning just so blue") == [("not breathing", "turning just so blue")]
    assert found("turning towards blue") == []


def test_small_words_around_a_phrase_do_not_belong_to_it() -> None:
    assert found("it is my chest pain and it") == [("heart, brain", "chest pain")]


def test_marks_part_a_phrase() -> None:
    for mark in ".,;:!?\n":
        assert found(f"chest{mark}pain") == []


def test_of_phrases_from_one_word_the_longest_is_meant() -> None:
    assert found("loss of consciousness now") == [("unresponsive", "loss of consciousness")]
    assert found("septic shock") == [("no circulation", "septic shock")]
    assert found("septic patient") == [("bleeding, abdomen, pregnancy", "septic")]
    assert found("vomiting lots of blood") == [("massive bleeding", "vomiting lots of blood")]
    assert found("vomiting blood") == [("bleeding, abdomen, pregnancy", "vomiting blood")]
    assert found("vomiting lots") == [("needs care today", "vomiting")]


def test_a_phrase_of_each_kind_may_begin_at_one_word() -> None:
    assert found("No pulse") == [("no circulation", "No pulse")]
    assert found("No pulse", "scope") == [("negated", "No")]


def test_case_and_apostrophes_do_not_matter() -> None:
    for text in ("she WON'T wake up", "she won\u2019t wake up", "she wont wake up"):
        assert [name for name, _ in found(text)] == ["unresponsive"]


def test_an_entry_says_whose_it_is() -> None:
    [match] = find(["chest", "pain"])
    assert match.entry == Entry("group", "heart, brain", "chest pain", urgency=1)


STEMS = [
    *sorted({stem for _, _, phrase in phrases() for stem in read_words(phrase).stems}),
    *sorted(SENTENCE_ENDS),
    *",:\"'`\u201c\u201d\u00ab\u00bb",
    *("or", "1998", "1930", "19", "\u0661\u0669\u0669\u0668"),
]


@given(st.lists(st.sampled_from(STEMS), max_size=60))
def test_whatever_stands_together_matches_are_inside_and_in_order(stems: list[str]) -> None:
    matches = find(stems)
    begins = [match.begin for match in matches]
    assert begins == sorted(begins)
    for entry, begin, end in matches:
        assert 0 <= begin < end <= len(stems)
        assert " ".join(stem for stem in stems[begin:end] if stem not in SMALL) == entry.phrase
    flags = scopes(stems, matches)
    assert len(flags) == len(stems)
    assert all(0 <= flag <= NEGATED | PAST | QUOTED for flag in flags)


# --- scopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("denies chest pain, fever, cough", "chest pain , fever cough"),
        ("denies fever. Chest pain", "fever"),
        ("no chest pain, fever", "chest pain"),  # a list needs an "or"
        ("no chest pain, fever or cough", "chest pain , fever or cough"),
        ("no chest pain or fever", "chest pain or fever"),
        ("no fever, can't breathe", "fever"),
        ("no chest pain but fever", "chest pain"),
        ("no chest pain however fever", "chest pain"),
        ("no chest pain; fever or cough", "chest pain"),
        ("no chest pain\nfever or cough", "chest pain"),
        ("not in pain, fever or cough", "in pain"),
        ("not at home in a fever", "at home in"),  # three words
        ("denies chest pain, she has fever", "chest pain ,"),
        ("no medical history, collapsed", "medical history"),
        ("never had a seizure before, seizing", "had a seizure before"),
        ("fever, no cough", "cough"),
        ("without a cough", "a cough"),
        ("fever", ""),
        ("no", ""),
    ],
)
def test_what_is_denied_is_negated_as_far_as_it_goes(text: str, expected: str) -> None:
    assert negated(text) == expected


def test_a_scope_reaches_so_many_words_and_no_further() -> None:
    words = [f"x{chr(ord('a') + i)}" for i in range(20)]
    assert negated(f"denies {' '.join(words)}") == " ".join(words[:12])
    assert negated(f"no {' '.join(words)}") == " ".join(words[:8])


@pytest.mark.parametrize(
    "text",
    [
        "not breathing, blue",
        "he is not breathing or moving",
        "no pulse, chest pain",
        "she isn't moving, fever",
        "nothing urgent about the fever",
    ],
)
def test_a_cue_that_is_part_of_a_phrase_opens_no_scope(text: str) -> None:
    assert found(text) != []
    assert flagged(text) == {}


def test_the_cue_itself_is_not_negated() -> None:
    assert "denies" not in flagged("denies fever")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("history of stroke. Now chest pain", "of stroke"),
        ("history of stroke, now chest pain", "of stroke"),
        ("hx of CAD with crushing chest pain", "of CAD"),
        ("known case of asthma, severe dyspnea", "of asthma"),
        ("previously healthy 30M, stabbed", "healthy 30 M"),
        ("worried about my wife, she is unconscious", "my wife"),
        ("PMH: stroke, CKD, asthma. Here for fever", ": stroke , CKD asthma"),
        ("previously stroke but chest pain", "stroke"),
        ("h/o stroke", "stroke"),
        ("Fever. A stroke two years ago at work. Chest pain", "A stroke two years ago at work"),
        ("when I was ten I had a stroke", "when I was ten had a stroke"),
        ("my father had a stroke then chest pain", "a stroke"),
    ],
)
def test_what_was_or_may_be_is_past(text: str, expected: str) -> None:
    assert past(text) == expected


@pytest.mark.parametrize("year", ["1900", "1962", "1999"])
def test_a_year_of_the_last_century_makes_its_sentence_past(year: str) -> None:
    assert past(f"Fever. In {year} a stroke. Chest pain") == f"In {year} a stroke"
    assert past(f"A stroke in {year}") == f"A stroke in {year}"


@pytest.mark.parametrize(
    "number", ["2019", "199", "19999", "1,998", "19.98", "\u0661\u0669\u0669\u0668"]
)
def test_other_numbers_are_no_such_year(number: str) -> None:
    assert past(f"A stroke, {number}") == ""


def test_a_sentence_reaches_no_further_than_forty_words() -> None:
    stems = ["word"] * 60 + ["in", "1962"] + ["word"] * 60
    assert scopes(stems, []) == [0] * 21 + [PAST] * 80 + [0] * 21


def test_a_time_of_day_is_no_year() -> None:
    stems = read_words("arrived 1930, chest pain").stems
    assert not any(scopes(stems, find(stems)))


def test_a_possessive_opens_no_quotation() -> None:
    stems = read_words("my parents' house is on fire and the neighbours' kids are inside").stems
    assert not any(scopes(stems, find(stems)))


def test_what_was_written_as_several_words_is_no_single_one_of_the_worst_class() -> None:
    """Small words fall away: "took all" would find every "took"."""
    worst = {stem for stem, start in lexicon().items() if any(e.urgency == 0 for e in start.alone)}
    common = {"took", "swallow", "shot", "end", "sink", "sever", "attack", "limp", "breath"}
    assert not worst & common


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ('"', '"'),
        ("\u201c", "\u201d"),
        ("\u201e", "\u201c"),
        ("\u00ab", "\u00bb"),
        ("`", "`"),
        (" '", "' "),
    ],
)
def test_what_stands_in_quotation_marks_is_quoted(opened: str, closed: str) -> None:
    assert quoted(f"Please translate {opened}chest pain{closed} for me") == "chest pain"


@pytest.mark.parametrize(
    "text",
    [
        "I don't breathe, she can't breathe",  # apostrophes
        'he said "chest pain and left',  # never closed
        "he said \u201cchest pain\u00bb and left",  # closed by another mark
        'a "" b',
    ],
)
def test_other_marks_quote_nothing(text: str) -> None:
    assert quoted(text) == ""


def test_a_text_that_is_mostly_quoted_is_not_taken_for_a_quotation() -> None:
    inside = "my father has chest pain and is cold"
    assert quoted(f'"{inside}"') == ""
    assert quoted(f"'{inside}'") == ""
    assert quoted(f'Please translate this into good French: "{inside}"') == inside


def test_flags_add_up() -> None:
    assert flagged("The form of 1962 says `denies a stroke` at its end") == {
        **dict.fromkeys("The form of 1962 says denies".split(), PAST),
        "denies": PAST | QUOTED,
        **dict.fromkeys("a stroke".split(), PAST | QUOTED | NEGATED),
        **dict.fromkeys("` at its end".split(), PAST | NEGATED),
    }
