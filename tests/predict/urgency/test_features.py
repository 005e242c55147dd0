import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.urgency.features import NUM_PIECES, WHOLE, Reading, pieces, read
from semsched.predict.urgency.lexicon import lexicon
from semsched.predict.urgency.seeds import read_seeds
from semsched.predict.urgency.words import MAX_WORDS

ANY_TEXT = st.text(st.characters(exclude_categories=[]))


def phrases(text: str) -> set[str]:
    """The facts about phrases and tasks in `text`, less what is said of it as a whole."""
    return {name for name, place in read(text).facts.items() if place != WHOLE}


def whole(text: str) -> set[str]:
    """The facts about `text` as a whole."""
    return {name for name, place in read(text).facts.items() if place == WHOLE}


# --- claims ------------------------------------------------------------------------------------


def meaning(text: str) -> tuple[set[str], set[str]]:
    """All features."""
    reading = read(text)
    return set(reading.grams), set(reading.facts)


SHORT = [seed.text for seed in read_seeds("heldout") if len(seed.text.split()) < 60]


@pytest.mark.parametrize(
    "form",
    [
        "URGENT: {}",
        "*** URGENT *** {}",
        "URGENT! EMERGENCY!! CRITICAL, ASAP: {}",
        "P0 - {}",
        "[SEV 1] {}",
        "priority 0: {}",
        "asap\n{}",
    ],
)
def test_a_claim_before_a_text_changes_nothing(form: str) -> None:
    for text in SHORT:
        if text[0].isalnum():
            assert meaning(form.format(text)) == meaning(text), text


@pytest.mark.parametrize("form", ["{}, URGENT!", "{}. ASAP!!!", "{} (urgent)", "{}\n\nPriority 1."])
def test_a_claim_behind_a_text_changes_nothing(form: str) -> None:
    for text in SHORT:
        if text[-1].isalpha():
            assert meaning(form.format(text)) == meaning(text), text


def last_mark(text: str) -> int | None:
    """Where the last sentence mark inside `text` stands."""
    ends = [match.start() for match in re.finditer(r"(?<=[^\W\d])[.!?;](?=\s+[^\W\d])", text)]
    return ends[-1] if ends else None


MARKED = [(text, at) for text in SHORT if (at := last_mark(text))]


def test_a_claim_after_a_sentence_mark_changes_nothing() -> None:
    assert len(MARKED) > 200
    for text, at in MARKED:
        expected = meaning(text)
        for claim in ("URGENT", "ASAP", "Emergency critical IMMEDIATELY important"):
            assert meaning(f"{text[: at + 1]} {claim} {text[at + 1 :]}") == expected, text


@pytest.mark.parametrize(
    "claim",
    "urgent urgently urgency asap emergency emergent critical critically priority immediate "
    "immediately important importantly hurry stat rush sev severity".split(),
)
def test_no_claim_is_a_feature_by_itself(claim: str) -> None:
    first, second = "My gran fell down the stairs.", " Her hip hurts, she can't get up, HR 88"
    expected = meaning(first + second)
    for word in (claim, claim.upper(), claim.title()):
        assert meaning(f"{first} {word}{second}") == expected
        assert meaning(f"{first} {word} {word}{second}") == expected
        assert meaning(f"{word} {first}{second}") == expected


def test_a_claim_alone_says_nothing() -> None:
    assert read("URGENT! EMERGENCY!!").grams == {}
    assert phrases("URGENT! EMERGENCY!!") == set()


def test_words_on_both_sides_of_a_claim_are_neighbours() -> None:
    assert "help now" in read("help URGENT now").grams


# --- grams -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "grams"),
    [
        ("", {}),
        ("...", {}),
        ("Help", {"help": (0, 1), "^ help": (0, 1)}),
        ("so so", {"so": (0, 1), "^ so": (0, 1), "so so": (0, 2)}),
        ("one, two", {"one": (0, 1), "^ one": (0, 1), "two": (2, 3)}),
        ("one\ntwo", {"one": (0, 1), "^ one": (0, 1), "two": (2, 3)}),
        ("- one", {"one": (1, 2)}),
        ("one?", {"one": (0, 1), "^ one": (0, 1), "?": (1, 2), "one ?": (0, 2)}),
        ("?one", {"one": (1, 2)}),  # a suspicion, not a question
        ("4 10", {"#": (0, 1), "^ #": (0, 1), "# #": (0, 2)}),
        ("no dogs", {"no": (0, 1), "^ no": (0, 1), "-dogs": (1, 2), "no -dogs": (0, 2)}),
        ("hx dogs", {"hx": (0, 1), "^ hx": (0, 1), "~dogs": (1, 2), "hx ~dogs": (0, 2)}),
        ("I said 'go'", {"i": (0, 1), "^ i": (0, 1), "said": (1, 2), "i said": (0, 2)}
            | {"'go": (3, 4)}),
    ],
)  # fmt: skip
def test_words_and_pairs_are_marked_and_placed(
    text: str, grams: dict[str, tuple[int, int]]
) -> None:
    assert read(text).grams == grams


def test_what_is_negated_and_past_is_negated_and_what_is_quoted_is_only_that() -> None:
    assert "-strok" in read("denies stroke in 1962").grams
    assert "'strok" in read("translate 'denies stroke' for my old aunt").grams


# --- facts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "facts", "most_urgent"),
    [
        ("chest pain", {"heart, brain", "=chest pain"}, "1"),
        ("no chest pain", {"heart, brain|negated"}, "none"),
        ("previously chest pain", {"heart, brain|past"}, "none"),
        ("he said 'chest pain' to me", {"heart, brain|quoted"}, "none"),
        ("a poem on chest pain", {"fiction|start", "heart, brain|task"}, "none"),
        ("chest pain, no poem", {"heart, brain", "=chest pain"}, "1"),
        ("chest pain and chest pain", {"heart, brain", "=chest pain"}, "1"),
        (
            "chest pain and cardiac arrest",
            {"heart, brain", "=chest pain", "no circulation", "=cardiac arrest"},
            "0",
        ),
        ("we need a long poem", {"fiction"}, "none"),  # a task that is named late
        ("we need a poem", {"fiction|start"}, "none"),
        ("tea", set(), "none"),
    ],
)
def test_phrases_count_unless_a_scope_or_a_task_takes_their_weight(
    text: str, facts: set[str], most_urgent: str
) -> None:
    assert phrases(text) == facts
    assert f"most urgent phrase {most_urgent}" in whole(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("tea", 0),
        ("a poem, a poem", 1),
        ("a poem in python", 2),
        ("translate a poem on python for my exam", 3),
    ],
)
def test_kinds_of_task_are_counted_up_to_three(text: str, number: int) -> None:
    assert f"{number} kinds of task" in whole(text)


@pytest.mark.parametrize(("words", "size"), [(0, 0), (1, 1), (3, 2), (4, 3), (255, 8), (470, 8)])
def test_the_size_is_a_fact_in_powers_of_two(words: int, size: int) -> None:
    assert f"size {size}" in whole("tea " * words)


def signs(text: str) -> set[str]:
    """The facts about vital signs, pain and age in `text`."""
    return whole(text) - whole("tea") - {f"size {size}" for size in range(9)}


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("tea", set()),
        (
            "HR 120",
            {"heart_rate 2", "vitals 2", "worst vital 2", "1 vitals, worst 2"}
            | {"most urgent phrase none, vitals slightly off"},
        ),
        (
            "SpO2 98 RR 16",
            {"saturation 0", "respiration 0", "vitals 0", "worst vital 0", "2 vitals, worst 0"}
            | {"most urgent phrase none, vitals normal"},
        ),
        (
            "BP 70/40, HR 140, RR 36, SpO2 80, T 39.5",
            {"systolic 4", "heart_rate 3", "respiration 4", "saturation 4", "temperature 2"}
            | {"vitals 12", "worst vital 4", "4 vitals, worst 4", "shock index 1.6 or more"}
            | {"most urgent phrase none, vitals extreme"},
        ),
        ("pain 8/10", {"pain 7 or more"}),
        ("pain 0/10", {"pain 0 or more"}),
        ("72M", {"age 65 or more"}),
        ("15 day old baby", {"age 0 or more"}),
    ],
)
def test_vital_signs_pain_and_age_are_facts_in_steps(text: str, facts: set[str]) -> None:
    assert signs(text) == facts


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("HR 80", "normal"),
        ("HR 100", "slightly off"),
        ("HR 100 RR 22 SpO2 95", "slightly off"),  # 1 + 2 + 1
        ("HR 120 RR 22 SpO2 95", "off"),  # 2 + 2 + 1
        ("HR 140", "off"),
        ("HR 140 RR 26 T 39.5", "off"),  # 3 + 3 + 2
        ("HR 140 RR 26 SpO2 90", "extreme"),  # 3 + 3 + 3
        ("HR 170", "extreme"),
    ],
)
def test_all_vital_signs_together_are_a_condition(text: str, condition: str) -> None:
    assert f"most urgent phrase none, vitals {condition}" in whole(text)
    assert f"most urgent phrase 1, vitals {condition}" in whole(f"chest pain, {text}")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("BP 120/80 HR 80", "0"),
        ("BP 100/60 HR 70", "0.7"),
        ("BP 100/60 HR 90", "0.9"),
        ("BP 100/60 HR 120", "1.2"),
        ("72M BP 100/60 HR 160", "1.6"),
        ("5 year old, BP 100/60 HR 160", None),  # a child's heart is faster at ease
        ("HR 160", None),
        ("BP 80/40", None),
    ],
)
def test_the_shock_index_is_that_of_an_adult(text: str, index: str | None) -> None:
    found = {fact for fact in whole(text) if fact.startswith("shock index")}
    assert found == ({f"shock index {index} or more"} if index else set())


@pytest.mark.parametrize(
    ("text", "feverish"),
    [
        ("10 day old baby, temp 38.0", True),
        ("10 day old baby, temp 100.4", True),  # the same in Fahrenheit
        ("2 month old, temp 39", True),
        ("10 day old baby, temp 37.9", False),
        ("3 month old, temp 39", False),
        ("10 day old baby", False),
        ("temp 39", False),
    ],
)
def test_fever_of_a_newborn_is_a_fact(text: str, feverish: bool) -> None:
    assert ("fever of a newborn" in whole(text)) is feverish


# --- bounds ------------------------------------------------------------------------------------


def check(reading: Reading) -> None:
    """Raises AssertionError unless places are inside the text and features are so many at most."""
    number = len(reading.words.stems)
    assert len(reading.grams) <= 2 * MAX_WORDS
    assert max(map(len, reading.grams), default=0) <= 2 * 41 + 1
    assert len(reading.facts) <= 3 * MAX_WORDS + 30
    assert all(0 <= begin < end <= number for begin, end in reading.grams.values())
    for begin, end in reading.facts.values():
        assert (begin, end) == WHOLE or 0 <= begin < end <= number


@given(ANY_TEXT)
def test_any_text_has_features_within_bounds(text: str) -> None:
    check(read(text))


PHRASES = sorted(
    entry.phrase
    for start in lexicon().values()
    for entry in (*start.alone, *(entry for found in start.longer.values() for _, entry in found))
)


@given(st.lists(st.sampled_from([*PHRASES, "no", "or", ",", ".", "'", "BP 70/40", "72M", "1962"])))
def test_any_phrases_together_have_features_within_bounds(parts: list[str]) -> None:
    text = " ".join(parts)
    check(read(text))
    assert read(text) == read(text)


@pytest.mark.parametrize(
    "piece",
    ["no chest pain or ", "in 1962 ", "' ", "BP 70/40 ", "not ", "gcs ", "\ufdfa ", "\u6551", "a"],
)
def test_ten_megabytes_have_features_soon(piece: str) -> None:
    text = piece * (10_000_000 // len(piece))
    began_at = process_time()
    reading = read(text)
    took = process_time() - began_at
    check(reading)
    assert took < 0.2, f"{took:.3f} s"


# --- pieces ------------------------------------------------------------------------------------


def test_words_that_share_pieces_share_buckets() -> None:
    assert pieces("haemorrhage") & pieces("hemorrhage")
    assert not pieces("cat") & pieces("moon")
    assert len(pieces("cat")) == 5  # <ca cat at> <cat cat>


@given(ANY_TEXT)
def test_pieces_of_any_word_are_few_buckets(word: str) -> None:
    found = pieces(word)
    assert len(found) <= 2 * (20 * 4 + 2)
    assert all(0 <= bucket < NUM_PIECES for bucket in found)
    assert found == pieces(word[:20])
